"""ChatPage: what happens when something is typed or pressed. Owns the events; what is drawn is Layout's.

Every draw says all that its event may draw, always from the session as it is. Gradio's browser side patches a draw
that still waits with the next one: of two quick draws of different components the first one was lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from uuid import uuid4

import gradio as gr

from ui.beliefs import person_html, unknown_html
from ui.cards import BUTTONS
from ui.client import ApiClient, ApiError
from ui.layout import NEW_PERSON, Layout, Updates
from ui.session import Phase, Session, Turn
from ui.views import ChatEvent, SlateView

_DRAW_S = 0.2  # seconds; prose is drawn at most this often: 130 components cost about 25 ms of CPU

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
        self._wire(blocks)

    def _wire(self, blocks: gr.Blocks) -> None:
        """Items come from the session's slate: all that a button tells is its own index."""
        page, quiet = self._layout, {"show_progress": "hidden"}
        answer = [*page.conversation, page.person]
        everything = [*page.conversation, *page.connection]
        # "multiple": the session decides whether a turn may begin, not the browser's idea of what still runs.
        asking = {"outputs": answer, "trigger_mode": "multiple", **quiet}
        typed = [page.session, page.message]
        page.message.submit(self._ask, typed, **asking)
        page.send.click(self._ask, typed, **asking)
        page.retry.click(self._ask_again, page.session, **asking)
        for index, button in enumerate(page.examples):
            button.click(self._ask_example(index), page.session, **asking)
        # Without Gradio's cancels, which cancel what the browser believes to be running: a turn that began
        # while the page was still loading was among it.
        page.stop.click(self._stop, page.session, page.conversation, **quiet)
        page.fresh.click(self._begin, page.session, page.conversation, **quiet)
        page.picker.change(self._choose, [page.session, page.picker], everything, **quiet)
        for index, slot in enumerate(page.slots):
            outputs = [*slot.components, page.person]
            for kind, button in zip(BUTTONS, slot.buttons.values(), strict=True):
                button.click(self._press(index, kind), page.session, outputs, **quiet)
            slot.undo.click(self._undo(index), page.session, outputs, **quiet)
        page.poll.tick(self._connect, page.session, everything, **quiet)
        blocks.load(self._connect, page.session, everything, **quiet)

    # --- connecting and people -----------------------------------------------------------------------------

    async def _connect(self, session: Session) -> Updates:
        """Ask the API for what the page shows before anybody speaks."""
        try:
            session.domain = await self._client.domain()
            people = await self._client.users()
        except ApiError as error:
            return {**self._layout.draw(session), **self._layout.draw_unavailable(str(error))}
        if not session.user_id:
            session.begin(_new_person())
        return {
            **self._layout.draw_connected(session, people),
            **self._layout.draw(session),
            **await self._draw_person(session),
        }

    async def _choose(self, session: Session, user_id: str | None) -> Updates:
        """Another person speaks: a new conversation."""
        user_id = (user_id or NEW_PERSON).strip()
        if user_id == session.user_id:
            return self._layout.draw_nothing()
        session.begin(user_id or _new_person())
        return await self._connect(session)

    async def _draw_person(self, session: Session) -> Updates:
        try:
            html = person_html(session.user_id, await self._client.person(session.user_id))
        except ApiError as error:
            html = unknown_html(str(error))
        return {self._layout.person: html}

    # --- talking -------------------------------------------------------------------------------------------

    async def _ask(self, session: Session, message: str) -> Stream:
        turn = session.ask(message) if session.domain else None
        if turn is None:
            yield self._layout.draw_nothing()
            return
        yield {**self._layout.draw(session), self._layout.message: ""}
        async for update in self._answer(session, turn):
            yield update

    async def _ask_again(self, session: Session) -> Stream:
        async for update in self._ask(session, session.take_back()):
            yield update

    def _ask_example(self, index: int) -> Callable[[Session], Stream]:
        async def ask(session: Session) -> Stream:
            async for update in self._ask(session, session.example(index)):
                yield update

        return ask

    async def _answer(self, session: Session, turn: Turn) -> Stream:
        """The slate at once, then the prose as it comes; ends early when the turn is stopped."""
        try:
            async for update in self._follow(session, turn):
                yield update
            turn.finish(Phase.DONE)
        except ApiError as error:
            turn.finish(Phase.FAILED, str(error))
        finally:
            turn.finish(Phase.STOPPED)  # only where neither was reached: the browser has gone
        yield self._layout.draw(session)
        yield {**self._layout.draw(session), **await self._draw_person(session)}

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
                    turn.slate, session.session_id = event, event.session_id
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

    async def _begin(self, session: Session) -> Updates:
        session.begin(session.user_id)
        return {**self._layout.draw(session), self._layout.message: ""}

    # --- feedback ------------------------------------------------------------------------------------------

    def _press(self, index: int, kind: str) -> Callable[[Session], Stream]:
        async def press(session: Session) -> Stream:
            mark = session.mark(index, kind)
            yield self._layout.draw_slot(session, index)
            if mark is None:
                return
            try:
                await self._client.send(mark.feedback)
                mark.stored = True
            except ApiError as error:
                mark.problem = str(error)
            async for update in self._settled(session, index):
                yield update

        return press

    def _undo(self, index: int) -> Callable[[Session], Stream]:
        async def undo(session: Session) -> Stream:
            turn, mark = session.turn, session.stored_mark(index)
            if turn is None or mark is None:
                yield self._layout.draw_slot(session, index)
                return
            try:
                await self._client.send(session.retraction(mark))
                turn.unmark(mark)
            except ApiError as error:
                mark.problem = str(error)
            async for update in self._settled(session, index):
                yield update

        return undo

    async def _settled(self, session: Session, index: int) -> Stream:
        """The card as the API left it; then what follows from it."""
        yield self._layout.draw_slot(session, index)
        yield {**self._layout.draw_slot(session, index), **await self._draw_person(session)}


def _new_person() -> str:
    return f"person-{uuid4().hex[:8]}"
