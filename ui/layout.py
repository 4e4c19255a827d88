"""Layout: the page's components, and a session drawn onto them as updates. Owns no event and no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from ui.beliefs import unknown_html
from ui.cards import BUTTONS, card_html, note_html
from ui.session import Session
from ui.transcript import answer_html, earlier_html, said_html
from ui.views import DomainView

Updates = dict[Any, Any]

NEW_PERSON = ""  # the picker's value for "New person"; no user_id is empty
_SLOTS = 20  # the longest slate of the API
_EXAMPLES = 3
_MAX_MESSAGE = 4000  # characters
_POLL_S = 3.0


@dataclass(frozen=True, slots=True)
class Slot:
    """The components of one card; buttons by what they send."""

    box: Any
    text: Any
    buttons: dict[str, Any]
    undo: Any

    @property
    def components(self) -> list[Any]:
        """All of them."""
        return [self.box, self.text, *self.buttons.values(), self.undo]


class Layout:
    """Lays the components out inside the current gr.Blocks."""

    def __init__(self) -> None:
        self.session = gr.State(Session())
        self.poll = gr.Timer(_POLL_S, active=False)
        self.banner = gr.HTML(visible=False)
        with gr.Row(elem_classes="cr-top"):
            self.head = gr.HTML(_head_html(None), elem_classes="cr-grow")
            self.picker = gr.Dropdown(
                [], label="Who is speaking", allow_custom_value=True, interactive=True, scale=0, min_width=260
            )
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                self._lay_out_conversation()
                with gr.Column(elem_classes="cr-composer"):
                    self._lay_out_composer()
            with gr.Column(scale=1, min_width=260):
                self.person = gr.HTML(unknown_html("Connecting…"))
        self.conversation = [
            *(self.earlier, self.said, self.note, self.answer, self.message),
            *(self.send, self.stop, self.retry, *self.examples),
            *(component for slot in self.slots for component in slot.components),
        ]
        self.connection = [self.poll, self.banner, self.head, self.picker, self.person]

    def draw(self, session: Session) -> Updates:
        """The whole conversation: earlier turns, the latest with its cards, what can be done now."""
        turn = session.turn
        note = note_html(turn.slate) if turn and turn.slate else ""
        return {
            self.earlier: _shown(earlier_html(session.turns[:-1])),
            self.said: _shown(said_html(turn) if turn else ""),
            self.note: _shown(note),
            **{key: value for index in range(_SLOTS) for key, value in self.draw_slot(session, index).items()},
            self.answer: _shown(answer_html(turn) if turn else ""),
            **self._draw_controls(session),
        }

    def draw_nothing(self) -> Updates:
        """Leaves everything as it is."""
        return {self.message: gr.skip()}

    def draw_slot(self, session: Session, index: int) -> Updates:
        """One card with its buttons; nothing where the slate has none of this index."""
        slot, card = self.slots[index], session.card(index)
        if card is None or session.turn is None:
            return {slot.box: gr.update(visible=False)}
        mark = session.turn.marks.get(card.item_id)
        stored, sending = bool(mark and mark.stored), bool(mark and not mark.stored and not mark.problem)
        buttons = {
            button: gr.update(visible=not stored, interactive=not sending) for button in slot.buttons.values()
        }
        return {
            slot.box: gr.update(visible=True),
            slot.text: card_html(card, mark),
            slot.undo: gr.update(visible=stored),
            **buttons,
        }

    def _draw_controls(self, session: Session) -> Updates:
        """The buttons that can be pressed now."""
        examples = session.domain.examples if session.domain and not session.turns else ()
        labels = [*examples, *[""] * _EXAMPLES]
        return {
            self.send: gr.update(visible=not session.running),
            self.stop: gr.update(visible=session.running),
            self.retry: gr.update(visible=bool(session.turns) and not session.running),
            **{
                button: gr.update(value=label, visible=bool(label))
                for button, label in zip(self.examples, labels, strict=False)
            },
        }

    def draw_connected(self, session: Session, people: Sequence[tuple[str, int]]) -> Updates:
        """The head and the people of an API that answers."""
        choices = [("New person", NEW_PERSON), *((f"{name} · {events} events", name) for name, events in people)]
        if session.user_id not in dict(people):
            choices.insert(1, (f"{session.user_id} · new", session.user_id))
        return {
            self.poll: gr.update(active=False),
            self.banner: gr.update(visible=False),
            self.head: _head_html(session.domain),
            self.picker: gr.update(choices=choices, value=session.user_id),
        }

    def draw_unavailable(self, problem: str) -> Updates:
        """Says that the API does not answer; the poll tries again."""
        text = f"{escape(problem)} This page tries again every {_POLL_S:.0f} seconds."
        return {
            self.poll: gr.update(active=True),
            self.banner: _shown(f'<p class="cr-note cr-problem" role="alert">{text}</p>'),
            self.person: unknown_html("Not connected."),
        }

    def _lay_out_conversation(self) -> None:
        self.earlier = gr.HTML(visible=False)
        self.said = gr.HTML(visible=False)
        self.note = gr.HTML(visible=False)
        with gr.Column(elem_classes="cr-cards"):
            self.slots = [_lay_out_slot() for _ in range(_SLOTS)]
        self.answer = gr.HTML(visible=False)

    def _lay_out_composer(self) -> None:
        with gr.Row():
            self.examples = [gr.Button(visible=False, size="sm", min_width=120) for _ in range(_EXAMPLES)]
        with gr.Row(equal_height=True):
            self.message = gr.Textbox(
                label="Message",
                show_label=False,
                placeholder="What are you in the mood for?",
                max_lines=4,
                max_length=_MAX_MESSAGE,
                autofocus=True,
                scale=5,
                min_width=180,
            )
            self.send = gr.Button("Send", variant="primary", scale=0, min_width=90)
            self.stop = gr.Button("Stop", variant="stop", visible=False, scale=0, min_width=90)
        with gr.Row():
            self.retry = gr.Button("Retry", size="sm", visible=False, scale=0, min_width=140)
            self.fresh = gr.Button("New conversation", size="sm", scale=0, min_width=140)


def _lay_out_slot() -> Slot:
    with gr.Row(visible=False, elem_classes="cr-slot") as box:
        text = gr.HTML(elem_classes="cr-text")
        buttons = {kind: gr.Button(label, size="sm", min_width=0) for kind, label in BUTTONS.items()}
        undo = gr.Button("Undo", size="sm", min_width=0, visible=False)
    return Slot(box, text, buttons, undo)


def _shown(html: str) -> Any:
    """Shows some HTML, or hides the component that has none to show."""
    return gr.update(value=html, visible=bool(html))


def _head_html(domain: DomainView | None) -> str:
    about = "A recommender that you talk to."
    if domain is not None:
        plural = escape(domain.plural)
        about = (
            f"Say what you are in the mood for, out of {domain.items:,} {plural}. "
            f"What you press on a {escape(domain.noun)} counts from the next answer on."
        )
    return f'<header class="cr-head"><h1>convrec</h1><p>{about}</p></header>'
