"""The HTML of a slate's cards and of the note above them. Every string from data is escaped here."""

from __future__ import annotations

from html import escape

from ui.session import Mark
from ui.views import CardView, SlateView

# What the buttons send -> what they say, and what the card says once it is stored.
BUTTONS = {"like": "Like", "not_interested": "Not for me", "seen": "Seen it"}
DONE = {"like": "liked", "not_interested": "not for me", "seen": "seen"}


def card_html(card: CardView, mark: Mark | None) -> str:
    """One card without its buttons, with what became of the one that was pressed."""
    percent = round(100 * card.match)
    attributes = f'<p class="cr-attributes">{escape(" · ".join(card.attributes))}</p>' if card.attributes else ""
    why = f'<p class="cr-why">{escape(card.why)}</p>' if card.why else ""
    return (
        f'<article class="cr-card"><h3><span class="cr-rank">{card.rank}</span>{escape(card.title)}</h3>'
        f'{attributes}<div class="cr-match"><div class="cr-bar" role="meter" aria-label="Match" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'
        f"<span>{percent}% match</span></div>{why}{_mark_html(mark)}</article>"
    )


def note_html(slate: SlateView) -> str:
    """Says that a slate is degraded, and why; empty for one that is not."""
    if not slate.degraded:
        return ""
    reason = f" ({escape(slate.reason)})" if slate.reason else ""
    text = "Degraded: the language model did not score these; retrieval alone ordered them"
    return f'<p class="cr-note" role="status">{text}{reason}.</p>'


def _mark_html(mark: Mark | None) -> str:
    if mark is None:
        return ""
    if mark.problem:
        return f'<p class="cr-mark cr-problem" role="alert">Not saved: {escape(mark.problem)} Press again.</p>'
    if not mark.stored:
        return '<p class="cr-mark" role="status">Saving…</p>'
    return f'<p class="cr-mark cr-stored" role="status">✓ Saved: {DONE[mark.feedback.type]}</p>'
