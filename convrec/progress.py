"""How long work says how far it is: one callback type, so that every room can be watched by the same eyes."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the fraction done, in [0, 1], and what is being done."""


def silent(_fraction: float, _what: str) -> None:
    """Progress that nobody watches."""
