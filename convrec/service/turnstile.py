"""Turnstile: lets only so many turns be under way, so that memory lasts and those that are in get done."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from convrec.service.problems import Problem


class Turnstile:
    """ASGI middleware around the routes that make slates; a turn is over when its last byte is sent.

    Args:
        app: What it surrounds.
        routes: Paths that count.
        limit: Turns at once; the next is answered 503 with Retry-After.
    """

    def __init__(self, app: ASGIApp, routes: frozenset[str], limit: int) -> None:
        self._app = app
        self._routes = routes
        self._limit = limit
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] not in self._routes or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._limit:
            raise Problem(
                503,
                f"{self._limit} turns are under way; ask again in a second, or raise CONVREC_MAX_TURNS",
                code="busy",
                headers={"retry-after": "1"},
            )
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
