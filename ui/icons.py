"""The page's icons, drawn here: no font that a machine may lack, and nothing to fetch."""

from __future__ import annotations

from ui.markup import Html, tag

_PATHS = {
    "like": "M12 20s-7.5-4.6-7.5-10A4.3 4.3 0 0 1 12 7.2 4.3 4.3 0 0 1 19.5 10c0 5.4-7.5 10-7.5 10Z",
    "not_interested": "M6 6l12 12M18 6L6 18",
    "seen": "M4.5 12.5l5 5 10-11",
    "save": "M7 4h10v16l-5-4-5 4Z",
    "new": "M12 5v14M5 12h14",
    "rename": "M5 19l1-4L16.5 4.5l3 3L9 18Z",
    "delete": "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7",
    "list": "M4 7h16M4 12h16M4 17h16",
    "person": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5",
}


def icon(name: str) -> Html:
    """An icon; decoration, because a name stands beside it or in its button's label."""
    return tag(
        "svg",
        tag("path", d=_PATHS[name]),
        viewBox="0 0 24 24",
        width=16,
        height=16,
        fill="none",
        stroke="currentColor",
        stroke_width="1.8",
        stroke_linecap="round",
        stroke_linejoin="round",
        aria_hidden="true",
        focusable="false",
        cls="cr-sign",
    )
