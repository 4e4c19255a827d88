"""Session: what one browser tab has said, been shown and pressed. Owns no component, no HTML and no HTTP.

It is mutable on purpose and lives in one gr.State: a turn streams while buttons are pressed, and both must see
each other's changes. Handlers run on one event loop, so what happens between two awaits is atomic.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from enum import Enum
from uuid import uuid4

from ui.views import CardView, DomainView, Feedback, SlateView


class Phase(Enum):
    """Where a turn is; all but the first two are final."""

    WAITING = "waiting"
    WRITING = "writing"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def running(self) -> bool:
        """Whether more may come."""
        return self in (Phase.WAITING, Phase.WRITING)


@dataclass(slots=True)
class Mark:
    """What was pressed on one card.

    Args:
        stored: The API has acknowledged it.
        problem: Why the latest request about it failed; while it is not stored, the same press sends it again.
    """

    feedback: Feedback
    stored: bool = False
    problem: str = ""


@dataclass(slots=True, eq=False)
class Turn:
    """One message and what came back.

    Args:
        marks: By item_id.
        reading: The task that reads the API's answer.
    """

    message: str
    phase: Phase = Phase.WAITING
    slate: SlateView | None = None
    prose: str = ""
    problem: str = ""
    marks: dict[str, Mark] = field(default_factory=dict)
    reading: asyncio.Task[None] | None = None

    def finish(self, phase: Phase, problem: str = "") -> None:
        """End a turn that still runs; one that has ended stays as it is."""
        if self.phase.running:
            self.phase, self.problem = phase, problem

    def unmark(self, mark: Mark) -> None:
        """Forget a mark that was taken back."""
        self.marks = {item_id: other for item_id, other in self.marks.items() if other is not mark}


@dataclass(slots=True)
class Session:
    """One tab's conversation with one person; `session_id` is the API's, None before the first slate."""

    user_id: str = ""
    domain: DomainView | None = None
    session_id: str | None = None
    turns: list[Turn] = field(default_factory=list)

    @property
    def turn(self) -> Turn | None:
        """The latest turn."""
        return self.turns[-1] if self.turns else None

    @property
    def running(self) -> bool:
        """Whether a turn is being answered."""
        return self.turn is not None and self.turn.phase.running

    def begin(self, user_id: str) -> None:
        """Start a new conversation; a turn in progress is stopped."""
        self.stop()
        self.user_id, self.session_id, self.turns = user_id, None, []

    def ask(self, message: str) -> Turn | None:
        """Open a turn; None for a blank message or while another turn runs."""
        if not message.strip() or self.running:
            return None
        self.turns.append(Turn(message.strip()))
        return self.turn

    def take_back(self) -> str:
        """Remove the latest turn and return its message, to ask again; "" where there is none or it still runs."""
        return "" if self.running or not self.turns else self.turns.pop().message

    def example(self, index: int) -> str:
        """An example message of the domain; "" where there is none of this index."""
        examples = self.domain.examples if self.domain else ()
        return examples[index] if index < len(examples) else ""

    def stop(self) -> None:
        """Stop the turn in progress, if any."""
        if self.turn is not None:
            self.turn.finish(Phase.STOPPED)
            if self.turn.reading is not None:
                self.turn.reading.cancel()

    def messages(self) -> list[tuple[str, str]]:
        """(role, content) of the conversation, oldest first; ends with the latest turn's message."""
        spoken = ((("user", turn.message), ("assistant", turn.prose)) for turn in self.turns)
        return [(role, content) for pair in spoken for role, content in pair if content]

    def card(self, index: int) -> CardView | None:
        """The card that a button of this index stands for now; None where the current slate has no such card."""
        slate = self.turn.slate if self.turn else None
        return slate.cards[index] if slate and index < len(slate.cards) else None

    def mark(self, index: int, kind: str) -> Mark | None:
        """Press a button: the mark to send, or None where there is no card or it is marked already.

        A press that could not be sent is given again as it was, so that sending twice stores once.
        """
        card, turn = self.card(index), self.turn
        if card is None or turn is None or turn.slate is None:
            return None
        earlier = turn.marks.get(card.item_id)
        if earlier and (earlier.stored or not earlier.problem):
            return None
        if earlier and earlier.feedback.type == kind:
            earlier.problem = ""
            return earlier
        feedback = Feedback(
            event_id=_event_id(),
            user_id=self.user_id,
            type=kind,
            timestamp=time.time(),
            item_id=card.item_id,
            session_id=turn.slate.session_id,
            impression_id=turn.slate.impression_id,
        )
        turn.marks[card.item_id] = Mark(feedback)
        return turn.marks[card.item_id]

    def stored_mark(self, index: int) -> Mark | None:
        """The acknowledged mark of a card, if it has one."""
        card = self.card(index)
        mark = self.turn.marks.get(card.item_id) if card and self.turn else None
        return mark if mark and mark.stored else None

    def retraction(self, mark: Mark) -> Feedback:
        """The event that takes a stored mark back."""
        return replace(
            mark.feedback,
            event_id=_event_id(),
            type="retraction",
            timestamp=time.time(),
            item_id=None,
            retracts=mark.feedback.event_id,
        )


def _event_id() -> str:
    return f"ui-{uuid4().hex}"
