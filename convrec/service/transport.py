"""What every request has: its id, its log line, its place in the metrics. Knows no route and refuses nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convrec.service.metrics import Metrics

_LOGGED = 4000  # bytes of a body

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger(__name__)


class Transport:
    """ASGI middleware around the whole app. Logs routes; what people said, in paths and bodies, not unasked.

    Args:
        app: What it surrounds.
        metrics: Where answers that are errors are counted.
        log_messages: Log the beginnings of bodies too.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, log_messages: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._log_messages = log_messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
        status, said = 0, b""

        async def receive_noting() -> Message:
            nonlocal said
            message = await receive()
            said += message.get("body", b"")[: _LOGGED - len(said)]
            return message

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive_noting if self._log_messages else receive, send_with_id)
            finally:
                if status >= 400:
                    self._metrics.error(status)
                _log.info(
                    "request",
                    method=scope["method"],
                    route=route_of(scope),
                    status=status,
                    latency_ms=round(1000 * (time.monotonic() - started), 1),
                    key=scope.get("key"),
                    **({"said": said.decode(errors="replace")} if self._log_messages else {}),
                )


def route_of(scope: Mapping[str, object]) -> str:
    """The template of the route that took a request, for logs."""
    return getattr(scope.get("route"), "path", "(none)")
