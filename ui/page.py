"""ChatPage: what happens when something is typed or pressed. Owns the events; what is drawn is Layout's.

Every draw says all that its event may draw, always from the session as it is. Gradio's browser side patches a draw
that still waits with the next one: of two quick draws of different components the first one was lost.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import gradio as gr

from ui.acts import Act
from ui.client import ApiClient, ApiError
from ui.deeds import Deeds
from ui.layout import NEW_PERSON, Layout, Updates
from ui.person.history import MAX_ROWS, HistoryError, read_history
from ui.session import Session
from ui.turn import Phase, Turn
from ui.views import ChatEvent, SlateView
from ui.words import words_for

_DRAW_S = 0.1  # seconds; prose is drawn at most this often
_KEPT = 30  # conversations in the list
_STARTERS = 12

Stream = AsyncGenerator[Updates, None]


class ChatPage:
    """The page inside the current gr.Blocks.

    Args:
        client: The API.
        blocks: The gr.Blocks that is being built.
    """

    def __init__(self, client: ApiClient, blocks: gr.Blocks) -> None:
        self._client = client
        self._layout = Layout()
        self._deeds = Deeds(client)
        self._wire(blocks)

    def _wire(self, blocks: gr.Blocks) -> None:
        """What a place in the page stands for is the session's to say: browsers send no ids."""
        page = self._layout
        # "multiple": the session decides whether a turn may begin, not the browser's idea of what still runs.
        usual = {"outputs": page.everything, "trigger_mode": "multiple", "show_progress": "hidden"}
        typed = [page.session, page.message]
        page.message.submit(self._ask, typed, **usual)
        page.send.click(self._ask, typed, **usual)
        # Without Gradio's cancels, which cancel what the browser believes to be running: a turn that began
        # while the page was still loading was among it.
        page.stop.click(self._stop, page.session, **usual)
        for part in page.acting:
            part.click(self._act, page.session, **usual)
        page.picker.change(self._choose, [page.session, page.picker], **usual)
        page.bring.upload(self._bring, [page.session, page.bring], **usual)
        page.take.click(self._take, page.session, **usual)
        page.poll.tick(self._connect, page.session, **usual)
        blocks.load(self._connect, page.session, **usual)

    # --- connecting and people -----------------------------------------------------------------------------

    async def _connect(self, session: Session, request: gr.Request) -> Updates:
        """Ask the API for what the page shows before anybody speaks."""
        session.words = words_for(request.headers.get("accept-language"))
        return await self._connected(session)

    async def _connected(self, session: Session) -> Updates:
        try:
            session.domain = await self._client.domain()
            people = await self._client.users()
        except ApiError as error:
            session.person_problem = session.words("person.not_connected")
            return {
                **self._layout.draw(session),
                **self._layout.draw_words(session),
                **self._layout.draw_unavailable(session, error.told(session.words)),
            }
        if not session.user_id:
            session.begin(_new_person())
        await self._look(session)
        await self._offer(session)
        return {
            **self._layout.draw(session),
            **self._layout.draw_words(session),
            **self._layout.draw_connected(session, people),
        }

    async def _choose(self, session: Session, user_id: str | None) -> Updates:
        """Another person speaks: a new conversation."""
        user_id = (user_id or NEW_PERSON).strip()
        if user_id == session.user_id or not session.user_id:
            return self._layout.draw_nothing()
        session.begin(user_id or _new_person())
        return await self._connected(session)

    async def _look(self, session: Session) -> None:
        """What the system thinks of the person, and what they have talked about."""
        user_id = session.user_id
        try:
            person, (conversations, kept) = await asyncio.gather(
                self._client.person(user_id), self._client.conversations(user_id, _KEPT)
            )
        except ApiError as error:
            session.person_problem = error.told(session.words)
            return
        if user_id == session.user_id:
            session.person, session.person_problem = person, ""
            session.conversations, session.kept = conversations, kept

    async def _offer(self, session: Session) -> None:
        """Items to tap, for a person of whom nothing is known."""
        known = session.person is None or session.person.history_length or session.conversations
        if known or session.turns or session.starters or session.skipped or session.domain is None:
            return
        try:
            session.starters = await self._client.starters(session.user_id, _STARTERS, session.domain.shown)
        except ApiError:
            session.starters = ()  # a way to begin without it is there: say something

    # --- talking -------------------------------------------------------------------------------------------

    async def _ask(self, session: Session, message: str) -> Stream:
        turn = session.ask(message) if session.domain else None
        if turn is None:
            yield self._layout.draw_nothing()
            return
        yield {**self._layout.draw(session), self._layout.message: ""}
        async for update in self._answer(session, turn):
            yield update

    async def _answer(self, session: Session, turn: Turn) -> Stream:
        """The slate at once, then the prose as it comes; ends early when the turn is stopped."""
        try:
            async for update in self._follow(session, turn):
                yield update
            turn.finish(Phase.DONE)
        except ApiError as error:
            turn.finish(Phase.FAILED, error.told(session.words))
        finally:
            turn.finish(Phase.STOPPED)  # only where neither was reached: the browser has gone
        yield self._layout.draw(session)
        await self._look(session)
        await self._deeds.recall_wishes(session)
        yield self._layout.draw(session)

    async def _follow(self, session: Session, turn: Turn) -> Stream:
        """Read the API's events in a task of their own, so that stopping ends the request at once."""
        events: asyncio.Queue[ChatEvent | None] = asyncio.Queue()

        async def read() -> None:
            shown = session.domain.shown if session.domain else ()
            try:
                chat = self._client.chat(session.messages(), session.user_id, session.session_id, shown)
                async for event in chat:
                    events.put_nowait(event)
            finally:
                events.put_nowait(None)

        reading = turn.reading = asyncio.create_task(read())
        try:
            drawn = 0.0
            while (event := await events.get()) is not None and turn.phase.running:
                turn.phase = Phase.WRITING
                if isinstance(event, SlateView):
                    turn.slate, turn.turn_id, session.session_id = event, event.turn_id, event.session_id
                    yield self._layout.draw(session)
                    continue
                turn.prose += event.text
                if time.monotonic() - drawn >= _DRAW_S:
                    drawn = time.monotonic()
                    yield self._layout.draw(session)
            await asyncio.wait({reading})
            if not reading.cancelled():
                reading.result()
        finally:
            reading.cancel()

    async def _stop(self, session: Session) -> Updates:
        session.stop()
        return self._layout.draw(session)

    # --- pressing ------------------------------------------------------------------------------------------

    async def _act(self, session: Session, event: gr.EventData) -> Stream:
        """One press in the page's HTML."""
        act = Act.read(event._data)
        match act.name:
            case "say" if 0 <= act.place < len(session.suggestions):
                said = session.suggestions[act.place]
            case "go-on" if session.suggestions:
                session.skipped, said = True, session.suggestions[0]
                session.starters = ()
            case "retry":
                said = await self._deeds.take_back(session)
            case "edit":
                message = await self._deeds.take_back(session)
                yield {**self._layout.draw(session), self._layout.message: message or gr.skip()}
                return
            case _:
                user_id = session.user_id
                async for _ in self._deeds.do(session, act):
                    yield self._layout.draw(session)
                if session.user_id != user_id:
                    yield await self._connected(session)
                    return
                await self._look(session)
                await self._offer(session)
                yield self._layout.draw(session)
                return
        async for update in self._ask(session, said):
            yield update

    # --- bringing and taking data --------------------------------------------------------------------------

    async def _bring(self, session: Session, file: str | None) -> Updates:
        """A history from a file."""
        say = session.words
        try:
            rows = await asyncio.to_thread(read_history, Path(file or ""))
            done = await self._client.bring(session.user_id, rows)
        except HistoryError as error:
            session.notice = (say(error.key, count=MAX_ROWS),)
            return self._layout.draw(session)
        except ApiError as error:
            session.notice = (error.told(session.words),)
            return self._layout.draw(session)
        lines = [say.count("person.imported", done.stored)]
        if done.duplicates:
            lines.append(say.count("person.duplicates", done.duplicates))
        if done.bad:
            lines.append(say.count("person.bad", len(done.bad)))
            lines += [say("person.bad_row", row=row, reason=reason) for row, reason in done.bad[:3]]
        session.notice, session.starters = tuple(lines), ()
        await self._look(session)
        return self._layout.draw(session)

    async def _take(self, session: Session) -> Updates:
        """Everything of the person, as a file."""
        try:
            told = await self._client.everything(session.user_id)
        except ApiError as error:
            session.notice = (error.told(session.words),)
            return self._layout.draw(session)
        text = json.dumps(told, ensure_ascii=False, indent=2)
        return {**self._layout.draw(session), **self._layout.draw_file(f"{session.user_id}.json", text)}


def _new_person() -> str:
    return f"person-{uuid4().hex[:8]}"
