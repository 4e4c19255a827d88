"""Answers that arrive piece by piece: server-sent events, and work that stops when nobody listens any more.

Owns the wire format and cancellation; knows nothing of what is sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from convrec.service.problems import CLIENT_GONE, Problem

DONE = b"data: [DONE]\n\n"

_T = TypeVar("_T")


def server_sent(data: Mapping[str, Any], name: str | None = None) -> bytes:
    """One event. Those of chat completions have no name: their clients know no other.

    ASCII, because some clients also split lines at U+2028 and its like.
    """
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode("ascii")


class EventStream(StreamingResponse):
    """A stream of server-sent events that closes what it is made of, also when the client leaves half-way.

    Args:
        events: The encoded events.
        source: What they are made from; closed after them, even if the first was never asked for.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], source: AsyncGenerator[Any, None]) -> None:
        # x-accel-buffering: nginx would hold the slate back until its buffer is full.
        super().__init__(events, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._events = events
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; starlette cancels this when the client leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
            await self._source.aclose()


async def while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """The result of work, which is cancelled when the client leaves first.

    Args:
        request: Its body must have been read.

    Raises:
        Problem: 499, the client left.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Problem(CLIENT_GONE, "the client closed the connection", code="client_gone")
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
