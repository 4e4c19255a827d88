"""Layout: the page's components, and a session drawn onto them as updates. Owns no event and no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from ui.acts import SCRIPT
from ui.chat.conversations import conversations_html
from ui.chat.start import start_html
from ui.chat.turns import earlier_html, latest_html
from ui.head import HEAD_SCRIPT, head_html
from ui.markup import tag
from ui.person.panel import forget_html, person_html
from ui.session import Session

Updates = dict[Any, Any]

NEW_PERSON = ""  # the picker's value for "New person"; no user_id is empty
_MAX_MESSAGE = 4000  # characters
POLL_S = 3.0
# Shown as a file and saved by the browser, which asks nobody for it.
_DOWNLOAD = """
watch('value', () => {
  const file = element.querySelector('[data-name]');
  if (!file) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([file.textContent], { type: 'application/json' }));
  link.download = file.dataset.name;
  link.click();
  URL.revokeObjectURL(link.href);
});
"""


class Layout:
    """Lays the components out inside the current gr.Blocks."""

    def __init__(self) -> None:
        self.session = gr.State(Session())
        self.poll = gr.Timer(POLL_S, active=False)
        self.head = gr.HTML(head_html(Session()), apply_default_css=False, js_on_load=HEAD_SCRIPT)
        self.banner = gr.HTML(visible=False, apply_default_css=False)
        with gr.Row(elem_classes="cr-page"):
            with gr.Column(elem_classes="cr-side", elem_id="cr-side", min_width=0):
                self.picker = gr.Dropdown([], allow_custom_value=True, interactive=True)
                self.conversations = _html()
            with gr.Column(elem_classes="cr-main", elem_id="cr-main", min_width=0):
                self.earlier = _html("cr-thread")
                self.latest = _html("cr-thread")
                self.start = _html()
                with gr.Row(elem_classes="cr-composer", equal_height=True):
                    self.message = gr.Textbox(
                        show_label=False,
                        container=False,
                        max_lines=4,
                        max_length=_MAX_MESSAGE,
                        autofocus=True,
                        scale=5,
                        min_width=160,
                        elem_classes="cr-message",
                    )
                    self.send = gr.Button(variant="primary", scale=0, min_width=84)
                    self.stop = gr.Button(variant="stop", visible=False, scale=0, min_width=84)
            with gr.Column(elem_classes="cr-about", elem_id="cr-about", min_width=0):
                self.person = _html()
                with gr.Row(elem_classes="cr-data"):
                    self.bring = gr.UploadButton(file_types=[".csv", "text/csv"], size="sm", min_width=0)
                    self.take = gr.Button(size="sm", min_width=0)
                self.forget = _html()
                self.file = gr.HTML(visible="hidden", apply_default_css=False, js_on_load=_DOWNLOAD)
        self.acting = [self.conversations, self.earlier, self.latest, self.start, self.person, self.forget]
        self.everything = [
            *(self.head, *self.acting, self.poll, self.banner, self.picker),
            *(self.message, self.send, self.stop, self.bring, self.take, self.file),
        ]

    def draw(self, session: Session) -> Updates:
        """The session as it is."""
        return {
            self.conversations: conversations_html(session),
            self.earlier: earlier_html(session),
            self.latest: latest_html(session),
            self.start: start_html(session),
            self.person: person_html(session),
            self.forget: forget_html(session),
            self.send: gr.update(visible=not session.running),
            self.stop: gr.update(visible=session.running),
        }

    def draw_nothing(self) -> Updates:
        """Leaves everything as it is."""
        return {self.message: gr.skip()}

    def draw_words(self, session: Session) -> Updates:
        """What does not change while one person talks, in the session's language."""
        say = session.words
        return {
            self.head: head_html(session),
            self.message: gr.update(placeholder=say("chat.placeholder"), label=say("chat.message")),
            self.send: gr.update(value=say("chat.send"), visible=not session.running),
            self.stop: gr.update(value=say("chat.stop"), visible=session.running),
            self.bring: gr.update(label=say("person.import")),
            self.take: say("person.export"),
        }

    def draw_connected(self, session: Session, people: Sequence[tuple[str, int]]) -> Updates:
        """The people of an API that answers."""
        say = session.words
        choices = [
            (say("who.new"), NEW_PERSON),
            *((say.count("who.known", events, user=name), name) for name, events in people),
        ]
        if session.user_id not in dict(people):
            choices.insert(1, (say("who.fresh", user=session.user_id), session.user_id))
        return {
            self.poll: gr.update(active=False),
            self.banner: gr.update(visible=False),
            self.picker: gr.update(choices=choices, value=session.user_id, label=say("who.label")),
        }

    def draw_unavailable(self, session: Session, problem: str) -> Updates:
        """Says that the API does not answer; the poll tries again."""
        text = session.words("trouble.again", problem=problem, seconds=f"{POLL_S:.0f}")
        note = tag("p", text, cls="cr-note cr-problem", role="alert")
        return {self.poll: gr.update(active=True), self.banner: gr.update(value=note, visible=True)}

    def draw_file(self, name: str, text: str) -> Updates:
        """Hands a file to the browser."""
        return {self.file: f'<pre hidden data-name="{escape(name)}">{escape(text)}</pre>'}


def _html(look: str | None = None) -> Any:
    """A part of the page whose buttons say acts."""
    return gr.HTML("", apply_default_css=False, js_on_load=SCRIPT, elem_classes=look)
