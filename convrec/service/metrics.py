"""Prometheus metrics of one app, in a registry of its own. Owns no route and reads no clock.

Acceptance is convrec_slates_accepted_total over convrec_slates_total. Match has drifted where
convrec_match_expected and convrec_match_observed part from each other more than they did: those who give feedback
are no random sample, so the distance itself says little. Both are of the last 1,000 items that feedback judged
since the start (shown.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from convrec.evaluation.online import BASE
from convrec.service.pace import Pace
from convrec.service.requests import ChatEvent, SlateReady, TurnDone
from convrec.service.shown import ShownSlates
from convrec.service.stopwatch import Lap
from convrec.training.screening import Reason
from convrec.types import FeedbackEvent

# Seconds: from a cached slate on a GPU to a whole turn on two cores.
_STAGE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)
_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60)


class Metrics:
    """Counts what the server did.

    Attributes:
        pace: Of the last slates.
        shown: The last slates and what became of them.
    """

    def __init__(self) -> None:
        self._tell: Callable[[Sequence[Lap]], None] = lambda _: None
        self._registry = CollectorRegistry()
        self._turns = Counter(
            "convrec_turns", "Chat turns answered", ("engine", "degraded"), registry=self._registry
        )
        self._slate = Histogram(
            "convrec_slate_seconds",
            "From request to slate, with and without conversation",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._turn = Histogram(
            "convrec_turn_seconds",
            "From message to the end of the reply",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._stage = Histogram(
            "convrec_stage_seconds",
            "Time of a slate by stage",
            ("stage",),
            buckets=_STAGE_BUCKETS,
            registry=self._registry,
        )
        self._first_token = Histogram(
            "convrec_first_token_seconds",
            "From message to the first of the prose",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._slates = Counter(
            "convrec_slates",
            "Slates shown, with and without conversation",
            ("adapter", "degraded"),
            registry=self._registry,
        )
        self._accepted = Counter(
            "convrec_slates_accepted",
            "Slates shown of which an item was clicked, liked, bought or rated highly",
            ("adapter",),
            registry=self._registry,
        )
        self._adapter = Gauge(
            "convrec_adapter_people",
            "Share of the people for whom an adapter version ranks now",
            ("adapter",),
            registry=self._registry,
        )
        self._adapters: Callable[[], Mapping[str, float]] = dict
        self.pace, self.shown = Pace(), ShownSlates()
        self._watch_match()
        self._feedback = Counter(
            "convrec_feedback", "Feedback events newly stored", ("type",), registry=self._registry
        )
        self._left_out = Gauge(
            "convrec_feedback_left_out",
            "Feedback events of the ledger that do not train, as of the last refit",
            ("reason",),
            registry=self._registry,
        )
        self._errors = Counter("convrec_errors", "Answers that were errors", ("status",), registry=self._registry)

    def event(self, event: ChatEvent) -> None:
        """A turn got this far."""
        match event:
            case SlateReady():
                self._turns.labels(event.engine, str(event.slate.degraded).lower()).inc()
                self.slate(event)
            case TurnDone():
                self._turn.observe(event.latency_s)
                if event.first_token_s is not None:
                    self._first_token.observe(event.first_token_s)

    def slate(self, ready: SlateReady) -> None:
        """A slate was made."""
        self._tell(ready.laps)
        self._slate.observe(ready.latency_s)
        self.pace.add(ready.laps)
        for stage in {lap.stage for lap in ready.laps}:
            spent = sum(lap.seconds for lap in ready.laps if lap.stage is stage)
            self._stage.labels(stage.value).observe(spent)
        if ready.slate.recommendations and ready.contest is None:  # a question shows none
            self._slates.labels(ready.adapter or BASE, str(ready.slate.degraded).lower()).inc()
            self.shown.add(ready)

    def feedback(self, event: FeedbackEvent, rating_scale: tuple[float, float]) -> None:
        """A feedback event was stored."""
        self._feedback.labels(event.type.value).inc()
        accepted = self.shown.judge(event, rating_scale)
        if accepted is not None:
            self._accepted.labels(accepted.adapter or BASE).inc()

    def adapters(self, people: Callable[[], Mapping[str, float]]) -> None:
        """Show which adapter versions rank.

        Args:
            people: Share of the people by name of the version; asked when metrics are rendered.
        """
        self._adapters = people

    def left_out(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Show what does not train.

        Args:
            counts: By reason; asked when metrics are rendered.
        """
        for reason in Reason:
            self._left_out.labels(reason.value).set_function(partial(_count, counts, reason.value))

    def tell(self, laps: Callable[[Sequence[Lap]], None]) -> None:
        """Tell somebody the laps of each slate, when it is ready."""
        self._tell = laps

    def error(self, status: int) -> None:
        """An answer was an error."""
        self._errors.labels(str(status)).inc()

    def render(self) -> bytes:
        """All metrics in Prometheus's text format."""
        self._adapter.clear()  # what ranks no more is gone
        for name, people in self._adapters().items():
            self._adapter.labels(name).set(people)
        return generate_latest(self._registry)

    def _watch_match(self) -> None:
        for name, what in (
            ("expected", "Mean match of the items that feedback judged last"),
            ("observed", "Mean of what feedback said of them: 1 wanted, 0 not"),
            ("judged", "How many these are"),
        ):
            gauge = Gauge(f"convrec_match_{name}", what, ("requested",), registry=self._registry)
            for requested in (False, True):
                value = partial(self._match, name, requested)
                gauge.labels(str(requested).lower()).set_function(value)

    def _match(self, name: str, requested: bool) -> float:
        return float(getattr(self.shown.calibration(requested=requested), name))


def _count(counts: Callable[[], Mapping[str, int]], reason: str) -> float:
    return counts().get(reason, 0)
