"""What is no HTTP gets an answer in our shape, and no header makes a client somebody else."""

import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request

from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.server import exchange, serving

GET = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n"
POST = b"POST /v1/feedback HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = create_app(RecommenderSlot(), info=ServerInfo("fake-lm", "0", 0.0))

    @app.get("/client")
    async def client(request: Request) -> dict[str, str | None]:
        return {"host": request.client and request.client.host, "scheme": request.url.scheme}

    return app


@pytest.fixture(scope="module")
def url(app: FastAPI) -> Iterator[str]:
    with serving(app) as url:
        yield url


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"hello\r\n\r\n"], 400),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n"], 400),
        ([b"GET /he alth HTTP/1.1\r\nhost: x\r\n\r\n"], 400),
        ([b"GET /h\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n"], 400),
        ([b"GET /health HTTP/1.1\r\n\r\n"], 400),
        ([b"GET /health HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"], 400),
        ([GET + b"authorization: Bearer a\nx-evil: b\x00\r\n\r\n"], 400),
        ([GET + b"no colon\r\n\r\n"], 400),
        ([GET + b"na me: value\r\n\r\n"], 400),
        ([GET + b"x-endless: " + b"a" * 20_000], 431),
        ([b"GET /" + b"a" * 20_000], 431),
        ([POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello"], 400),
        ([POST + b"content-length: -5\r\n\r\n"], 400),
        ([POST + b"content-length: 1e3\r\n\r\n"], 400),
        ([POST + b"transfer-encoding: gzip, chunked\r\n\r\n"], 501),
        ([POST + b"transfer-encoding: chunked\r\n\r\n", b"zz\r\n{}\r\n0\r\n\r\n"], 400),
        ([POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}}}\r\n0\r\n\r\n"], 400),
    ],
)
def test_what_is_no_http_is_told_so_in_our_shape(url: str, pieces: list[bytes], status: int) -> None:
    response, body = exchange(url, *pieces)
    error = json.loads(body)["error"]
    assert response.status == status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == "invalid_http"
    assert response.headers["x-request-id"]
    assert response.headers["content-type"] == "application/json"
    assert exchange(url, GET + b"connection: close\r\n\r\n")[0].status == 200


@pytest.mark.parametrize(
    "head",
    [
        GET + b"x-long: " + b"a" * 20_000,
        GET + b"x-many: a\r\n" * 3_000 + b"x-last: a",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: x",
        b"GET /health?" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: x",
    ],
)
def test_a_head_that_is_too_large(url: str, head: bytes) -> None:
    response, body = exchange(url, head + b"\r\n\r\n")
    assert response.status == 431
    assert json.loads(body)["error"]["code"] in ("headers_too_large", "invalid_http")
    assert response.headers["x-request-id"]


def test_no_header_says_who_a_client_is(url: str) -> None:
    _, body = exchange(
        url,
        b"GET /client HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 9.9.9.9\r\nx-forwarded-proto: https\r\n"
        b"forwarded: for=9.9.9.9;proto=https\r\nx-real-ip: 9.9.9.9\r\nconnection: close\r\n\r\n",
    )
    assert json.loads(body) == {"host": "127.0.0.1", "scheme": "http"}


def test_the_server_does_not_say_what_it_runs_on(url: str) -> None:
    response, _ = exchange(url, GET + b"connection: close\r\n\r\n")
    assert response.headers["server"] is None


@pytest.mark.parametrize("framing", [b"content-length: 2000000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n"])
def test_a_body_past_the_cap_is_refused_before_it_is_read(url: str, framing: bytes) -> None:
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    sent = [chunk] * 17 if b"chunked" in framing else []
    response, body = exchange(url, POST + framing, *sent)
    assert (response.status, json.loads(body)["error"]["code"]) == (413, "request_too_large")
    assert response.headers["x-request-id"]


def test_a_request_id_that_is_sane_comes_back_and_another_does_not(url: str) -> None:
    for given, kept in ((b"abc-1.2_3", True), (b"a" * 129, False), (b"a b", False), (b"<script>", False)):
        response, _ = exchange(url, GET + b"x-request-id: " + given + b"\r\nconnection: close\r\n\r\n")
        assert (response.headers["x-request-id"].encode() == given) == kept
