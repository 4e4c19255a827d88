"""Prometheus metrics of one app, in a registry of its own. Owns no route and reads no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from convrec.service.recommender import ChatEvent, SlateReady, TurnDone
from convrec.training.screening import Reason
from convrec.types import FeedbackType

# Seconds: from a cached slate on a GPU to a whole turn on two cores.
_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60)


class Metrics:
    """Counts what the server did."""

    def __init__(self) -> None:
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

    def slate(self, ready: SlateReady) -> None:
        """A slate was made."""
        self._slate.observe(ready.latency_s)

    def feedback(self, kind: FeedbackType) -> None:
        """A feedback event was stored."""
        self._feedback.labels(kind.value).inc()

    def left_out(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Show what does not train.

        Args:
            counts: By reason; asked when metrics are rendered.
        """
        for reason in Reason:
            self._left_out.labels(reason.value).set_function(partial(_count, counts, reason.value))

    def error(self, status: int) -> None:
        """An answer was an error."""
        self._errors.labels(str(status)).inc()

    def render(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)


def _count(counts: Callable[[], Mapping[str, int]], reason: str) -> float:
    return counts().get(reason, 0)
