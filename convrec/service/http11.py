"""How the API listens: HTTP/1.1 as uvicorn speaks it with h11, set so that what is no HTTP gets our answer too.

h11 and not httptools, which takes headers of any length. No header says who a client is: proxies are not believed.
Uvicorn waits without end for the rest of a request, and for a client to read; a machine that was switched off does
neither, and its connection would hold a turn for ever.
"""

from __future__ import annotations

import asyncio
import sys
from uuid import uuid4

import h11
import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from convrec.service.problems import Problem

_log = structlog.get_logger(__name__)


class Http11(H11Protocol):
    """Uvicorn's protocol, whose refusals have OpenAI's shape and an x-request-id, and whose patience ends.

    Attributes:
        patience_s: Seconds that a client may take to send a whole request, and to read what has piled up for it.
    """

    patience_s = 30.0
    _sends: asyncio.TimerHandle | None = None
    _reads: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._await_request()

    def handle_events(self) -> None:
        """Go on with what has come in."""
        super().handle_events()
        self._await_request()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._reads = self.loop.call_later(self.patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        _cancel(self._reads)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        _cancel(self._sends)
        _cancel(self._reads)
        super().connection_lost(exc)

    def _await_request(self) -> None:
        """Start waiting where a request is not whole; one that comes in drops has no longer than any other."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            _cancel(self._sends)
            self._sends = None
        elif self._sends is None:
            self._sends = self.loop.call_later(self.patience_s, self.transport.close)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer bytes that are no HTTP, and close."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        request_id = uuid4().hex
        _log.info("request", route="(no HTTP)", status=status, request_id=request_id)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = Problem(
                status,
                "this is not HTTP/1.1 as it may be sent: a header or the body's framing is malformed, or the "
                "headers are larger than 16 KiB; mend the client",
                code="invalid_http",
            ).response()
            headers = [*answer.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def http_config(app: ASGIApp) -> uvicorn.Config:
    """Uvicorn's settings for the API."""
    return uvicorn.Config(
        app,
        http=Http11,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=30,
    )
