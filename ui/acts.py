"""Acts: what a press in the page's HTML says, and the script that says it. Owns no meaning of theirs.

All that comes from a browser is a name, places in what its session was shown, and typed text: never an id. What a
place stands for is looked up in the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ui.markup import Html, tag

SCRIPT = (Path(__file__).parent / "acts.js").read_text(encoding="utf-8")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Act:
    """One press.

    Args:
        name: What is to be done.
        turn, place: Indices; -1 where the press has none.
        text: What was typed.
    """

    name: str
    turn: int = -1
    place: int = -1
    text: str = ""

    @classmethod
    def read(cls, data: Any) -> Act:
        """From an event's payload, whatever a browser sent."""
        told: Mapping[str, Any] = data if isinstance(data, dict) else {}
        return cls(
            name=str(told.get("act", "")),
            turn=_index(told.get("turn")),
            place=_index(told.get("place")),
            text=str(told.get("text") or "")[:_LONGEST].strip(),
        )


def button(
    act: str, *children: str | None, turn: int | None = None, place: int | None = None, **more: Any
) -> Html:
    """A button that says an act."""
    return tag("button", *children, type="button", data_act=act, data_turn=turn, data_place=place, **more)


def form(act: str, *children: str | None, place: int | None = None, **more: Any) -> Html:
    """A form that says an act, with what is typed into its field `text`."""
    return tag("form", *children, data_act=act, data_place=place, **more)


def _index(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else -1
