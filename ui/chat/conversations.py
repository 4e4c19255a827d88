"""The HTML of the list of a person's conversations: open, rename, delete, begin another."""

from __future__ import annotations

from ui.acts import button, form
from ui.chat.past import ConversationView
from ui.icons import icon
from ui.markup import Html, tag
from ui.session import Session

_DANGER = "cr-button cr-danger"


def conversations_html(session: Session) -> str:
    """The whole list."""
    say = session.words
    more = session.kept - len(session.conversations)
    rows = (_row(session, one, place) for place, one in enumerate(session.conversations))
    return tag(
        "nav",
        tag("h2", say("sessions.title")),
        button("new", icon("new"), tag("span", say("sessions.new")), cls="cr-button"),
        tag("ul", *rows, cls="cr-conversations")
        if session.conversations
        else tag("p", say("sessions.none"), cls="cr-quiet"),
        tag("p", say.count("sessions.more", more), cls="cr-quiet") if more > 0 else None,
        aria_label=say("sessions.title"),
        data_key="conversations",
    )


def _row(session: Session, one: ConversationView, place: int) -> Html:
    say, title = session.words, one.title or session.words("sessions.untitled")
    key = f"conversation-{place}"
    if session.asked.renaming == one.session_id:
        return tag(
            "li",
            form(
                "rename",
                tag(
                    "input",
                    name="text",
                    value=title,
                    maxlength=200,
                    required=True,
                    aria_label=say("sessions.name"),
                    data_focus=True,
                ),
                tag("button", say("sessions.save"), type="submit", cls="cr-button"),
                button("cancel", say("sessions.cancel"), cls="cr-button", data_escape=True),
                place=place,
            ),
            data_key=key,
        )
    if session.asked.deleting == one.session_id:
        return tag(
            "li",
            tag("p", say("sessions.confirm", title=title), role="alert"),
            button("delete-yes", say("sessions.confirmed"), place=place, cls=_DANGER, data_focus=True),
            button("cancel", say("sessions.cancel"), cls="cr-button", data_escape=True),
            data_key=key,
        )
    current = one.session_id == session.session_id
    return tag(
        "li",
        button(
            "open",
            title,
            place=place,
            cls="cr-open",
            aria_current="true" if current else None,
            aria_label=say("sessions.open", title=title),
            data_drawer=True,
        ),
        button(
            "renaming", icon("rename"), place=place, cls="cr-icon", aria_label=say("sessions.rename", title=title)
        ),
        button(
            "deleting", icon("delete"), place=place, cls="cr-icon", aria_label=say("sessions.delete", title=title)
        ),
        data_key=key,
    )


def _icon(act: str, sign: str, label: str, place: int) -> Html:
    return button(act, icon(sign), place=place, cls="cr-icon", aria_label=label)
