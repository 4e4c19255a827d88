"""The HTML of turns: what was said, the cards above the answer, the answer, and how it ended. Prose is text."""

from __future__ import annotations

from ui.acts import button
from ui.chat.cards import cards_html, degraded_html
from ui.chat.start import suggestions_html
from ui.markup import Html, join, tag
from ui.session import Session
from ui.turn import Phase, Turn


def earlier_html(session: Session) -> str:
    """All turns but the latest, oldest first."""
    return join(*(turn_html(session, number) for number in range(len(session.turns) - 1)))


def latest_html(session: Session) -> str:
    """The latest turn with what can be done now; "" before anything was said."""
    if session.turn is None:
        return ""
    return turn_html(session, len(session.turns) - 1, latest=True)


def turn_html(session: Session, number: int, *, latest: bool = False) -> Html:
    """A turn by its index."""
    turn, say = session.turns[number], session.words
    return tag(
        "section",
        tag("p", tag("span", f"{say('chat.said')}: ", cls="cr-unseen"), turn.message, cls="cr-said"),
        degraded_html(session, turn),
        cards_html(session, number),
        _answer(session, turn),
        _after(session) if latest and not session.running else None,
        cls="cr-turn",
        data_number=number if latest else None,
        aria_label=turn.message,
    )


def _answer(session: Session, turn: Turn) -> Html | None:
    say = session.words
    prose = tag("p", turn.prose, cls="cr-prose") if turn.prose else None
    match turn.phase:
        case Phase.WAITING | Phase.WRITING if not turn.prose:
            step = "chat.looking" if turn.phase is Phase.WAITING else "chat.writing"
            return tag("p", say(step), cls="cr-wait", role="status")
        case Phase.STOPPED:
            return join(prose, tag("p", say("chat.stopped"), cls="cr-quiet"))
        case Phase.FAILED:
            return join(prose, tag("p", turn.problem, cls="cr-note cr-problem", role="alert"))
        case _:
            return prose


def _after(session: Session) -> Html:
    say = session.words
    return tag(
        "div",
        suggestions_html(session),
        tag(
            "div",
            button("retry", say("chat.retry"), cls="cr-button cr-plain"),
            button("edit", say("chat.edit"), cls="cr-button cr-plain"),
            cls="cr-again",
        ),
        cls="cr-after",
        data_key="after",
    )
