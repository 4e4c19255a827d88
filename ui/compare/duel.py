"""Duel: one comparison of one browser tab, from the message to the vote. Owns no HTTP and no HTML."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from ui.compare.client import Answer, Entry
from ui.views import Feedback
from ui.words import Words, words_for

Vote = Literal["left", "right", "tie"]
VOTES: tuple[Vote, ...] = ("left", "tie", "right")


@dataclass(slots=True)
class Duel:
    """One tab.

    Args:
        user_id: A new person for each tab, from its first question on.
        say: The words of its language.
        able: Whether there are two versions to ask.
        asking: Whether an answer is on its way.
        sides: Left and right, in the order that a coin chose.
        mixed: Where both are in one slate instead.
        chosen: item_ids taken from it.
        vote: What was said of the sides.
    """

    user_id: str = ""
    say: Words = field(default_factory=lambda: words_for(None))
    able: bool = False
    asking: bool = False
    sides: tuple[Answer, ...] = ()
    mixed: Answer | None = None
    chosen: tuple[str, ...] = ()
    vote: Vote | None = None

    def ask(self) -> bool:
        """Begin anew; False while an answer is on its way."""
        if self.asking:
            return False
        self.user_id = self.user_id or f"person-{uuid4().hex[:12]}"
        self.asking, self.sides, self.mixed, self.chosen, self.vote = True, (), None, (), None
        return True

    @property
    def votable(self) -> bool:
        """Whether a vote on the sides would decide something."""
        return len(self.sides) == 2 and all(side.versions for side in self.sides) and self.vote is None

    def ballot(self, vote: Vote) -> Feedback:
        """The vote as a feedback event."""
        slate = self.sides[1 if vote == "right" else 0]
        return self._feedback("tie" if vote == "tie" else "prefer", slate.impression_id)

    def entry(self, index: int) -> Entry | None:
        """One item of the mixed slate, which has not been taken yet."""
        entries: Sequence[Entry] = self.mixed.entries if self.mixed else ()
        entry = entries[index] if index < len(entries) else None
        return None if entry is None or entry.item_id in self.chosen else entry

    def click(self, entry: Entry) -> Feedback:
        """Taking an item as a feedback event."""
        assert self.mixed is not None
        return self._feedback("click", self.mixed.impression_id, entry.item_id)

    def _feedback(self, kind: str, impression_id: str, item_id: str | None = None) -> Feedback:
        return Feedback(
            event_id=f"cmp-{uuid4().hex}",
            user_id=self.user_id,
            type=kind,
            timestamp=time.time(),
            item_id=item_id,
            impression_id=impression_id,
        )
