"""An app on a port of this machine, as `convrec serve` listens, for tests of clients and of the wire."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse

import uvicorn
from starlette.types import ASGIApp

from convrec.service.http11 import http_config

_TIMEOUT_S = 10.0


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The app on a free port of the loopback, in a thread of its own; yields its URL."""
    server = uvicorn.Server(http_config(app))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def exchange(url: str, *pieces: bytes) -> tuple[HTTPResponse, bytes]:
    """Send bytes as they are to a server of `serving`, and read one answer with its body."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=_TIMEOUT_S) as connection:
        for piece in pieces:
            connection.sendall(piece)
        response = HTTPResponse(connection)
        response.begin()
        return response, response.read()
