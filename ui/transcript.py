"""The HTML of what was said: earlier turns, the latest message, its answer. Prose is text, never markup."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ui.cards import DONE
from ui.session import Phase, Turn
from ui.views import CardView


def earlier_html(turns: Sequence[Turn]) -> str:
    """Turns that are over, oldest first, each slate as a line of titles; empty without any."""
    if not turns:
        return ""
    body = "".join(f"{said_html(turn)}{_titles_html(turn)}{answer_html(turn)}" for turn in turns)
    return f'<div class="cr-earlier" role="log" aria-label="Earlier" tabindex="0"><div>{body}</div></div>'


def said_html(turn: Turn) -> str:
    """What the person said."""
    return f'<p class="cr-said">{escape(turn.message)}</p>'


def answer_html(turn: Turn) -> str:
    """The prose as far as it came, and how it ended."""
    prose = f'<p class="cr-prose">{escape(turn.prose)}</p>' if turn.prose else ""
    match turn.phase:
        case Phase.WAITING | Phase.WRITING if not turn.prose:
            step = "Looking" if turn.phase is Phase.WAITING else "Writing"
            return f'<p class="cr-wait" role="status">{step}…</p>'
        case Phase.STOPPED:
            return f'{prose}<p class="cr-wait">Stopped.</p>'
        case Phase.FAILED:
            return f'{prose}<p class="cr-note cr-problem" role="alert">{escape(turn.problem)}</p>'
        case _:
            return prose


def _titles_html(turn: Turn) -> str:
    if turn.slate is None or not turn.slate.cards:
        return ""
    titles = "".join(f"<li>{_title(card, turn)}</li>" for card in turn.slate.cards)
    return f'<ul class="cr-titles">{titles}</ul>'


def _title(card: CardView, turn: Turn) -> str:
    mark = turn.marks.get(card.item_id)
    return escape(card.title) + (f" <b>{DONE[mark.feedback.type]}</b>" if mark and mark.stored else "")
