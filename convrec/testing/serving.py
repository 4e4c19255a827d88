"""An app on a real port, as `convrec serve` listens, for tests of what goes over the wire."""

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
def serving(app: ASGIApp) -> Iterator[int]:
    """The app on a free port of 127.0.0.1; yields the port."""
    server = uvicorn.Server(http_config(app))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def exchange(port: int, *pieces: bytes) -> tuple[HTTPResponse, bytes]:
    """Send bytes as they are and read one answer with its body."""
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        for piece in pieces:
            connection.sendall(piece)
        response = HTTPResponse(connection)
        response.begin()
        return response, response.read()
