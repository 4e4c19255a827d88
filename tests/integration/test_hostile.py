"""What a hostile client may try over the wire: names that climb, JSON that bursts, headers that lie, others' ids.

Everything is refused in OpenAI's shape, nothing of the server's inside or of others comes back, and it serves on.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import event

from convrec.database import open_database
from convrec.errors import ConvRecError
from convrec.prompting import load_domain
from convrec.service.api import create_app
from convrec.service.gate import Access
from convrec.service.keys import EVERYBODY, KeyStore, Scope
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.server import exchange, serving
from convrec.training.registry import Registry

PROMPTS = Path(__file__).parents[2] / "prompts"
CLIMBING = (
    "../../../../etc/passwd",
    "..\\..\\etc\\passwd",
    "/etc/passwd",
    "....//....//etc/passwd",
    "file:///etc/passwd",
    "movies/../../../etc/1",
    "%2e%2e%2fetc%2fpasswd",
    "..",
    ".",
    "a/./b//c",
    "NUL\u2025\u2044",
)
POSTS = ("/v1/chat/completions", "/v1/recommendations", "/v1/feedback", "/v1/responses")
SAID = [{"role": "user", "content": "a Syrah"}]


class Target:
    """A server with keys: bob's, ann's, and everybody's."""

    def __init__(self, url: str, keys: KeyStore, recommender: Recommender) -> None:
        self.url = url
        self.keys = keys
        self.recommender = recommender
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=30)
        self.secrets = {user: self.key(user) for user in ("ann", "bob", EVERYBODY)}

    def key(self, user: str, *scopes: Scope) -> str:
        return self.keys.create(scopes or (Scope.CHAT, Scope.FEEDBACK), [user])[1]

    def ask(self, method: str, path: str, user: str = EVERYBODY, **request: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.secrets[user]}"} | request.pop("headers", {})
        return self.http.request(method, path, headers=headers, **request)

    def raw(self, *headers: bytes, line: bytes = b"GET /v1/domain HTTP/1.1") -> tuple[int, dict[str, Any]]:
        head = b"\r\n".join((line, b"host: 127.0.0.1", b"connection: close", *headers))
        response, body = exchange(self.url, head + b"\r\n\r\n")
        assert response.headers["x-request-id"]
        return response.status, json.loads(body)

    @property
    def bearer(self) -> bytes:
        return f"Bearer {self.secrets[EVERYBODY]}".encode()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("hostile")
    database = open_database(f"sqlite:///{folder / 'keys.db'}")
    keys = KeyStore(database)
    with small_recommender(folder, PROMPTS, FakeEngine()) as small:
        access = Access(keys, small.ledger.session_owner)
        app = create_app(RecommenderSlot(small), info=ServerInfo("fake-lm", "0", 0.0), access=access)
        with serving(app) as url:
            target = Target(url, keys, small)
            yield target
            assert target.ask("GET", "/v1/domain").status_code == 200  # it serves on
            target.http.close()
    database.dispose()


def _quoted(name: str) -> str:
    """With its dots escaped too: clients resolve those that are not."""
    return quote(name, safe="").replace(".", "%2E")


def _refused(response: httpx.Response, *statuses: int) -> str:
    assert response.status_code in statuses, response.text[:300]
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert response.headers["x-request-id"]
    for inside in ("root:", "Traceback", 'File "', "site-packages", "sqlite"):
        assert inside not in response.text
    return str(error["code"])


# --- names that climb ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIMBING)
def test_names_of_items_and_models_do_not_climb(target: Target, name: str) -> None:
    for path in ("/v1/items/", "/v1/models/"):
        response = target.ask("GET", path + _quoted(name))
        assert _refused(response, 404) in ("not_found", "model_not_found")
    chat = target.ask("POST", POSTS[0], json={"model": name, "messages": SAID})
    assert _refused(chat, 404) == "model_not_found"
    item = target.ask("POST", POSTS[2], json={"user_id": "ann", "type": "like", "item_id": name})
    assert _refused(item, 404) == "not_found"


@pytest.mark.parametrize("name", CLIMBING)
def test_a_user_s_name_is_a_name_and_no_path(target: Target, name: str) -> None:
    profile = target.ask("GET", "/v1/users/" + _quoted(name))
    assert profile.json()["user_id"] == name
    assert profile.json()["known"] is False
    _refused(target.ask("GET", "/v1/users/" + _quoted(name), "ann"), 403)


@pytest.mark.parametrize(
    "path",
    [b"/../../etc/passwd", b"/v1/%2e%2e/%2e%2e/etc/passwd", b"//etc/passwd", b"/docs/../../etc/passwd", b"*"],
)
def test_paths_do_not_climb(target: Target, path: bytes) -> None:
    status, body = target.raw(b"authorization: " + target.bearer, line=b"GET " + path + b" HTTP/1.1")
    assert (status, body["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", CLIMBING)
def test_names_of_adapters_and_domains_do_not_climb(tmp_path: Path, name: str) -> None:
    (tmp_path / "etc" / "1").mkdir(parents=True)
    (tmp_path / "passwd.toml").write_text("noun = 'x'")
    registry = Registry(tmp_path / "a" / "b")
    with pytest.raises(ConvRecError):
        registry.get(f"{name}/1")
    with pytest.raises(ConvRecError):
        registry.promote(name)
    with pytest.raises(ConvRecError), registry.stage(name):
        pass
    with pytest.raises(ConvRecError):
        load_domain(PROMPTS, name)
    assert not (tmp_path / "a").exists()


# --- JSON that bursts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"user_id": "ann", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"user_id": ' + b"9" * 100_000 + b"}",
        b'{"user_id": "\xff\xfe"}',
        b'{"user_id": "\\ud800"}',
        b'{"user_id": 1e999}',
        b"\x00" * 1000,
        b"NaN",
        b'{"user_id": "ann", "user_id": ["bob"]}',
        b'{"__proto__": {"admin": true}, "user_id": {"$ne": null}}',
    ],
)
def test_json_that_bursts_is_refused(target: Target, path: str, content: bytes) -> None:
    for user in (EVERYBODY, "ann"):
        response = target.ask("POST", path, user, content=content, headers={"content-type": "application/json"})
        _refused(response, 400, 403)


@pytest.mark.parametrize("depth", [50, 500, 900])
def test_json_that_is_deep_where_nobody_looks_does_no_harm(target: Target, depth: int) -> None:
    chat = {"model": "convrec", "messages": SAID, "user": "deep"}
    deep = json.dumps(chat)[:-1] + ', "tools": ' + "[" * depth + "]" * depth + "}"
    response = target.ask("POST", POSTS[0], content=deep, headers={"content-type": "application/json"})
    assert response.status_code in (200, 400)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (POSTS[0], {"model": "convrec", "messages": [{"role": "user", "content": "a" * 20_001}]}),
        (POSTS[0], {"model": "convrec", "messages": SAID * 1001}),
        (POSTS[3], {"model": "convrec", "input": SAID * 1001}),
        (POSTS[0], {"model": "convrec", "messages": SAID, "convrec": {"k": 21}}),
        (POSTS[0], {"model": "convrec", "messages": SAID, "user": "u" * 257}),
        (POSTS[0], {"model": "convrec", "messages": SAID, "convrec": {"session_id": "a\nb"}}),
        (POSTS[1], {"user_id": "ann", "query": "a" * 20_001}),
        (POSTS[1], {"user_id": "ann", "exclude": ["w01"] * 10_001}),
        (POSTS[1], {"user_id": "ann", "k": 10**30}),
        (POSTS[2], {"user_id": "ann", "type": "comment", "text": "a" * 20_001}),
        (POSTS[2], {"user_id": "ann", "type": "like", "item_id": "w01", "admin": True}),
    ],
)
def test_what_is_too_much_is_refused(target: Target, path: str, body: dict[str, Any]) -> None:
    assert _refused(target.ask("POST", path, json=body), 400) in ("invalid_value", "invalid_body")


def test_a_body_past_the_cap_is_413(target: Target) -> None:
    body = json.dumps({"user_id": "ann", "query": "a" * (1 << 20)})
    for path in POSTS:
        response = target.ask("POST", path, content=body, headers={"content-type": "application/json"})
        assert _refused(response, 413) == "request_too_large"


# --- headers that lie ---------------------------------------------------------------------------------------


def test_two_keys_are_none(target: Target) -> None:
    for other in (target.bearer, b"Bearer convrec-guess", b""):
        status, body = target.raw(b"authorization: " + target.bearer, b"Authorization: " + other)
        assert (status, body["error"]["code"]) == (400, "invalid_header")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (b"authorization:",),
        (b"authorization: Bearer",),
        (b"authorization: Bearer ",),
        (b"authorization: Basic KEY",),
        (b"authorization: KEY",),
        (b"authorization: Bearer KEY, Bearer KEY",),
        (b"authorization: Bearer KEY KEY",),
        (b'authorization: Bearer "KEY"',),
        (b"authorization: Bearer KEYx",),
        (b"authorization: Bearer \xff\xfe",),
        (b"authorization: Bearer ' OR '1'='1",),
        (b"api-key: KEY",),
        (b"x-api-key: KEY",),
        (b"proxy-authorization: Bearer KEY",),
        (b"cookie: authorization=Bearer KEY",),
        (b"x-forwarded-for: 127.0.0.1",),
        (b"x-forwarded-host: localhost", b"forwarded: for=127.0.0.1;host=localhost"),
        (b"x-real-ip: 127.0.0.1", b"x-remote-user: admin", b"remote-user: admin"),
        (b"x-original-url: /health", b"x-rewrite-url: /health"),
        (b"x-http-method-override: OPTIONS", b"x-method-override: OPTIONS"),
    ],
)
def test_what_is_no_bearer_key_lets_nobody_in(target: Target, headers: tuple[bytes, ...]) -> None:
    key = target.secrets[EVERYBODY].encode()
    status, body = target.raw(*(header.replace(b"KEY", key) for header in headers))
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert key.decode() not in json.dumps(body)


def test_a_key_in_the_address_lets_nobody_in(target: Target) -> None:
    key = target.secrets[EVERYBODY].encode()
    for query in (b"api_key=", b"key=", b"access_token=", b"authorization=Bearer%20"):
        status, _ = target.raw(line=b"GET /v1/domain?" + query + key + b" HTTP/1.1")
        assert status == 401


def test_no_header_leads_around_a_scope(target: Target) -> None:
    status, body = target.raw(
        b"authorization: " + target.bearer,
        b"x-original-url: /v1/domain",
        b"x-http-method-override: GET",
        line=b"GET /metrics HTTP/1.1",
    )
    assert (status, body["error"]["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize("line", [b"GET /metrics/ HTTP/1.1", b"GET //metrics HTTP/1.1", b"GET /METRICS HTTP/1.1"])
def test_no_spelling_leads_around_a_scope(target: Target, line: bytes) -> None:
    status, _ = target.raw(b"authorization: " + target.bearer, line=line)
    assert status == 404


def test_an_escaped_spelling_is_the_same_route(target: Target) -> None:
    for line in (b"GET /%6detrics HTTP/1.1", b"GET /metrics? HTTP/1.1", b"GET /metrics?user_id=ann HTTP/1.1"):
        status, body = target.raw(b"authorization: " + target.bearer, line=line)
        assert (status, body["error"]["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "",
        "json",
    ],
)
def test_what_is_not_said_to_be_json_is_refused(target: Target, content_type: str) -> None:
    """A page may send these to any address without asking."""
    for path in POSTS:
        response = target.ask("POST", path, content=b'{"user_id": "ann"}', headers={"content-type": content_type})
        assert _refused(response, 400) == "invalid_body"


def test_a_request_id_that_would_split_a_log_line_is_replaced(target: Target) -> None:
    for given in ("a b", "a%0ab", "a\tb", '{"level":"error"}', "a" * 129):
        response = target.ask("GET", "/v1/domain", headers={"x-request-id": given})
        assert response.headers["x-request-id"] != given


# --- others' ids --------------------------------------------------------------------------------------------


def test_slates_sessions_and_events_of_others(target: Target) -> None:
    chat = {"model": "convrec", "messages": SAID, "convrec": {"session_id": "ses-of-bob"}}
    slate = target.ask("POST", POSTS[0], "bob", json=chat).json()["choices"][0]["message"]["convrec"]
    event_ = {"event_id": "event-of-bob", "type": "like", "item_id": "w03"}
    assert target.ask("POST", POSTS[2], "bob", json=event_).json()["stored"] is True
    before = target.recommender.ledger.position()
    theirs: tuple[dict[str, Any], ...] = (
        {"type": "like", "item_id": "w01", "impression_id": slate["impression_id"]},
        {"type": "like", "item_id": "w01", "session_id": "ses-of-bob"},
        {"type": "retraction", "retracts": "event-of-bob"},
        {"type": "retraction", "retracts": slate["impression_id"]},
    )
    for user in ("ann", EVERYBODY):  # a key that speaks for bob too does not make ann of him
        for body in theirs:
            refused = target.ask("POST", POSTS[2], user, json={**body, "user_id": "ann"})
            assert _refused(refused, 403) in ("not_yours", "user_not_allowed")
        for stream in (False, True):
            refused = target.ask("POST", POSTS[0], user, json={**chat, "user": "ann", "stream": stream})
            assert _refused(refused, 403) in ("not_yours", "user_not_allowed")
            respond = {"model": "convrec", "input": "a Syrah", "convrec": chat["convrec"], "user": "ann"}
            refused = target.ask("POST", POSTS[3], user, json={**respond, "stream": stream})
            assert _refused(refused, 403) in ("not_yours", "user_not_allowed")
        batch = {"events": [{**body, "user_id": "ann"} for body in theirs]}
        outcomes = target.ask("POST", "/v1/feedback/batch", user, json=batch)
        assert outcomes.status_code == 403 or '"stored":true' not in outcomes.text
    taken = target.ask("POST", POSTS[2], "ann", json=event_)
    assert _refused(taken, 409) == "event_conflict"
    assert target.recommender.ledger.position() == before
    assert target.ask("POST", POSTS[2], "bob", json=theirs[0]).status_code == 200


def test_whom_a_body_names_twice_is_whom_the_route_reads(target: Target) -> None:
    """The gate and the route read the same JSON: the last of two equal names."""
    for first, last, status in (("bob", "ann", 200), ("ann", "bob", 403)):
        content = f'{{"user_id": "{first}", "user_id": "{last}"}}'
        headers = {"content-type": "application/json"}
        response = target.ask("POST", POSTS[1], "ann", content=content, headers=headers)
        assert response.status_code == status
        if status == 200:
            assert response.json()["user_id"] == "ann"
    utf16 = '{"user_id": "bob"}'.encode("utf-16")
    response = target.ask("POST", POSTS[1], "ann", content=utf16, headers={"content-type": "application/json"})
    assert _refused(response, 403) == "user_not_allowed"


# --- keys ---------------------------------------------------------------------------------------------------


def test_a_key_that_is_revoked_ends_with_the_turn_under_way(target: Target) -> None:
    secret = target.key("ann")
    headers = {"authorization": f"Bearer {secret}"}
    chat = {"model": "convrec", "messages": SAID, "stream": True}
    with target.http.stream("POST", POSTS[0], json=chat, headers=headers) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("data: {")
        target.keys.revoke(secret[:16])
        assert [line for line in lines if line][-1] == "data: [DONE]"
    assert _refused(target.http.post(POSTS[0], json=chat, headers=headers), 401) == "invalid_api_key"


def test_a_key_itself_meets_no_comparison(tmp_path: Path) -> None:
    """The database sees a digest of what is presented, and nothing that a guess could be improved by."""
    database = open_database(f"sqlite:///{tmp_path / 'keys.db'}")
    keys = KeyStore(database)
    _, secret = keys.create([Scope.CHAT], ["ann"])
    seen: list[str] = []

    @event.listens_for(database, "before_cursor_execute")
    def _(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append(f"{statement} {parameters}")

    guess = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    assert keys.find(secret) is not None
    assert keys.find(guess) is None
    assert len(seen) == 2
    for asked, given in zip(seen, (secret, guess), strict=True):
        assert given[16:] not in asked
    assert sum(a == b for a, b in zip(*(asked[-66:] for asked in seen), strict=True)) < 40
    database.dispose()
