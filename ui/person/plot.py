"""The plot of a person's leanings: a bar for each facet value, to the right for and to the left against."""

from __future__ import annotations

from collections.abc import Sequence

from ui.markup import Html, tag
from ui.person.views import BeliefView
from ui.session import Session

_SHOWN = 10
_ROW, _NAME, _HALF = 22, 116, 62


def plot_html(session: Session, beliefs: Sequence[BeliefView]) -> Html | None:
    """The strongest leanings as SVG; a list for those who cannot see it. None without any."""
    if not beliefs:
        return None
    say, rows = session.words, beliefs[:_SHOWN]
    height, zero = _ROW * len(rows), _NAME + _HALF
    scale = max(0.25, *(abs(belief.weight) for belief in rows))
    bars = (_bar(session, belief, n, zero, scale) for n, belief in enumerate(rows))
    return tag(
        "figure",
        tag(
            "svg",
            tag("line", x1=zero, x2=zero, y1=0, y2=height, stroke="currentColor", stroke_opacity="0.3"),
            *(part for bar in bars for part in bar),
            viewBox=f"0 0 {_NAME + 2 * _HALF} {height}",
            role="img",
            aria_label=f"{say('person.plot')}: {_told(session, rows)}",
            cls="cr-plot",
        ),
        tag("figcaption", say("person.plot"), cls="cr-quiet"),
        cls="cr-figure",
    )


def belief_text(session: Session, belief: BeliefView) -> str:
    """What is leaned to, in the page's language."""
    domain, language = session.domain, session.words.language
    return belief.value if domain is None else domain.label(language, belief.facet, belief.value)


def _bar(session: Session, belief: BeliefView, n: int, zero: int, scale: float) -> tuple[Html, Html]:
    width = abs(belief.weight) / scale * (_HALF - 2)
    middle = n * _ROW + _ROW // 2
    say, domain = session.words, session.domain
    named = domain.named(say.language) if domain else None
    support = say.count(
        "person.belief",
        belief.support,
        weight=f"{belief.weight:+.2f}",
        noun=named.noun if named else "",
        plural=named.plural if named else "",
    )
    name = belief_text(session, belief)
    return (
        tag(
            "text",
            name if len(name) <= 17 else f"{name[:16]}…",
            x=_NAME - 8,
            y=middle + 4,
            text_anchor="end",
            font_size="12",
            fill="currentColor",
        ),
        tag(
            "rect",
            tag("title", f"{belief.facet}: {name}, {support}"),
            x=f"{zero - width if belief.weight < 0 else zero:.1f}",
            y=middle - 6,
            width=f"{width:.1f}",
            height=12,
            rx=3,
            cls="cr-against" if belief.weight < 0 else "cr-for",
        ),
    )


def _told(session: Session, beliefs: Sequence[BeliefView]) -> str:
    return ", ".join(f"{belief_text(session, b)} {b.weight:+.2f}" for b in beliefs)
