"""Owns OpenTelemetry's spans: one per request, and in it one per stage of its slate.

Only where OTEL_EXPORTER_OTLP_ENDPOINT is set (the extra `otel`); OpenTelemetry reads that and its other variables.
Spans hold routes, statuses and times; nobody's id and nothing that was said.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convrec.service.stopwatch import Lap
from convrec.service.transport import route_of


def otlp_provider() -> TracerProvider:
    """What sends spans where OpenTelemetry's variables say; whoever asks for it shuts it down."""
    provider = TracerProvider(resource=Resource.create({"service.name": "convrec"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """ASGI middleware around the whole app: a span per request, of the trace that its `traceparent` names.

    Args:
        app: What it surrounds.
        tracer: What makes spans.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = TraceContextTextMapPropagator().extract(Headers(scope=scope))
        method = scope["method"]
        with self._tracer.start_as_current_span(method, parent, SpanKind.SERVER) as span:

            async def send_noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, send_noting)
            finally:
                route = route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.request.method": method, "http.route": route})


def trace_laps(tracer: Tracer, laps: Sequence[Lap]) -> None:
    """Spans of the stages of a slate that is ready now, in the span of the request."""
    at = time.time_ns() - sum(_ns(lap) for lap in laps)
    for lap in laps:
        span = tracer.start_span(lap.stage.value, start_time=at)
        at += _ns(lap)
        span.end(at)


def _ns(lap: Lap) -> int:
    return round(lap.seconds * 1e9)
