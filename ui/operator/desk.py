"""Desk: what the operator's page knows of one browser tab: key, language, and the training that it follows."""

from __future__ import annotations

from dataclasses import dataclass, field

from ui.operator.views import Job, Said
from ui.words import Words, words_for

KEPT = 4_000  # lines of a training


@dataclass(slots=True)
class Desk:
    """One tab.

    Args:
        key: The admin key; "" for none. It is of this tab: the server forgets it with the tab.
        say: The words of its language.
        job_id: Of the training that is followed; "" for none.
        said: What that one said.
        job: How it ended, once it has.
        lost: Whether the API did not answer when it was last looked at.
    """

    key: str = ""
    say: Words = field(default_factory=lambda: words_for(None))
    job_id: str = ""
    said: list[Said] = field(default_factory=list)
    job: Job | None = None
    lost: bool = False

    def watch(self, job_id: str) -> bool:
        """Begin to follow a training; False where it is followed already."""
        if self.job_id == job_id and self.job is None:
            return False
        self.job_id, self.said, self.job = job_id, [], None
        return True

    def hear(self, told: Said | Job) -> None:
        """Note what it said, or how it ended."""
        if isinstance(told, Job):
            self.job = told
        else:
            self.said = [*self.said[-KEPT:], told]

    @property
    def latest(self) -> Said | None:
        """The last that it said."""
        return self.said[-1] if self.said else None

    @property
    def running(self) -> bool:
        """Whether a training is followed that has not ended."""
        return bool(self.job_id) and self.job is None
