"""How long work tells what it is doing: named steps with progress. Owns no output."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from convrec.progress import Progress


class Steps(Protocol):
    """Where steps are reported."""

    def step(self, title: str) -> AbstractContextManager[Progress]:
        """A step that lasts as long as the context; an exception inside marks it as failed."""
        ...

    def note(self, text: str) -> None:
        """Something the person should know."""
        ...
