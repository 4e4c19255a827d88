"""Turn: one message with what came back and what was pressed on it. Owns no HTTP and no HTML."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum

from ui.views import CardView, EvidenceView, Feedback, SlateView

KINDS = ("like", "not_interested", "seen", "save")
"""What the buttons of a card send."""


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
        turn_id: The API's; "" until it is known.
        marks: By item_id.
        opened: item_id -> what speaks for the card, while it is opened; None while that is being looked up.
        reading: The task that reads the API's answer.
    """

    message: str
    phase: Phase = Phase.WAITING
    slate: SlateView | None = None
    prose: str = ""
    problem: str = ""
    turn_id: str = ""
    marks: dict[str, Mark] = field(default_factory=dict)
    opened: dict[str, tuple[EvidenceView, ...] | None] = field(default_factory=dict)
    reading: asyncio.Task[None] | None = None

    @property
    def cards(self) -> tuple[CardView, ...]:
        """What was shown."""
        return self.slate.cards if self.slate else ()

    def finish(self, phase: Phase, problem: str = "") -> None:
        """End a turn that still runs; one that has ended stays as it is."""
        if self.phase.running:
            self.phase, self.problem = phase, problem

    def unmark(self, mark: Mark) -> None:
        """Forget a mark that was taken back."""
        self.marks = {item_id: other for item_id, other in self.marks.items() if other is not mark}


def press(marks: dict[str, Mark], feedback: Feedback) -> Mark | None:
    """The mark that a press leaves, to be sent; None where there is one that stands or is being sent."""
    item_id = str(feedback.item_id)
    earlier = marks.get(item_id)
    if earlier and (earlier.stored or not earlier.problem):
        return None
    if earlier and earlier.feedback.type == feedback.type:
        earlier.problem = ""
        return earlier
    marks[item_id] = Mark(feedback)
    return marks[item_id]
