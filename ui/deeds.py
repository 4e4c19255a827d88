"""Deeds: what a press in the page does to the session through the API. Owns no component and starts no turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import uuid4

from ui.acts import Act
from ui.client import ApiClient, ApiError
from ui.session import OPINIONS, Asked, Session
from ui.turn import Mark, Turn

Steps = AsyncGenerator[None, None]


class Deeds:
    """Does what is pressed; each step is worth a draw.

    Args:
        client: The API.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def do(self, session: Session, act: Act) -> Steps:
        """One press. What this session has not shown, or does not know, does nothing."""
        match act.name:
            case "like" | "not_interested" | "seen" | "save":
                mark = session.mark(act.turn, act.place, act.name)
                steps = self._send(session, mark)
            case "undo":
                steps = self._undo(session, act)
            case "pick":
                steps = self._pick(session, act)
            case "why":
                steps = self._why(session, act)
            case "drop" | "unsay":
                steps = self._take_away(session, act)
            case "forget-yes":
                steps = self._forget(session)
            case "forget" | "cancel" | "new" | "skip" | "more":
                steps = self._plain(session, act)
            case _:
                steps = self._conversation(session, act)
        try:
            async for _ in steps:
                yield
        except ApiError as error:
            session.asked, session.notice = Asked(), (error.told(session.words),)
            yield

    async def take_back(self, session: Session) -> str:
        """Remove the latest turn, here and on the server; its message, "" where there is none or it still runs."""
        turn = session.take_back()
        if turn is None:
            return ""
        if session.session_id is not None:
            try:
                turn_id = turn.turn_id or await self._unanswered(session, session.session_id, turn)
                if turn_id:
                    await self._client.take_back(session.user_id, session.session_id, turn_id)
            except ApiError as error:
                session.notice = (error.told(session.words),)
        if not session.turns:
            session.session_id = None
        return turn.message

    async def _unanswered(self, session: Session, session_id: str, turn: Turn) -> str:
        """The turn_id of a message that was stopped before its slate came; "" where the server has not kept it."""
        past = await self._client.conversation(session.user_id, session_id, ())
        last = past.turns[-1] if past.turns else None
        return last.turn_id if last and last.slate is None and last.message == turn.message else ""

    async def recall_wishes(self, session: Session) -> None:
        """What holds in this conversation."""
        session_id = session.session_id
        if session_id is None:
            return
        try:
            past = await self._client.conversation(session.user_id, session_id, ())
        except ApiError:
            return  # the wishes of before stand until the next turn
        if session.session_id == session_id:
            session.wishes = past.wishes

    # --- feedback ------------------------------------------------------------------------------------------

    async def _send(self, session: Session, mark: Mark | None) -> Steps:
        if mark is None:
            return
        yield
        try:
            await self._client.send(mark.feedback)
            mark.stored = True
        except ApiError as error:
            mark.problem = error.told(session.words)
        yield

    async def _undo(self, session: Session, act: Act) -> Steps:
        found, mark = session.shown(act.turn, act.place), session.stored_mark(act.turn, act.place)
        if found is None or mark is None:
            return
        try:
            await self._client.send(session.retraction(mark))
            found[0].unmark(mark)
        except ApiError as error:
            mark.problem = error.told(session.words)
        yield

    async def _pick(self, session: Session, act: Act) -> Steps:
        mark = session.pick(act.place)
        if mark is None and 0 <= act.place < len(session.starters):
            mark = session.picks.get(session.starters[act.place].item_id)
            if mark is not None and mark.stored:
                await self._client.send(session.retraction(mark))
                del session.picks[str(mark.feedback.item_id)]
                yield
            return
        async for _ in self._send(session, mark):
            yield

    async def _take_away(self, session: Session, act: Act) -> Steps:
        """A wish of the conversation, or an opinion."""
        item = session.opinion(act.turn, act.place) if act.name == "unsay" else None
        if item is not None:
            await self._client.retract(session.user_id, item.item_id)
            for turn in session.turns:
                turn.marks.pop(item.item_id, None)
            yield
        elif act.name == "drop" and session.session_id is not None and 0 <= act.place < len(session.wishes):
            wish = session.wishes[act.place]
            session.wishes = await self._client.drop(session.user_id, session.session_id, wish)
            yield

    # --- reasons -------------------------------------------------------------------------------------------

    async def _why(self, session: Session, act: Act) -> Steps:
        """Open or close a card; what carried it is measured anew, which takes a while."""
        found = session.shown(act.turn, act.place)
        if found is None:
            return
        turn, card = found
        if card.item_id in turn.opened:
            del turn.opened[card.item_id]
            yield
            return
        turn.opened[card.item_id] = None
        yield
        try:
            told = await self._client.evidence(session.user_id, card.item_id, session.session_id)
        except ApiError:
            told = card.evidence
        if card.item_id in turn.opened:
            turn.opened[card.item_id] = told
        yield

    # --- conversations and people --------------------------------------------------------------------------

    async def _plain(self, session: Session, act: Act) -> Steps:
        match act.name:
            case "new":
                session.begin(session.user_id)
            case "skip":
                session.starters, session.skipped = (), True
            case "more" if 0 <= act.turn < len(OPINIONS):
                session.whole |= {OPINIONS[act.turn]}
            case "forget":
                session.asked, session.notice = Asked(forgetting=True), ()
            case _:
                session.asked = Asked()
        yield

    async def _conversation(self, session: Session, act: Act) -> Steps:
        if not 0 <= act.place < len(session.conversations):
            return
        session_id = session.conversations[act.place].session_id
        match act.name:
            case "open":
                shown = session.domain.shown if session.domain else ()
                past = await self._client.conversation(session.user_id, session_id, shown)
                session.resume(past)
            case "renaming":
                session.asked = Asked(renaming=session_id)
            case "rename" if act.text:
                await self._client.rename(session.user_id, session_id, act.text)
                session.asked = Asked()
            case "deleting":
                session.asked = Asked(deleting=session_id)
            case "delete-yes" if session.asked.deleting == session_id:
                await self._client.delete(session.user_id, session_id)
                session.asked = Asked()
                if session.session_id == session_id:
                    session.begin(session.user_id)
        yield

    async def _forget(self, session: Session) -> Steps:
        if not session.asked.forgetting:
            return
        events = await self._client.forget(session.user_id)
        session.begin(f"person-{uuid4().hex[:8]}")
        session.notice = (session.words.count("person.forgotten", events),)
        yield
