"""Front: a web page under /ui on the port of the API. Owns who may see the page, which is a client.

The page asks nobody who they are, and speaks for everybody that its key speaks for. So it answers this machine
alone, unless its key opens no admin route and is made for some people only: then whoever reaches the server may be
any of them, such as `person-*`, the new people whose ids only their own browsers know.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convrec.service.access import is_local, is_loopback
from convrec.service.keys import ApiKey
from convrec.service.keys import Scope as KeyScope
from convrec.service.last_resort import LastResort
from convrec.service.problems import Problem

PATH = "/ui"
_AT_ROOT = ("/favicon.ico", "/manifest.json")
"""What a browser that shows the page asks the root for."""
_MAX_BODY = 8 << 20  # bytes: a history that a person brings along


Page = Callable[[str, str | None, str], AbstractAsyncContextManager[ASGIApp]]
"""Makes a page of the API's URL, the key to present to it, and the path to answer under."""


class Front:
    """ASGI app around the API.

    Args:
        api: What answers everything but the page.
        page: Makes the page.
        local: Whether this machine alone may see it.
    """

    def __init__(self, api: ASGIApp, page: Page, *, local: bool) -> None:
        self.local = local
        self._api = api
        self._make = page
        self._page: ASGIApp | None = None
        self._ending = False
        self._open: set[asyncio.Task[object]] = set()
        self._guarded = LastResort(self._answer, _MAX_BODY)

    @asynccontextmanager
    async def showing(self, url: str, key: str | None) -> AsyncIterator[None]:
        """Show the page while the context lasts; then what it still streams is ended.

        Args:
            url: Of the API.
            key: That the page presents to it.
        """
        self._ending = False
        async with self._make(url, key, PATH) as self._page:
            try:
                yield
            finally:
                self._page, self._ending = None, True
                for task in self._open:
                    task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if path in _AT_ROOT:
            path = f"{PATH}{path}"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        mine = scope["type"] == "http" and (path == PATH or path.startswith(f"{PATH}/"))
        await (self._guarded if mine else self._api)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.local and not _from_here(scope):
            raise Problem(
                403,
                "the page answers this machine alone, by the name localhost or 127.0.0.1: it has no log-in; give "
                "it a key of its own for others (CONVREC_API_KEY of: convrec keys create --users 'person-*')",
                code="not_local",
            )
        if self._page is None:
            message = "the page is not there yet, or not any more; try again in a moment"
            raise Problem(503, message, code="starting", headers={"retry-after": "1"})
        task, begun, midway = asyncio.current_task(), False, False
        assert task is not None

        async def noting(message: Message) -> None:
            nonlocal begun, midway
            begun, midway = True, message["type"] == "http.response.start" or message.get("more_body", False)
            await send(message)

        self._open.add(task)
        try:
            await self._page(scope, receive, noting)
        except (asyncio.CancelledError, Exception):  # a page makes other errors of being cancelled
            if not (self._ending and begun):
                raise
            if midway:
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._open.discard(task)


def is_for_others(key: ApiKey | None) -> bool:
    """Whether others than this machine may see a page that presents this key."""
    return key is not None and KeyScope.ADMIN not in key.scopes and not key.speaks_for_everybody


def _from_here(scope: Scope) -> bool:
    headers, client = Headers(scope=scope), scope.get("client")
    return (
        client is not None and is_loopback(client[0]) and is_local(headers.get("host", ""), headers.get("origin"))
    )
