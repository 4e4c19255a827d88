"""How long work tells what it is doing: named steps with progress. Owns no output."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Progress = Callable[[float, str], None]
"""Called with the fraction done, in [0, 1], and what is being done."""


class Steps(Protocol):
    """Where steps are reported."""

    def step(self, title: str) -> AbstractContextManager[Progress]:
        """A step that lasts as long as the context; an exception inside marks it as failed."""
        ...

    def note(self, text: str) -> None:
        """Something the person should know."""
        ...


def silent(_fraction: float, _what: str) -> None:
    """Progress that nobody watches."""
