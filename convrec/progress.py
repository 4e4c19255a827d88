"""How long work says how far it is: one callback type, so that every room can be watched by the same eyes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Progress = Callable[[float, str], None]
"""Called with the fraction done, in [0, 1], and what is being done."""


class Measured(str):
    """What is being done, with what was measured there: words for people, figures for programs.

    Args:
        words: What is being done.
        figures: Finite numbers by name.
    """

    figures: Mapping[str, float]

    def __new__(cls, words: str, figures: Mapping[str, float]) -> Measured:
        """The words."""
        said = super().__new__(cls, words)
        said.figures = dict(figures)
        return said


def silent(_fraction: float, _what: str) -> None:
    """Progress that nobody watches."""
