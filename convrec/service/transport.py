"""What surrounds every request: its id, the cap on its body, its log line, its last resort. Knows no route."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convrec.service.metrics import Metrics
from convrec.service.problems import Problem, problem_of, traceback_of

MAX_BODY = 1 << 20  # bytes

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger(__name__)


class Transport:
    """ASGI middleware around the whole app. Logs routes, never paths or bodies: both hold what people said.

    Args:
        app: What it surrounds.
        metrics: Where answers that are errors are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, headers = time.monotonic(), Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                _check_length(headers)
                await self._app(scope, _capped(receive), send_with_id)
            except Exception as error:
                problem = problem_of(error)
                if problem.status_code == 500:
                    _log.error("unexpected error", route=_route(scope), traceback=traceback_of(error))
                if status:
                    raise  # the answer has begun; only closing the connection can tell
                await problem.response()(scope, receive, send_with_id)
            finally:
                if status >= 400:
                    self._metrics.error(status)
                latency_ms = round(1000 * (time.monotonic() - started), 1)
                _log.info(
                    "request", method=scope["method"], route=_route(scope), status=status, latency_ms=latency_ms
                )


def _route(scope: Mapping[str, object]) -> str:
    return getattr(scope.get("route"), "path", "(none)")


def _check_length(headers: Headers) -> None:
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_BODY:
        raise _too_large()


def _capped(receive: Receive) -> Receive:
    """The same body, refused where it grows past the cap: a chunked one does not say its length."""
    seen = 0

    async def capped() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise _too_large()
        return message

    return capped


def _too_large() -> Problem:
    return Problem(
        413,
        f"the body is larger than {MAX_BODY} bytes; send less of the conversation",
        code="request_too_large",
        headers={"connection": "close"},
    )
