"""The HTML of the panel that says what the system thinks of a person, and lets them take it back."""

from __future__ import annotations

from collections.abc import Sequence

from ui.acts import button
from ui.chat.start import wish_text
from ui.markup import Html, join, tag
from ui.person.plot import belief_text, plot_html
from ui.person.views import Named, PersonView
from ui.session import OPINIONS, Session

_TITLES = 8
_VALUES = 3
_COMMENTS = 5


def person_html(session: Session) -> str:
    """The whole panel."""
    say, person = session.words, session.person
    if person is None:
        return _panel(session, tag("p", session.person_problem or say("person.connecting"), cls="cr-quiet"))
    length = person.history_length
    known = say.count("person.known", length) if length else say("person.unknown")
    parts = (
        tag("p", f"{session.user_id}: {known}", cls="cr-quiet"),
        _problem(session.person_problem),
        _words(session, person),
        _wishes(session),
        *(
            _opinions(session, say(f"person.{group}"), person.opinions(group), number)
            for number, group in enumerate(OPINIONS)
        ),
        _section(say("person.comments"), [tag("li", text) for text in person.comments[:_COMMENTS]]),
        tag("p", say("person.empty"), cls="cr-quiet") if not (length or person.comments) else None,
    )
    return _panel(session, *parts)


def forget_html(session: Session) -> str:
    """What came of the last import or export, and the way to be forgotten."""
    say = session.words
    notice = tag("div", *(tag("p", line) for line in session.notice), cls="cr-note", role="status")
    if session.asked.forgetting:
        asked = tag(
            "div",
            tag("p", say("person.forget_confirm", user=session.user_id), role="alert"),
            button("forget-yes", say("person.forget_yes"), cls="cr-button cr-danger", data_focus=True),
            button("cancel", say("person.forget_no"), cls="cr-button", data_escape=True),
            cls="cr-chips",
            data_key="forget",
        )
    else:
        asked = tag(
            "div", button("forget", say("person.forget"), cls="cr-button cr-plain cr-danger"), data_key="forget"
        )
    return join(notice if session.notice else None, asked)


def _problem(text: str) -> Html | None:
    return tag("p", text, cls="cr-note cr-problem", role="alert") if text else None


def _panel(session: Session, *parts: str | None) -> Html:
    return tag("section", tag("h2", session.words("person.title")), *parts, cls="cr-person", data_key="person")


def _words(session: Session, person: PersonView) -> Html | None:
    """The leanings as a sentence or two, and as a plot."""
    if not person.beliefs:
        return None
    say = session.words
    sides = (
        ("person.words_likes", [b for b in person.beliefs if b.weight > 0]),
        ("person.words_avoids", [b for b in person.beliefs if b.weight < 0]),
    )
    told = (
        say(key, values=", ".join(belief_text(session, b) for b in beliefs[:_VALUES]))
        for key, beliefs in sides
        if beliefs
    )
    return join(tag("p", " ".join(told)), tag("h3", say("person.leanings")), plot_html(session, person.beliefs))


def _wishes(session: Session) -> Html | None:
    say = session.words
    chips = [
        _chip(text := wish_text(session, wish), say("chat.drop", wish=text), "drop", 0, place)
        for place, wish in enumerate(session.wishes)
    ]
    return _section(say("person.constraints"), chips, "cr-chips")


def _opinions(session: Session, heading: str, items: Sequence[Named], group: int) -> Html | None:
    whole = OPINIONS[group] in session.whole
    say, more = session.words, 0 if whole else len(items) - _TITLES
    chips = [
        _chip(item.title, say("person.remove", title=item.title), "unsay", group, place)
        for place, item in enumerate(items if whole else items[:_TITLES])
    ]
    if more > 0:
        rest = button("more", say.count("person.more", more), turn=group, cls="cr-button cr-plain")
        chips.append(tag("li", rest, data_key=f"more-{group}"))
    return _section(heading, chips, "cr-chips")


def _chip(text: str, label: str, act: str, group: int, place: int) -> Html:
    remove = button(act, "✕", turn=group, place=place, aria_label=label, cls="cr-remove")
    return tag("li", tag("span", text), remove, cls="cr-tag", data_key=f"{act}-{group}-{place}")


def _section(title: str, rows: Sequence[Html], look: str | None = None) -> Html | None:
    return join(tag("h3", title), tag("ul", *rows, cls=look)) if rows else None
