"""Reasons in words and bars: the line on a card, and what carried it, measured. Owns no reason of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ui.markup import Html, tag
from ui.session import Session
from ui.views import CardView, EvidenceView

_KNOWN = ("liked", "named", "known")
_LINE = 2


def why_line(session: Session, card: CardView) -> str:
    """The reason in one line: the API's in English, else put together from the same facts."""
    if session.words.language == "en" or not card.evidence:
        return card.why
    return " · ".join(filter(None, (_fact(session, fact) for fact in card.evidence[:_LINE])))


def evidence_html(session: Session, card: CardView, found: Sequence[EvidenceView] | None, name: str) -> Html:
    """The opened part of a card.

    Args:
        found: What was measured anew; None while it is, and the slate's own evidence stands in.
        name: The element's id.
    """
    say = session.words
    facts = card.evidence if found is None else found
    carried = [fact for fact in facts if fact.effect is not None]
    most = max((abs(fact.effect or 0.0) for fact in carried), default=0.0)
    rest = [text for fact in facts if fact.effect is None and (text := _fact(session, fact))]
    return tag(
        "section",
        tag("h4", say("card.carried")),
        tag("ul", *(_carrier(session, fact, most) for fact in carried), cls="cr-carriers") if carried else None,
        tag("ul", *(tag("li", text) for text in rest)) if rest else None,
        tag("p", say("card.listen"), cls="cr-quiet", role="status") if found is None else None,
        tag("p", say("card.nothing"), cls="cr-quiet") if found is not None and not facts else None,
        id=name,
        cls="cr-evidence",
        aria_label=say("card.evidence", title=card.title),
    )


def _carrier(session: Session, fact: EvidenceView, most: float) -> Html:
    effect = fact.effect or 0.0
    width = round(100 * abs(effect) / most) if most else 0
    how = session.words(f"card.{fact.value}") if fact.value in _KNOWN else fact.value
    return tag(
        "li",
        tag("span", fact.title, tag("small", f" {how}")),
        tag("b", f"{effect:+.2f}"),
        tag("div", tag("i", style=f"width:{width}%"), cls="cr-bar" if effect >= 0 else "cr-bar cr-against"),
    )


def _fact(session: Session, fact: EvidenceView) -> str:
    say = session.words
    label = fact.value
    if session.domain is not None and fact.facet:
        label = session.domain.label(say.language, fact.facet, fact.value)
    match fact.kind:
        case "attribute" if fact.title:
            return say("card.like_title", value=label, title=fact.title)
        case "attribute":
            return say("card.asked", value=label)
        case "request":
            return say("card.words", value=fact.value)
        case "history" if fact.value in _KNOWN:
            return say("card.near", titles=fact.title, how=say(f"card.{fact.value}"))
        case "popularity":
            return say("card.popular", value=fact.value)
        case _:
            return ""
