"""The components of the operator's page, and what is known drawn onto them as updates. Owns no event, no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ui.heading import HEADING_SCRIPT, heading_html
from ui.markup import tag
from ui.operator import plots, tables
from ui.operator.desk import Desk
from ui.operator.views import Activity, Adapter, EventRow, Job, Stats, Verdict
from ui.words import Words

Updates = dict[Any, Any]

CSS = (Path(__file__).parent / "operator.css").read_text(encoding="utf-8")

_DAYS = ("1", "7", "30", "365")
_SECTIONS = ("turns", "preferred", "match", "heard", "training", "shelf")
_TICK_S = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API told."""

    stats: Stats
    activity: Activity
    events: tuple[EventRow, ...]
    adapters: tuple[Adapter, ...]
    jobs: tuple[Job, ...]


class Layout:
    """Lays the components out inside the current gr.Blocks."""

    def __init__(self) -> None:
        self.desk = gr.State(Desk())
        self.tick = gr.Timer(_TICK_S, active=False)
        self.head = gr.HTML(heading_html("operator", Desk().say), js_on_load=HEADING_SCRIPT)
        self.alert = gr.HTML(visible=False, elem_classes="op-told")
        with gr.Column(visible=False, elem_classes="op-door") as self.door:
            self.key = gr.Textbox(label="Key", type="password", max_length=200)
            self.enter = gr.Button("Open", variant="primary")
        with gr.Column(visible=False) as self.room:
            with gr.Row(elem_classes="op-row"):
                self.since = gr.Dropdown(list(_DAYS), value="1", label="Since", interactive=True)
                self.by = gr.Dropdown(["adapter", "prompt"], value="adapter", label="By", interactive=True)
                self.refresh = gr.Button("Refresh")
                self.leave = gr.Button("Leave")
            self.titles = {}
            for name in _SECTIONS:
                self.titles[name] = gr.HTML()
                getattr(self, f"_lay_out_{name}")()
        self.watched = [self.times, self.slates, self.stages, self.feedback]
        self.watched += [self.unjudged, self.asked_nothing, self.asked]
        self.followed = [self.progress, self.loss, self.cancel, self.start]
        self.everything = [
            *(self.tick, self.head, self.alert, self.door, self.key, self.enter, self.room),
            *(self.since, self.by, self.refresh, self.leave, *self.titles.values()),
            *(*self.watched, self.versions, self.contests, *self.followed, self.jobs),
            *(self.name, self.examples, self.judge, self.promoted),
            *(self.adapters, self.pick, self.promote, self.back, self.verdict),
        ]

    # --- drawing -------------------------------------------------------------------------------------------

    def draw(self, desk: Desk, seen: Seen) -> Updates:
        """Everything."""
        say = desk.say
        return {
            **self.draw_words(say),
            self.tick: gr.update(active=True),
            self.alert: gr.update(visible=False),
            self.door: gr.update(visible=False),
            self.room: gr.update(visible=True),
            self.leave: gr.update(value=say("operator.leave"), visible=bool(desk.key)),
            **self.draw_watched(desk, seen.activity, seen.events),
            self.versions: tables.versions_html(seen.stats, say),
            self.contests: tables.contests_html(seen.stats.contests, say),
            **self.draw_jobs(desk, seen.jobs),
            **self.draw_adapters(desk, seen.adapters),
            **self.draw_followed(desk),
        }

    def draw_jobs(self, desk: Desk, jobs: Sequence[Job]) -> Updates:
        """The last trainings."""
        return {self.jobs: tables.jobs_html(jobs, desk.say)}

    def draw_adapters(self, desk: Desk, adapters: Sequence[Adapter]) -> Updates:
        """Every version; the active one is picked, else the last."""
        labels, active = [of.label for of in adapters], [of.label for of in adapters if of.active]
        picked = next(iter(active or labels[::-1]), None)
        return {
            self.adapters: tables.adapters_html(adapters, desk.say),
            self.pick: gr.update(choices=labels, value=picked, label=desk.say("operator.pick")),
        }

    def draw_nothing(self) -> Updates:
        """Leaves everything as it is."""
        return {self.alert: gr.skip()}

    def draw_words(self, say: Words) -> Updates:
        """What never changes but with the language."""
        days = [(say(f"operator.days_{n}"), n) for n in _DAYS]
        kinds = [(say(f"operator.by_{name}"), name) for name in ("adapter", "prompt")]
        return {
            self.head: heading_html("operator", say),
            self.key: gr.update(label=say("operator.key"), info=say("operator.key_info")),
            self.enter: say("operator.enter"),
            self.since: gr.update(choices=days, label=say("operator.since")),
            self.by: gr.update(choices=kinds, label=say("operator.by")),
            self.refresh: say("operator.refresh"),
            **{title: tag("h2", say(f"operator.title_{name}")) for name, title in self.titles.items()},
            self.name: gr.update(label=say("operator.name")),
            self.examples: gr.update(label=say("operator.examples"), info=say("operator.default")),
            self.judge: gr.update(label=say("operator.judge"), info=say("operator.default")),
            self.promoted: gr.update(label=say("operator.promoted")),
            self.promote: say("operator.promote"),
            self.back: say("operator.back"),
        }

    def draw_watched(self, desk: Desk, activity: Activity, events: Sequence[EventRow]) -> Updates:
        """What goes on by itself."""
        say = desk.say
        return {
            self.times: gr.update(
                value=plots.times_frame(activity.parts, say),
                title=say("operator.times"),
                x_title=say("operator.time"),
                y_title=say("operator.seconds"),
            ),
            self.slates: gr.update(
                value=plots.slates_frame(activity.parts, say),
                title=say("operator.slates_over_time"),
                x_title=say("operator.time"),
                y_title=say("operator.slates"),
            ),
            self.stages: tables.stages_html(activity.stages, say),
            self.unjudged: gr.update(
                value=tag("p", say("operator.no_drift"), cls="op-quiet"), visible=not any(activity.drift.values())
            ),
            **{
                plot: gr.update(
                    visible=bool(activity.drift.get(requested)),
                    value=plots.drift_frame(activity.drift.get(requested, ()), say),
                    title=say(f"operator.drift_{'asked' if requested else 'unasked'}"),
                    x_title=say("operator.judged"),
                    y_title=say("operator.mean"),
                )
                for requested, plot in ((False, self.asked_nothing), (True, self.asked))
            },
            self.feedback: tables.feedback_html(events, say),
        }

    def draw_followed(self, desk: Desk) -> Updates:
        """How the training stands that is followed."""
        say = desk.say
        loss = plots.loss_frame(desk.said)
        told = tables.progress_html(desk.latest if desk.running else None, say)
        return {
            self.progress: gr.update(value=told, visible=bool(told)),
            self.loss: gr.update(
                value=loss,
                visible=len(loss) > 0,
                title=say("operator.loss"),
                x_title=say("operator.step"),
                y_title=say("operator.loss"),
            ),
            self.cancel: gr.update(value=say("operator.cancel"), visible=desk.running),
            self.start: gr.update(value=say("operator.start"), interactive=not desk.running),
        }

    def draw_door(self, desk: Desk, problem: str) -> Updates:
        """Asks for the key."""
        return {
            **self.draw_words(desk.say),
            self.tick: gr.update(active=False),
            self.door: gr.update(visible=True),
            self.room: gr.update(visible=False),
            self.key: gr.update(label=desk.say("operator.key"), info=desk.say("operator.key_info"), value=""),
            **self.draw_problem(problem),
        }

    def draw_problem(self, problem: str) -> Updates:
        """Says what went wrong."""
        alert = tag("p", problem, role="alert", cls="op-alert") if problem else ""
        return {self.alert: gr.update(value=alert, visible=bool(problem))}

    def draw_verdict(self, desk: Desk, verdict: Verdict | None) -> Updates:
        """What the gate said of the version that is picked."""
        return {self.verdict: tables.verdict_html(verdict, desk.say) if verdict else ""}

    # --- laying out ----------------------------------------------------------------------------------------

    def _lay_out_turns(self) -> None:
        with gr.Row(elem_classes="op-row"):
            self.times = _line("when", "seconds", "series")
            self.slates = gr.BarPlot(x="when", y="slates", color="series", color_title=" ", height=240)
        self.stages = gr.HTML()

    def _lay_out_preferred(self) -> None:
        self.versions, self.contests = gr.HTML(), gr.HTML()

    def _lay_out_match(self) -> None:
        self.unjudged = gr.HTML()
        with gr.Row(elem_classes="op-row"):
            self.asked_nothing = _line("judged", "mean", "series")
            self.asked = _line("judged", "mean", "series")

    def _lay_out_heard(self) -> None:
        self.feedback = gr.HTML()

    def _lay_out_training(self) -> None:
        with gr.Row(elem_classes="op-row"):
            self.name = gr.Textbox(value="default", label="Name", max_length=63, interactive=True)
            self.examples = gr.Number(value=0, label="Examples", precision=0, minimum=0)
            self.judge = gr.Number(value=0, label="Judge", precision=0, minimum=0)
            self.promoted = gr.Checkbox(value=True, label="Promote")
        with gr.Row(elem_classes="op-row"):
            self.start = gr.Button("Start", variant="primary")
            self.cancel = gr.Button("Cancel", variant="stop", visible=False)
        self.progress = gr.HTML(visible=False, elem_id="op-progress")
        self.loss = _line("step", "loss", None, visible=False)
        self.jobs = gr.HTML()

    def _lay_out_shelf(self) -> None:
        self.adapters = gr.HTML()
        with gr.Row(elem_classes="op-row"):
            self.pick = gr.Dropdown([], label="Version", interactive=True)
            self.promote = gr.Button("Promote")
            self.back = gr.Button("Back")
        self.verdict = gr.HTML(elem_id="op-verdict")


def _line(x: str, y: str, color: str | None, visible: bool = True) -> Any:
    return gr.LinePlot(x=x, y=y, color=color, color_title=" ", height=240, visible=visible)
