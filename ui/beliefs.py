"""The HTML of the panel that says what the system believes about a person. Every string is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ui.views import BeliefView, PersonView

_TITLES = 8


def person_html(user_id: str, person: PersonView) -> str:
    """The whole panel."""
    parts = [
        _titles_html("Liked", person.liked),
        _titles_html("Not for me", person.disliked),
        _section("Leanings", "".join(map(_belief_html, person.beliefs))),
        _titles_html("Comments", person.comments),
    ]
    known = f"{person.history_length} in the history" if person.history_length else "nothing known yet"
    body = "".join(parts) or '<p class="cr-quiet">Press a button on a card and see what follows from it.</p>'
    return _panel(f'<p class="cr-quiet">{escape(user_id)}: {known}</p>{body}')


def unknown_html(reason: str) -> str:
    """The panel while the API cannot say."""
    return _panel(f'<p class="cr-quiet">{escape(reason)}</p>')


def _panel(body: str) -> str:
    return f'<section class="cr-person"><h2>What the system believes about me</h2>{body}</section>'


def _section(title: str, rows: str) -> str:
    return f"<h3>{title}</h3><ul>{rows}</ul>" if rows else ""


def _titles_html(heading: str, titles: Sequence[str]) -> str:
    rows = "".join(f"<li>{escape(title)}</li>" for title in titles[:_TITLES])
    more = len(titles) - _TITLES
    return _section(heading, rows + (f'<li class="cr-quiet">and {more} more</li>' if more > 0 else ""))


def _belief_html(belief: BeliefView) -> str:
    side = "cr-for" if belief.weight > 0 else "cr-against"
    width = round(100 * min(1.0, abs(belief.weight)))
    items = "1 item" if belief.support == 1 else f"{belief.support} items"
    return (
        f'<li class="cr-belief"><span>{escape(belief.facet)}: {escape(belief.value)}</span>'
        f'<span class="cr-quiet">{belief.weight:+.2f}, {items}</span>'
        f'<div class="cr-bar {side}"><i style="width:{width}%"></i></div></li>'
    )
