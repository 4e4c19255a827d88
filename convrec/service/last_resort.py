"""LastResort: whatever goes wrong further in becomes an answer, and no body grows past its cap. Knows no route."""

from __future__ import annotations

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convrec.service.problems import Problem, problem_of, traceback_of
from convrec.service.transport import route_of

MAX_BODY = 1 << 20  # bytes
MAX_HEAD = 1 << 14  # bytes of path, query and headers: h11 stops reading there, but not within one packet

_log = structlog.get_logger(__name__)


class LastResort:
    """ASGI middleware around everything that may raise.

    Args:
        app: What it surrounds.
        max_body: Bytes of a body; a larger one is answered 413.
        log_messages: Log the words of unexpected errors, which may hold what people said.
    """

    def __init__(self, app: ASGIApp, max_body: int = MAX_BODY, log_messages: bool = False) -> None:
        self._app = app
        self._max_body = max_body
        self._log_messages = log_messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            _check_head(scope)
            length = Headers(scope=scope).get("content-length", "0")
            if length.isdecimal() and int(length) > self._max_body:
                raise self._too_large()
            await self._app(scope, self._capped(receive), noting)
        except Exception as error:
            problem = problem_of(error)
            if problem.status_code == 500:
                told = traceback_of(error, words=self._log_messages)
                _log.error("unexpected error", route=route_of(scope), traceback=told)
            if begun:  # only closing the connection can tell; uvicorn logs what it is closed with
                raise ConnectionAbortedError("the answer broke off; convrec's log says why") from None
            await problem.response()(scope, receive, noting)

    def _capped(self, receive: Receive) -> Receive:
        """The same body, refused where it grows past the cap: a chunked one does not say its length."""
        seen = 0

        async def capped() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body:
                raise self._too_large()
            return message

        return capped

    def _too_large(self) -> Problem:
        return Problem(
            413,
            f"the body is larger than {self._max_body} bytes; send less of the conversation, or in several parts",
            code="request_too_large",
            headers={"connection": "close"},
        )


def _check_head(scope: Scope) -> None:
    size = len(scope["path"]) + len(scope["query_string"]) + sum(len(n) + len(v) for n, v in scope["headers"])
    if size > MAX_HEAD:
        message = f"path, query and headers are larger than {MAX_HEAD} bytes; send less of them"
        raise Problem(431, message, code="headers_too_large", headers={"connection": "close"})
