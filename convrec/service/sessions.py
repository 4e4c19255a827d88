"""Owns what a conversation was, read back from the ledger: turns with their slates and replies, name and state.

Everything is of one user: a session's id that another user happens to use shows nothing of theirs. The state is
the fold that serving makes (dialogue/state.py), over the same turns; a wish that a person takes back without words
is a turn without a message.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from convrec.dialogue.state import replay, update
from convrec.errors import NotFoundError
from convrec.ledger.ledger import Ledger
from convrec.ledger.profile import standing
from convrec.ledger.schema import SESSION, TURN
from convrec.service.feedback import retractions
from convrec.types import (
    Constraint,
    Event,
    FeedbackEvent,
    ImpressionEvent,
    Intent,
    IntentKind,
    ReplyEvent,
    SessionEvent,
    SessionState,
    TurnEvent,
)

_TITLE_CHARS = 80


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A conversation in a list.

    Args:
        title: The name a person gave it, else how its first message begins.
        turns: Messages.
        started, latest: Of its first and its last turn, seconds since the epoch.
    """

    session_id: str
    title: str
    turns: int
    started: float
    latest: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """One turn: the message, the slate that was shown, the prose as far as it was streamed.

    Args:
        feedback: On the slate, what still stands.
    """

    turn: TurnEvent
    impression: ImpressionEvent | None = None
    reply: ReplyEvent | None = None
    feedback: tuple[FeedbackEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation."""

    summary: SessionSummary
    exchanges: tuple[Exchange, ...]
    state: SessionState


class Sessions:
    """The conversations of a ledger.

    Args:
        ledger: Where they are.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, user_id: str) -> list[SessionSummary]:
        """A user's sessions, the latest first."""
        by_session: dict[str, list[Event]] = {}
        for event in self._ledger.events(user_id, kinds=(TURN, SESSION)):
            if isinstance(event, TurnEvent | SessionEvent):
                by_session.setdefault(event.session_id, []).append(event)
        found = [_summary(events) for events in by_session.values() if _turns(events)]
        return sorted(found, key=lambda summary: (-summary.latest, summary.session_id))

    def get(self, user_id: str, session_id: str) -> Session:
        """One session.

        Raises:
            NotFoundError: This user has none of that id.
        """
        events = self._of_session(user_id, session_id)
        slates = {event.turn_id: event for event in events if isinstance(event, ImpressionEvent)}
        replies = {event.turn_id: event for event in events if isinstance(event, ReplyEvent)}
        said = [turn for turn in _turns(events) if not turn.intent.dropped]
        given = standing(self._ledger.feedback(user_id))
        exchanges = [
            Exchange(
                turn,
                shown := slates.get(turn.event_id),
                replies.get(turn.event_id),
                tuple(event for event in given if shown and event.impression_id == shown.event_id),
            )
            for turn in said
        ]
        return Session(_summary(events), tuple(exchanges), _state(events))

    def rename(self, user_id: str, session_id: str, title: str) -> SessionSummary:
        """Give a session a name, durably.

        Raises:
            NotFoundError: This user has none of that id.
        """
        events = self._of_session(user_id, session_id)
        named = SessionEvent(f"name-{uuid4().hex}", user_id, session_id, time.time(), title)
        self._ledger.append(named)
        return _summary([*events, named])

    def drop(self, user_id: str, session_id: str, constraint: Constraint) -> SessionState:
        """Take a wish back, durably: it is a turn without a message, so that the state can be replayed.

        Args:
            constraint: Facet, op and value of one of the state's; its strength does not matter.

        Returns:
            The state that the next turn begins with.

        Raises:
            NotFoundError: This user has no session of that id, or its state has no such constraint.
        """
        before = _state(self._of_session(user_id, session_id))
        intent = Intent(IntentKind.REFINE, dropped=(constraint,))
        after = update(before, intent)
        if len(after.constraints) == len(before.constraints):
            held = ", ".join(f"{c.facet} {c.op} {c.value}" for c in before.constraints) or "none"
            raise NotFoundError(f"the session's state has no such constraint; it has: {held}")
        self._ledger.append(TurnEvent(f"drop-{uuid4().hex}", user_id, session_id, time.time(), "", intent))
        return after

    def erase(self, user_id: str, session_id: str) -> int:
        """Remove a session, durably; see Ledger.erase_session.

        Raises:
            NotFoundError: This user has none of that id.
        """
        self._of_session(user_id, session_id)
        return self._ledger.erase_session(user_id, session_id)

    def take_back(self, user_id: str, session_id: str, turn_id: str) -> int:
        """Remove a turn, durably, and take back what its message said of items: the next begins without it.

        Feedback that was given on its slate stays.

        Returns:
            How many events were removed.

        Raises:
            NotFoundError: This user has no session of that id with such a turn.
        """
        if turn_id not in (turn.event_id for turn in _turns(self._of_session(user_id, session_id))):
            raise NotFoundError(f"the session {session_id!r} has no turn {turn_id!r}; GET it to see its turns")
        said = [e for e in standing(self._ledger.feedback(user_id)) if e.event_id.startswith(f"{turn_id}:")]
        self._ledger.append_many(retractions(said, time.time()))
        return self._ledger.erase_turn(user_id, session_id, turn_id)

    def _of_session(self, user_id: str, session_id: str) -> Sequence[Event]:
        events = self._ledger.events(user_id, session_id)
        if not _turns(events):
            raise NotFoundError(
                f"the user {user_id!r} has no session {session_id!r}; GET /v1/sessions lists theirs"
            )
        return events


def _turns(events: Iterable[Event]) -> list[TurnEvent]:
    return [event for event in events if isinstance(event, TurnEvent)]


def _state(events: Iterable[Event]) -> SessionState:
    return replay(turn.intent for turn in _turns(events))


def _summary(events: Sequence[Event]) -> SessionSummary:
    turns = _turns(events)
    said = [turn.message for turn in turns if not turn.intent.dropped]
    names = [event.title for event in events if isinstance(event, SessionEvent)]
    first = " ".join(said[0].split()) if said else ""
    begins = first if len(first) <= _TITLE_CHARS else first[: _TITLE_CHARS - 1].rstrip() + "…"
    return SessionSummary(
        turns[0].session_id,
        names[-1] if names else begins,
        len(said),
        min(turn.timestamp for turn in turns),
        max(turn.timestamp for turn in turns),
    )
