"""Cors: which web pages may call the API from a browser. None, unless an operator names their origins."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from convrec.service.problems import Problem

_EXPOSED = (
    "x-request-id",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)


class Cors(CORSMiddleware):
    """Starlette's, with refusals in our shape.

    Args:
        app: What it surrounds.
        origins: "https://shop.example", or "*" for every page.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("*",),
            expose_headers=_EXPOSED,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Whether a page may send what it means to send."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        return Problem(
            403,
            "this page's origin, or what it asks for, is not in CONVREC_CORS_ORIGINS; add it",
            code="cors_refused",
        ).response()
