"""The HTML of a slate's cards: title, facets, picture, match, the reason in a line, and the buttons."""

from __future__ import annotations

from collections.abc import Sequence

from ui.acts import button
from ui.chat.evidence import evidence_html, why_line
from ui.chat.picture import picture_html
from ui.icons import icon
from ui.markup import Html, join, tag
from ui.session import Session
from ui.turn import KINDS, Mark, Turn
from ui.views import CardView

_TOPS = (0.05, 0.1, 0.2, 0.5, 1.0)
_TENTHS = 0.1


def cards_html(session: Session, number: int) -> Html | None:
    """The cards of a turn by its index; None without any."""
    turn = session.turns[number]
    if not turn.cards:
        return None
    cards = (_card(session, turn, card, number, place) for place, card in enumerate(turn.cards))
    return tag("ol", *cards, cls="cr-cards")


def degraded_html(session: Session, turn: Turn) -> Html | None:
    """Says that a slate is degraded, and why; None for one that is not."""
    if turn.slate is None or not turn.slate.degraded:
        return None
    reason = f" ({turn.slate.reason})" if turn.slate.reason else ""
    return tag("p", f"{session.words('chat.degraded')}{reason}.", cls="cr-note", role="status")


def _card(session: Session, turn: Turn, card: CardView, number: int, place: int) -> Html:
    opened = card.item_id in turn.opened
    kind = next((values[0] for _, values in card.attributes if not values[0].isdigit()), "")
    why = why_line(session, card)
    return tag(
        "li",
        tag(
            "article",
            picture_html(card.title, kind, card.picture),
            tag(
                "div",
                tag("h3", tag("span", str(card.rank), cls="cr-rank"), tag("span", card.title)),
                _facets(session, card),
                _match(session, card, _top(turn.cards)),
                tag("p", why, cls="cr-why") if why else None,
                cls="cr-told",
            ),
            _buttons(session, turn, card, number, place),
            evidence_html(session, card, turn.opened[card.item_id], f"why-{number}-{place}") if opened else None,
            cls="cr-card",
            aria_label=card.title,
        ),
        data_key=f"{number}-{place}",
        data_state=_state(turn.marks.get(card.item_id)),
    )


def _facets(session: Session, card: CardView) -> Html | None:
    if session.domain is None or not card.attributes:
        return None
    label, language = session.domain.label, session.words.language
    told = (", ".join(label(language, name, value) for value in values) for name, values in card.attributes)
    return tag("p", " · ".join(told), cls="cr-facets")


def _match(session: Session, card: CardView, top: float) -> Html | None:
    if card.match is None:
        return None
    percent, say = session.words("card.percent", percent=_percent(card.match)), session.words
    band = None
    if card.interval is not None:
        low, high = (100 * end / top for end in card.interval)
        band = tag("i", cls="cr-band", style=f"left:{low:.1f}%;width:{max(high - low, 1):.1f}%")
    note = _match_note(session, card)
    return tag(
        "div",
        tag(
            "div",
            tag("i", style=f"width:{100 * card.match / top:.1f}%"),
            band,
            cls="cr-bar",
            role="meter",
            aria_label=say("card.match"),
            aria_valuemin=0,
            aria_valuemax=round(100 * top),
            aria_valuenow=_percent(card.match),
            aria_valuetext=f"{percent}. {note}",
            title=note,
        ),
        tag("span", percent, None if card.interval is None else _span(card.interval)),
        cls="cr-match",
    )


def _top(cards: Sequence[CardView]) -> float:
    """The end of a slate's scale of match: near what it needs, so that small differences can be seen."""
    most = max((end for card in cards for end in (card.match or 0.0, *(card.interval or ()))), default=1.0)
    return next(top for top in _TOPS if most <= top)


def _percent(share: float) -> str:
    """Whole per cents, tenths of them below ten."""
    return f"{100 * share:.1f}".removesuffix(".0") if share < _TENTHS else f"{100 * share:.0f}"


def _span(interval: tuple[float, float]) -> Html:
    low, high = map(_percent, interval)
    return tag("small", f" {low}–{high}")


def _match_note(session: Session, card: CardView) -> str:
    if card.interval is None:
        return session.words("card.within")
    low, high = map(_percent, card.interval)
    return session.words("card.interval", low=low, high=high)


def _buttons(session: Session, turn: Turn, card: CardView, number: int, place: int) -> Html:
    say, mark, opened = session.words, turn.marks.get(card.item_id), card.item_id in turn.opened
    at = {"turn": number, "place": place}
    why = button(
        "why",
        say("card.close") if opened else say("card.why"),
        cls="cr-button cr-plain",
        aria_expanded="true" if opened else "false",
        aria_controls=f"why-{number}-{place}" if opened else None,
        aria_label=f"{say('card.close') if opened else say('card.why')} {card.title}",
        **at,
    )
    if mark is not None and mark.stored:
        label = f"{say('card.undo')}: {card.title}"
        undo = button("undo", say("card.undo"), cls="cr-button", aria_label=label, data_near=True, **at)
        return tag("div", why, _mark(session, mark), undo, cls="cr-buttons")
    waiting = mark is not None and not mark.problem
    pressed = (
        button(
            kind,
            icon(kind),
            tag("span", say(f"card.{kind}")),
            cls="cr-button cr-kind",
            disabled=waiting,
            aria_label=f"{say(f'card.{kind}')}: {card.title}",
            **at,
        )
        for kind in KINDS
    )
    return tag("div", why, *pressed, _mark(session, mark), cls="cr-buttons")


def _mark(session: Session, mark: Mark | None) -> Html | None:
    """What became of the button that was pressed."""
    if mark is None:
        return None
    say = session.words
    if mark.problem:
        problem = say("card.failed", problem=mark.problem)
        return tag("p", problem, cls="cr-mark cr-problem", role="alert")
    if not mark.stored:
        return tag("p", say("card.saving"), cls="cr-mark", role="status")
    done = say.named(f"card.did_{mark.feedback.type}", mark.feedback.type)
    return tag("p", join("✓ ", done), cls="cr-mark cr-stored", role="status")


def _state(mark: Mark | None) -> str | None:
    return mark.feedback.type if mark is not None and mark.stored else None
