"""The components of the comparing page, and a duel drawn onto them as updates. Owns no event and no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ui.compare.client import Answer, K
from ui.compare.duel import VOTES, Duel
from ui.heading import HEADING_SCRIPT, heading_html
from ui.markup import join, tag

Updates = dict[Any, Any]

BESIDE, MIXED = "beside", "mixed"
_SIDES = ("left", "right")
_MAX_MESSAGE = 4000  # characters


class Layout:
    """Lays the components out inside the current gr.Blocks."""

    def __init__(self) -> None:
        duel = Duel()
        say = duel.say
        self.duel = gr.State(duel)
        self.head = gr.HTML(heading_html("compare", say), js_on_load=HEADING_SCRIPT)
        self.alert = gr.HTML(visible=False, elem_classes="op-told")
        with gr.Row(elem_classes="op-row"):
            self.first = gr.Dropdown([], label=say("compare.first"), interactive=True)
            self.second = gr.Dropdown([], label=say("compare.second"), interactive=True)
            self.way = gr.Radio([BESIDE, MIXED], value=BESIDE, label=say("compare.way"))
        with gr.Row(equal_height=True):
            self.message = gr.Textbox(
                label=say("compare.message"), max_lines=4, max_length=_MAX_MESSAGE, scale=5, min_width=180
            )
            self.ask = gr.Button(say("compare.ask"), variant="primary", scale=0, min_width=110, interactive=False)
        self.about = gr.HTML(tag("p", say("compare.connecting"), cls="op-quiet"))
        with gr.Row(elem_classes="cm-sides"):
            self.sides = {side: gr.HTML(visible=False, elem_id=f"cm-{side}") for side in _SIDES}
        with gr.Row(elem_classes="op-row"):
            self.votes = {vote: gr.Button(vote, visible=False) for vote in VOTES}
        self.items = [self._lay_out_item() for _ in range(K)]
        self.outcome = gr.HTML(visible=False, elem_id="cm-outcome")
        self.everything = [
            *(self.head, self.alert, self.first, self.second, self.way, self.message, self.ask, self.about),
            *(*self.sides.values(), *self.votes.values(), self.outcome),
            *(part for item in self.items for part in item),
        ]

    def draw(self, duel: Duel) -> Updates:
        """The comparison as it is."""
        say, mixed = duel.say, duel.mixed
        sides = [*duel.sides, *[None] * (2 - len(duel.sides))]
        return {
            self.ask: gr.update(value=say("compare.ask"), interactive=duel.able and not duel.asking),
            self.alert: gr.update(visible=False),
            **{
                self.sides[name]: gr.update(value=_side_html(name, side, duel), visible=side is not None)
                for name, side in zip(_SIDES, sides, strict=True)
            },
            **{
                self.votes[vote]: gr.update(
                    value=say("compare.tie" if vote == "tie" else f"compare.better_{vote}"), visible=duel.votable
                )
                for vote in VOTES
            },
            **{key: value for index in range(K) for key, value in self._draw_item(duel, index).items()},
            self.outcome: self._outcome(duel, mixed),
        }

    def draw_words(self, duel: Duel, names: Sequence[str]) -> Updates:
        """What can be compared, in the language of the browser."""
        say = duel.say
        second = names[1] if len(names) > 1 else None
        ways = [(say(f"compare.way_{way}"), way) for way in (BESIDE, MIXED)]
        about = "about" if second else "none"
        return {
            self.head: heading_html("compare", say),
            self.first: gr.update(
                choices=list(names), value=names[0] if names else None, label=say("compare.first")
            ),
            self.second: gr.update(choices=list(names), value=second, label=say("compare.second")),
            self.way: gr.update(choices=ways, label=say("compare.way")),
            self.message: gr.update(label=say("compare.message"), placeholder=say("compare.placeholder")),
            self.about: tag("p", say(f"compare.{about}"), cls="op-quiet"),
        }

    def draw_nothing(self) -> Updates:
        """Leaves everything as it is."""
        return {self.alert: gr.skip()}

    def draw_problem(self, problem: str) -> Updates:
        """Says what went wrong."""
        return {self.alert: gr.update(value=tag("p", problem, role="alert", cls="op-alert"), visible=True)}

    def _lay_out_item(self) -> tuple[Any, Any, Any]:
        with gr.Row(visible=False, elem_classes="cm-items op-row") as box:
            text = gr.HTML()
            button = gr.Button("Take", size="sm")
        return box, text, button

    def _draw_item(self, duel: Duel, index: int) -> Updates:
        box, text, button = self.items[index]
        entries = duel.mixed.entries if duel.mixed else ()
        if index >= len(entries):
            return {box: gr.update(visible=False)}
        entry, say = entries[index], duel.say
        free = entry.item_id not in duel.chosen
        label = say("compare.click" if free else "compare.clicked", title=entry.title)
        words = join(tag("strong", f"{index + 1}. {entry.title}"), tag("p", entry.why, cls="op-quiet"))
        return {
            box: gr.update(visible=True),
            text: words,
            button: gr.update(value=label, interactive=free and bool(duel.mixed and duel.mixed.versions)),
        }

    def _outcome(self, duel: Duel, mixed: Answer | None) -> Any:
        """What was stored, and which version was which; only after it was decided."""
        say = duel.say
        shown = [*duel.sides, *([mixed] if mixed else [])]
        lines: list[str] = []
        if duel.asking:
            lines = [say("compare.waiting")]
        elif any(side.degraded for side in shown):
            lines = [say("compare.degraded")]
        elif any(not side.entries for side in shown):
            lines = [say("compare.nothing")]
        elif duel.vote is not None:
            told = zip(_SIDES, duel.sides, strict=True)
            was = [
                say("compare.was", side=say(f"compare.{name}"), version=side.versions[0]) for name, side in told
            ]
            lines = [say("compare.thanks"), *was]
        elif mixed is not None and duel.chosen:
            by = [e for e in mixed.entries if e.item_id in duel.chosen and e.team is not None]
            said = [say("compare.chosen", title=e.title, version=mixed.versions[e.team or 0]) for e in by]
            lines = [say("compare.thanks"), *said]
        elif mixed is not None:
            lines = [say("compare.items")]
        html = tag("div", *(tag("p", line) for line in lines), role="status")
        return gr.update(value=html, visible=bool(lines))


def _side_html(name: str, side: Answer | None, duel: Duel) -> str:
    if side is None:
        return ""
    items = tag("ol", *(tag("li", entry.title) for entry in side.entries))
    return tag("section", tag("h3", duel.say(f"compare.{name}")), items, tag("p", side.prose), cls="cm-side")
