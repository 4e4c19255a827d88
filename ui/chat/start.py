"""The HTML of beginnings: messages that could come next, wishes that hold, items for a newcomer to tap."""

from __future__ import annotations

from ui.acts import button
from ui.chat.past import WishView
from ui.chat.picture import picture_html
from ui.markup import Html, tag
from ui.session import Session
from ui.views import CardView

_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


def suggestions_html(session: Session) -> Html | None:
    """A button for each message that could come next; None without any."""
    if not session.suggestions:
        return None
    chips = (button("say", text, place=n, cls="cr-chip") for n, text in enumerate(session.suggestions))
    return tag("div", *chips, cls="cr-chips", role="group", aria_label=session.words("chat.suggestions"))


def wish_text(session: Session, wish: WishView) -> str:
    """A wish in words: "Comedy", "−Horror", "year ≥ 1990"."""
    if wish.op not in _SIGNS:
        label = str(wish.value)
        if session.domain is not None:
            label = session.domain.label(session.words.language, wish.facet, label)
        return f"−{label}" if wish.op == "exclude" else label
    value = f"{wish.value:g}" if isinstance(wish.value, float) else wish.value
    return f"{wish.facet} {_SIGNS[wish.op]} {value}"


def start_html(session: Session) -> str:
    """What there is before anything was said: items to tap for a newcomer, and examples."""
    if session.turns or session.domain is None:
        return ""
    return tag("div", _starters(session), suggestions_html(session), cls="cr-start", data_key="start")


def _starters(session: Session) -> Html | None:
    if not session.starters or session.domain is None:
        return None
    say = session.words
    named = session.domain.named(say.language)
    liked = sum(mark.stored for mark in session.picks.values())
    go_on = say.count("start.done", liked, noun=named.noun, plural=named.plural)
    return tag(
        "section",
        tag("h2", say("start.title")),
        tag("p", say("start.about", plural=named.plural), cls="cr-quiet"),
        tag("ul", *(_starter(session, card, n) for n, card in enumerate(session.starters)), cls="cr-starters"),
        tag(
            "div",
            button("go-on", go_on, cls="cr-button cr-strong") if liked else None,
            button("skip", say("start.skip"), cls="cr-button"),
            cls="cr-chips",
        ),
        aria_label=say("start.title"),
    )


def _starter(session: Session, card: CardView, place: int) -> Html:
    say, mark = session.words, session.picks.get(card.item_id)
    stored, failed = mark is not None and mark.stored, mark is not None and bool(mark.problem)
    kind = next((values[0] for _, values in card.attributes if not values[0].isdigit()), "")
    return tag(
        "li",
        button(
            "pick",
            picture_html(card.title, kind, card.picture),
            tag("span", say("start.pick", title=card.title), cls="cr-unseen"),
            tag("span", card.title, aria_hidden="true"),
            tag("small", say("card.failed", problem=mark.problem), role="alert") if mark and failed else None,
            tag("span", "✓" if stored else "", cls="cr-tick", aria_hidden="true"),
            place=place,
            cls="cr-starter",
            disabled=mark is not None and not stored and not failed,
            aria_pressed="true" if stored else "false",
        ),
        data_key=f"starter-{place}",
    )
