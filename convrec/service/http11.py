"""How the API listens: HTTP/1.1 as uvicorn speaks it with h11, set so that what is no HTTP gets our answer too.

h11 and not httptools, which takes headers of any length. No header says who a client is: proxies are not believed.
"""

from __future__ import annotations

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
    """Uvicorn's protocol, whose own refusals have OpenAI's shape and an x-request-id."""

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
