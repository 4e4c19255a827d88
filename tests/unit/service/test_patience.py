"""Clients that neither go on nor leave, as a machine does that was switched off: they hold nothing for ever."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from fastapi.responses import StreamingResponse

from convrec.service.api import create_app
from convrec.service.http11 import Http11
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.server import exchange, serving

GET = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
PATIENCE_S = 0.5


class Served:
    """An app with a stream that has no end."""

    def __init__(self) -> None:
        self.slot = RecommenderSlot()
        self.app = create_app(self.slot, info=ServerInfo("fake-lm", "0", 0.0))
        self.pouring = 0
        self.app.get("/endless")(self.endless)

    async def endless(self) -> StreamingResponse:
        return StreamingResponse(self._pour())

    async def _pour(self) -> AsyncIterator[bytes]:
        self.pouring += 1
        try:
            while True:
                yield b"a" * 100_000
                await asyncio.sleep(0)
        finally:
            self.pouring -= 1

    def connect(self, *pieces: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), timeout=10)
        for piece in pieces:
            connection.sendall(piece)
        return connection


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    served = Served()
    with pytest.MonkeyPatch.context() as patch, serving(served.app) as served.url:
        patch.setattr(Http11, "patience_s", PATIENCE_S)
        yield served


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"GET"],
        [b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "],
        [POST + b"content-length: 100\r\n\r\n"],
        [POST + b"content-length: 100\r\n\r\n", b'{"model": '],
        [POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"],
        [GET + b"GET"],
        [GET + POST + b"content-length: 100\r\n\r\n"],
        [GET, b"GET"],
    ],
    ids=str,
)
def test_a_request_that_is_never_whole_holds_nothing(served: Served, pieces: list[bytes]) -> None:
    with served.connect(*pieces) as connection:
        began = time.monotonic()
        while connection.recv(65_536):
            pass
        assert time.monotonic() - began < 5
    _eventually(lambda: not served.slot.turns.under_way)


def test_a_request_in_drops_has_no_longer_than_any_other(served: Served) -> None:
    with served.connect(POST + b"content-length: 1000\r\n\r\n") as connection:
        connection.settimeout(0.05)
        began = time.monotonic()
        closed = False
        while not closed and time.monotonic() - began < 5:
            try:
                connection.sendall(b"a")
                closed = not connection.recv(65_536)
            except TimeoutError:
                continue
            except ConnectionError:
                closed = True
    assert closed


def test_a_client_that_does_not_read_is_let_go(served: Served) -> None:
    with served.connect(b"GET /endless HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"):
        _eventually(lambda: served.pouring == 1)
        _eventually(lambda: served.pouring == 0)


def test_slow_clients_are_answered_and_idle_ones_may_ask_again(served: Served) -> None:
    """Each of four requests takes most of the time that it has; together they take more."""
    with served.connect() as connection:
        for _ in range(4):
            connection.sendall(GET[:10])
            time.sleep(0.6 * PATIENCE_S)
            connection.sendall(GET[10:])
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_client_that_reads_slowly_reads_on(served: Served) -> None:
    with served.connect(b"GET /endless HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n") as connection:
        began = time.monotonic()
        while time.monotonic() - began < 3 * PATIENCE_S:
            assert connection.recv(1_000_000)
            time.sleep(0.01)
        assert served.pouring == 1
    _eventually(lambda: served.pouring == 0)


def test_who_waits_for_the_server_is_not_the_one_who_is_slow(served: Served) -> None:
    @served.app.get("/slow")
    async def slow() -> dict[str, bool]:
        await asyncio.sleep(2 * PATIENCE_S)
        return {"done": True}

    response, body = exchange(served.url, b"GET /slow HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert (response.status, json.loads(body)) == (200, {"done": True})


def _eventually(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
