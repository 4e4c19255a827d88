from enum import Enum

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from convrec.errors import SettingsError
from convrec.service.access import PERSONAL, is_local, is_loopback, named, require_loopback, scope_of
from convrec.service.api import create_app
from convrec.service.keys import Scope
from convrec.service.slot import RecommenderSlot, ServerInfo

_APP = create_app(RecommenderSlot(), info=ServerInfo("fake-lm", "0", 0.0))
_DOCUMENTS = {"/openapi.json", "/docs", "/docs/oauth2-redirect"}


def test_every_route_has_exactly_one_scope() -> None:
    for route in _APP.routes:
        assert isinstance(route, Route)
        if route.path not in _DOCUMENTS:
            assert isinstance(route, APIRoute)
            assert len(set(route.tags) & set(Scope)) == 1, route.path


def test_what_answers_without_a_key_is_known() -> None:
    opened = {route.path for route in _APP.routes if scope_of(route) is Scope.OPEN and isinstance(route, Route)}
    assert opened == {"/health", "/ready", *_DOCUMENTS}


async def _nothing() -> None: ...


@pytest.mark.parametrize("tags", [[], ["items"], [Scope.CHAT, Scope.FEEDBACK], ["Open"]])
def test_a_route_without_one_scope_is_closed(tags: list[str | Enum]) -> None:
    assert scope_of(APIRoute("/v1/new", _nothing, tags=tags)) is Scope.ADMIN
    assert scope_of(None) is Scope.ADMIN


def test_personal_requests_are_routes() -> None:
    assert set(PERSONAL) <= {route.path for route in _APP.routes if isinstance(route, Route)}


@pytest.mark.parametrize(
    ("params", "query", "body", "users", "sessions"),
    [
        ({}, {}, None, set(), set()),
        ({"user_id": "a"}, {"user": ["b", "c"]}, {"user_id": "d"}, {"a", "b", "c", "d"}, set()),
        ({}, {}, {"user": "a", "safety_identifier": "b", "convrec": {"user_id": "c"}}, {"a", "b", "c"}, set()),
        ({}, {}, {"events": [{"user_id": "a"}, 7, {"user_id": "b", "session_id": "s"}]}, {"a", "b"}, {"s"}),
        ({}, {}, [{"user_id": "a"}, {"user_id": "b"}], {"a", "b"}, set()),
        ({"session_id": "s"}, {"session_id": ["t"]}, {"convrec": {"session_id": "u"}}, set(), {"s", "t", "u"}),
        ({}, {}, {"user": "", "user_id": None, "convrec": ["x"], "messages": [{"role": "user"}]}, set(), set()),
        ({}, {}, {"user": 5}, {"\0"}, set()),
        ({}, {}, {"convrec": {"user_id": ["a"]}}, {"\0"}, set()),
        ({}, {}, {"metadata": {"user_id": "a"}}, set(), set()),
    ],
)
def test_whom_a_request_names(params: dict, query: dict, body: object, users: set, sessions: set) -> None:
    found = named(params, query, body)
    assert (found.users, found.sessions) == (users, sessions)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    require_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "10.0.0.1", "example.org", "localhost.example.org", "127.0.0.1.example.org"]
)
def test_what_others_reach_asks_for_a_key_first(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingsError, match="convrec keys create"):
        require_loopback(host)


@pytest.mark.parametrize(
    ("host", "origin", "local"),
    [
        ("127.0.0.1:8000", None, True),
        ("localhost", "http://localhost:8000", True),
        ("[::1]:8000", "http://127.0.0.1:7860", True),
        ("evil.example:8000", None, False),
        ("127.0.0.1@evil.example", None, False),
        ("[::1", None, False),
        ("", None, False),
        ("127.0.0.1:8000", "http://evil.example", False),
        ("127.0.0.1:8000", "null", False),
        ("127.0.0.1:8000", "http://127.0.0.1.evil.example", False),
    ],
)
def test_requests_that_a_foreign_page_sends_are_told_from_ours(host: str, origin: str | None, local: bool) -> None:
    assert is_local(host, origin) == local
