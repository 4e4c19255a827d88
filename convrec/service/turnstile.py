"""Turnstile: lets only so many turns be under way, so that memory lasts and those that are in get done."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from convrec.service.problems import Problem


class Turns:
    """The turns that are under way, and whether more are let in."""

    def __init__(self) -> None:
        self._under_way = 0
        self._none = asyncio.Event()
        self._none.set()
        self.draining = False

    @property
    def under_way(self) -> int:
        """How many there are."""
        return self._under_way

    def drain(self) -> None:
        """Let no more in."""
        self.draining = True

    async def done(self) -> None:
        """Wait until none is under way."""
        await self._none.wait()

    def enter(self) -> None:
        """One more."""
        self._under_way += 1
        self._none.clear()

    def leave(self) -> None:
        """One less."""
        self._under_way -= 1
        if not self._under_way:
            self._none.set()


class Turnstile:
    """ASGI middleware around the routes that make slates; a turn is over when its last byte is sent.

    Args:
        app: What it surrounds.
        turns: Where they are counted.
        routes: Paths that count.
        limit: Turns at once; the next is answered 503 with Retry-After.
    """

    def __init__(self, app: ASGIApp, turns: Turns, routes: frozenset[str], limit: int) -> None:
        self._app = app
        self._turns = turns
        self._routes = routes
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] not in self._routes or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._turns.draining:
            raise Problem(
                503,
                "the server is shutting down; ask another one, or again when it is back",
                code="draining",
                headers={"retry-after": "1", "connection": "close"},
            )
        if self._turns.under_way >= self._limit:
            raise Problem(
                503,
                f"{self._limit} turns are under way; ask again in a second, or raise CONVREC_MAX_TURNS",
                code="busy",
                headers={"retry-after": "1"},
            )
        self._turns.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._turns.leave()
