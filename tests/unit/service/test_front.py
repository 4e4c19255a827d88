"""A page on the port of the API: what goes where, who sees it, and that it ends with the server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from convrec.database import open_database
from convrec.service.front import PATH, Front, is_for_others
from convrec.service.keys import EVERYBODY, KeyStore
from convrec.service.keys import Scope as KeyScope
from convrec.testing.server import serving


async def _api(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(f"api {scope['path']}")(scope, receive, send)


class _Page:
    """Says what it was given, echoes bodies, and streams without end."""

    def __init__(self) -> None:
        self.told: tuple[str, str | None, str] | None = None
        self.ended = False

    @asynccontextmanager
    async def __call__(self, url: str, key: str | None, path: str) -> AsyncIterator[ASGIApp]:
        self.told = (url, key, path)
        routes = [
            Route(f"{path}/", self._root),
            Route("/ui/favicon.ico", self._root),
            Route("/ui/echo", self._echo, methods=["POST"]),
            Route("/ui/stream", self._stream),
        ]
        yield Starlette(routes=routes)
        self.ended = True

    async def _root(self, request: Request) -> Response:
        return PlainTextResponse(f"page {request.url.path}")

    async def _echo(self, request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def _stream(self, _: Request) -> Response:
        async def forever() -> AsyncIterator[str]:
            while True:
                yield "x"
                await asyncio.sleep(0.01)

        return StreamingResponse(forever())


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyStore]:
    database = open_database(f"sqlite:///{tmp_path / 'keys.db'}")
    yield KeyStore(database)
    database.dispose()


@asynccontextmanager
async def _shown(
    *, local: bool = True, client: str = "127.0.0.1"
) -> AsyncIterator[tuple[_Page, httpx.AsyncClient]]:
    page = _Page()
    front = Front(_api, page, local=local)
    transport = httpx.ASGITransport(front, client=(client, 5))
    async with (
        front.showing("http://127.0.0.1:1", "secret"),
        httpx.AsyncClient(transport=transport, base_url="http://localhost:1") as http,
    ):
        yield page, http


async def test_the_page_has_its_path_and_the_api_the_rest() -> None:
    async with _shown() as (page, http):
        for path in ("/", "/v1/chat", "/uix", "/v1/ui/", "/ui.txt"):
            assert (await http.get(path)).text == f"api {path}"
        assert (await http.get("/ui/")).text == "page /ui/"
        assert (await http.get("/favicon.ico")).text == "page /ui/favicon.ico"
        assert (await http.get("/ui/nothing")).status_code == 404
        assert page.told == ("http://127.0.0.1:1", "secret", PATH)
        assert not page.ended
    assert page.ended


async def test_before_and_after_the_page_there_is_an_answer() -> None:
    front = Front(_api, _Page(), local=True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://localhost") as http:
        for _ in range(2):
            answer = await http.get("/ui/")
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "starting")
            assert answer.headers["retry-after"] == "1"
            async with front.showing("", None):
                assert (await http.get("/ui/")).status_code == 200


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("10.0.0.9", {}),
        ("127.0.0.1", {"host": "evil.example"}),
        ("127.0.0.1", {"origin": "https://evil.example"}),
        ("127.0.0.1", {"host": "localhost.evil.example"}),
    ],
)
async def test_strangers_see_no_page_that_speaks_for_everybody(client: str, headers: dict[str, str]) -> None:
    async with _shown(client=client) as (_, http):
        answer = await http.get("/ui/", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_local")
    async with _shown(client=client, local=False) as (_, http):
        assert (await http.get("/ui/", headers=headers)).text == "page /ui/"


def test_a_page_is_for_others_only_with_a_key_of_little_power(keys: KeyStore) -> None:
    chat = [KeyScope.CHAT, KeyScope.FEEDBACK]
    assert is_for_others(keys.create(chat, ["person-*"])[0])
    assert not is_for_others(keys.create(chat, [EVERYBODY])[0])
    assert not is_for_others(keys.create([*chat, KeyScope.ADMIN], [EVERYBODY])[0])
    assert not is_for_others(None)


async def test_bodies_have_a_cap() -> None:
    async with _shown() as (_, http):
        assert (await http.post("/ui/echo", content=b"x" * 5_000_000)).text == "5000000"
        assert (await http.post("/ui/echo", content=b"x" * 9_000_000)).status_code == 413


def test_what_the_page_still_streams_is_ended_with_it() -> None:
    """A server that shuts down waits for its streams; those of a page never end by themselves."""
    stack, page = AsyncExitStack(), _Page()
    front = Front(_api, page, local=True)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/open":
            await stack.enter_async_context(front.showing("", None))
        if scope["path"] == "/close":
            await stack.aclose()
        await front(scope, receive, send)

    with serving(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=10) as http:
        http.get("/open")
        with http.stream("GET", "/ui/stream") as streamed:
            pieces = streamed.iter_raw()
            assert next(pieces)
            httpx.get(f"{url}/close", trust_env=False)
            assert set(b"".join(pieces)) == {ord("x")}
        assert page.ended
