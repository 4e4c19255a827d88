"""Who gets in, for whom, and how often: the gate before every route, on a whole app."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from starlette.routing import Route

from convrec.database import open_database
from convrec.service.access import scope_of
from convrec.service.api import create_app
from convrec.service.gate import Access
from convrec.service.keys import EVERYBODY, KeyStore, Scope
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

PROMPTS = Path(__file__).parents[3] / "prompts"
_LIKE = {"type": "like", "item_id": "w01"}
SAID = [{"role": "user", "content": "a Syrah"}]


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    with small_recommender(tmp_path_factory.mktemp("gate"), PROMPTS, FakeEngine()) as small:
        yield small


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyStore]:
    database = open_database(f"sqlite:///{tmp_path / 'keys.db'}")
    yield KeyStore(database)
    database.dispose()


@pytest.fixture
async def client(recommender: Recommender, keys: KeyStore) -> AsyncIterator[httpx.AsyncClient]:
    async with _serving(recommender, keys) as http:
        yield http


@asynccontextmanager
async def _serving(recommender: Recommender, keys: KeyStore, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    access = Access(keys, recommender.ledger.session_owner, **settings)
    app = create_app(RecommenderSlot(recommender), info=ServerInfo("fake-lm", "0", 0.0), access=access)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
        yield http


def _bearer(
    keys: KeyStore, users: str = EVERYBODY, scopes: str = "chat,feedback", **options: Any
) -> dict[str, str]:
    _, secret = keys.create([Scope(word) for word in scopes.split(",")], users.split(","), **options)
    return {"authorization": f"Bearer {secret}"}


def _refused(response: httpx.Response, status: int, code: str) -> str:
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"]
    return str(error["message"])


async def _ask(client: httpx.AsyncClient, headers: dict[str, str], **body: Any) -> httpx.Response:
    chat = {"model": "convrec", "messages": SAID, **body}
    return await client.post("/v1/chat/completions", json=chat, headers=headers)


async def test_without_keys_this_machine_may_do_everything(client: httpx.AsyncClient) -> None:
    assert (await _ask(client, {})).status_code == 200
    assert (await client.get("/metrics")).status_code == 200
    assert (await client.get("/v1/users", headers={"origin": "http://localhost:7860"})).status_code == 200
    any_key = {"authorization": "Bearer none"}  # what OpenAI's clients send for lack of one
    assert (await _ask(client, any_key)).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"host": "rebound.example"}, {"origin": "http://evil.example"}, {"origin": "null"}]
)
async def test_without_keys_pages_from_elsewhere_may_do_nothing(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    said = _refused(await client.get("/v1/users", headers=headers), 403, "not_local")
    assert "convrec keys create" in said
    assert (await client.get("/health", headers=headers)).status_code == 200


async def test_from_the_first_key_on_every_request_needs_one_at_once(
    client: httpx.AsyncClient, keys: KeyStore
) -> None:
    assert (await client.get("/v1/domain")).status_code == 200
    headers = _bearer(keys)
    refused = await client.get("/v1/domain")
    assert "Authorization: Bearer" in _refused(refused, 401, "invalid_api_key")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (await client.get("/v1/domain", headers=headers)).status_code == 200
    assert (await client.get("/v1/domain", headers={**headers, "host": "shop.example"})).status_code == 200


async def test_a_revoked_key_is_refused_at_once_and_the_last_one_opens_nothing(
    client: httpx.AsyncClient, keys: KeyStore
) -> None:
    headers = _bearer(keys)
    assert (await client.get("/v1/domain", headers=headers)).status_code == 200
    keys.revoke(keys.every()[0].prefix)
    assert "revoked" in _refused(await client.get("/v1/domain", headers=headers), 401, "invalid_api_key")
    _refused(await client.get("/v1/domain"), 401, "invalid_api_key")


async def test_every_route_opens_to_its_scope_and_to_no_other(client: httpx.AsyncClient, keys: KeyStore) -> None:
    bearers = {scope: _bearer(keys, scopes=scope) for scope in (Scope.CHAT, Scope.FEEDBACK, Scope.ADMIN)}
    routes = [route for route in client._transport.app.routes if isinstance(route, Route)]  # type: ignore[attr-defined]
    for route in routes:
        (method,), needed = set(route.methods or ()) - {"HEAD"}, scope_of(route)
        path = route.path.replace("{", "").replace(":path}", "").replace("}", "")
        for scope, headers in bearers.items():
            response = await client.request(method, path, headers=headers)
            if needed in (scope, Scope.OPEN):
                assert response.status_code not in (401, 403), (method, path, scope)
            else:
                assert needed in _refused(response, 403, "insufficient_scope")
        response = await client.request(method, path)
        assert (response.status_code == 401) == (needed is not Scope.OPEN), (method, path)


async def test_unknown_routes_tell_nothing_without_a_key(client: httpx.AsyncClient, keys: KeyStore) -> None:
    headers = _bearer(keys)
    _refused(await client.get("/v1/nothing"), 401, "invalid_api_key")
    _refused(await client.get("/v1/nothing", headers=headers), 404, "not_found")
    _refused(await client.delete("/v1/domain"), 401, "invalid_api_key")
    _refused(await client.delete("/v1/domain", headers=headers), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "body",
    [
        {"user": "bob"},
        {"safety_identifier": "bob"},
        {"convrec": {"user_id": "bob"}},
        {"user": "bob", "convrec": {"user_id": "ann"}},
        {"user": "ann", "convrec": {"user_id": "bob"}},
        {"user": "ann", "safety_identifier": "bob"},
    ],
)
async def test_a_chat_for_somebody_else(client: httpx.AsyncClient, keys: KeyStore, body: dict[str, Any]) -> None:
    for stream in (False, True):
        refused = await _ask(client, _bearer(keys, "ann"), **body, stream=stream)
        assert "ann" in _refused(refused, 403, "user_not_allowed")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/recommendations", {"user_id": "bob"}),
        ("POST", "/v1/recommendations?user_id=bob", {"user_id": "ann"}),
        ("POST", "/v1/feedback", {"user_id": "bob", "type": "like", "item_id": "w01"}),
        ("GET", "/v1/users/bob", None),
        ("GET", "/v1/users/ann%2F..%2Fbob", None),
        ("GET", "/v1/users/bob?user_id=ann", None),
        ("GET", "/v1/users/ann?user_id=bob", None),
        ("POST", "/v1/users/bob/history", {"rows": [{"item_id": "w01", "type": "like"}]}),
        ("POST", "/v1/feedback/batch", {"events": [_LIKE | {"user_id": "ann"}, _LIKE | {"user_id": "bob"}]}),
        ("GET", "/v1/sessions?user_id=bob", None),
        ("GET", "/v1/sessions/ses-b?user_id=bob", None),
        ("DELETE", "/v1/sessions/ses-b?user_id=ann&user_id=bob", None),
    ],
)
async def test_anything_for_somebody_else(
    client: httpx.AsyncClient, keys: KeyStore, recommender: Recommender, method: str, path: str, body: Any
) -> None:
    before = recommender.ledger.position()
    refused = await client.request(method, path, json=body, headers=_bearer(keys, "ann,eve"))
    _refused(refused, 403, "user_not_allowed")
    assert recommender.ledger.position() == before


async def test_a_key_serves_those_whom_it_speaks_for(client: httpx.AsyncClient, keys: KeyStore) -> None:
    headers = _bearer(keys, "ann,bob")
    for user_id in ("ann", "bob"):
        assert (await _ask(client, headers, user=user_id)).status_code == 200
        assert (await client.get(f"/v1/users/{user_id}", headers=headers)).status_code == 200
        event = {"user_id": user_id, "type": "like", "item_id": "w01"}
        assert (await client.post("/v1/feedback", json=event, headers=headers)).status_code == 200


async def test_one_person_s_key_speaks_for_them_where_nobody_is_named(
    client: httpx.AsyncClient, keys: KeyStore
) -> None:
    headers = _bearer(keys, "ann")
    slate = (await _ask(client, headers)).json()["choices"][0]["message"]["convrec"]
    assert slate["user_id"] == "ann"
    named = await client.post("/v1/recommendations", json={"k": 2}, headers=headers)
    assert (named.json()["user_id"], len(named.json()["recommendations"])) == ("ann", 2)
    event = {"event_id": "gate-1", "type": "like", "item_id": "w02"}
    assert (await client.post("/v1/feedback", json=event, headers=headers)).json()["stored"] is True
    streamed = await _ask(client, headers, stream=True)
    assert '"user_id":"ann"' in streamed.text
    assert streamed.text.endswith("data: [DONE]\n\n")


async def test_responses_are_one_person_s_too(client: httpx.AsyncClient, keys: KeyStore) -> None:
    body = {"model": "convrec", "input": "a Syrah"}
    answered = await client.post("/v1/responses", json=body, headers=_bearer(keys, "ann"))
    assert '"user_id":"ann"' in answered.text
    for named in ({"user": "bob"}, {"safety_identifier": "bob"}, {"convrec": {"user_id": "bob"}}):
        refused = await client.post("/v1/responses", json=body | named, headers=_bearer(keys, "ann"))
        _refused(refused, 403, "user_not_allowed")


async def test_the_key_of_several_must_say_for_whom_and_everybody_s_need_not(
    client: httpx.AsyncClient, keys: KeyStore
) -> None:
    assert "`user`" in _refused(await _ask(client, _bearer(keys, "ann,bob")), 403, "user_not_allowed")
    anonymous = (await _ask(client, _bearer(keys))).json()["choices"][0]["message"]["convrec"]
    assert anonymous["user_id"].startswith("anon-")


async def test_a_session_of_somebody_else(client: httpx.AsyncClient, keys: KeyStore) -> None:
    bob = _bearer(keys, "bob")
    assert (await _ask(client, bob, convrec={"session_id": "ses-bob"})).status_code == 200
    session = {"user_id": "ann", "session_id": "ses-bob"}
    _refused(await _ask(client, _bearer(keys, "ann"), convrec=session), 403, "user_not_allowed")
    _refused(await _ask(client, _bearer(keys), convrec=session), 403, "not_yours")
    for method, path in (
        ("GET", "/v1/sessions/ses-bob"),
        ("PATCH", "/v1/sessions/ses-bob"),
        ("DELETE", "/v1/sessions/ses-bob"),
        ("POST", "/v1/sessions/ses-bob/constraints/drop"),
    ):
        foreign = await client.request(method, f"{path}?user_id=ann", headers=_bearer(keys, "ann"))
        _refused(foreign, 403, "user_not_allowed")
    assert (await client.get("/v1/sessions/ses-bob?user_id=bob", headers=bob)).status_code == 200
    event = {"type": "like", "item_id": "w01", "session_id": "ses-bob"}
    refused = await client.post("/v1/feedback", json={**event, "user_id": "ann"}, headers=_bearer(keys, "ann"))
    _refused(refused, 403, "user_not_allowed")
    assert (await client.post("/v1/feedback", json=event, headers=bob)).status_code == 200


async def test_bodies_that_cannot_be_read_are_the_route_s_to_refuse(
    client: httpx.AsyncClient, keys: KeyStore
) -> None:
    headers = {**_bearer(keys, "ann"), "content-type": "application/json"}
    for content in (b"", b"{", b"[" * 100_000, b"\xff\xfe{", b'{"user_id": ' + b"9" * 5000 + b"}", b"[]", b"null"):
        response = await client.post("/v1/recommendations", content=content, headers=headers)
        assert response.status_code == 400, content[:20]
    response = await client.post(
        "/v1/recommendations", content=b'{"user_id": "ann"}', headers=_bearer(keys, "ann")
    )
    assert response.status_code == 400  # no content-type


async def test_limits_are_told_and_kept_per_key(recommender: Recommender, keys: KeyStore) -> None:
    async with _serving(recommender, keys, key_rate=3) as client:
        headers, other, generous = _bearer(keys), _bearer(keys), _bearer(keys, rate=50)
        first = await client.get("/v1/domain", headers=headers)
        assert first.headers["x-ratelimit-limit-requests"] == "3"
        assert first.headers["x-ratelimit-remaining-requests"] == "2"
        assert first.headers["x-ratelimit-reset-requests"].endswith("s")
        for _ in range(2):
            assert (await client.get("/v1/domain", headers=headers)).status_code == 200
        refused = await client.get("/v1/domain", headers=headers)
        assert "3 requests per minute" in _refused(refused, 429, "rate_limit_exceeded")
        assert refused.json()["error"]["type"] == "requests"
        assert 0 < int(refused.headers["retry-after"]) <= 20
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert (await client.get("/v1/domain", headers=other)).status_code == 200
        assert (await client.get("/v1/domain", headers=generous)).headers["x-ratelimit-limit-requests"] == "50"
        assert "x-ratelimit-limit-requests" not in (await client.get("/health", headers=headers)).headers


async def test_limits_per_person_hold_across_keys_and_the_nearest_is_told(
    recommender: Recommender, keys: KeyStore
) -> None:
    async with _serving(recommender, keys, key_rate=100, user_rate=2) as client:
        one, two = _bearer(keys), _bearer(keys, "ann")
        first = await client.get("/v1/users/ann", headers=one)
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert (await _ask(client, two, stream=True)).headers["x-ratelimit-remaining-requests"] == "0"
        for headers in (one, two):
            _refused(await client.get("/v1/users/ann", headers=headers), 429, "rate_limit_exceeded")
        assert (await client.get("/v1/users/bob", headers=one)).status_code == 200
        assert (await client.get("/v1/domain", headers=two)).headers["x-ratelimit-limit-requests"] == "100"


async def test_openai_s_client_reads_every_refusal(recommender: Recommender, keys: KeyStore) -> None:
    _, secret = keys.create([Scope.CHAT], ["ann"], rate=2)
    async with _serving(recommender, keys) as client:

        def sdk(key: str) -> openai.AsyncOpenAI:
            url = f"{client.base_url}/v1"
            return openai.AsyncOpenAI(base_url=url, api_key=key, http_client=client, max_retries=0)

        with pytest.raises(openai.AuthenticationError, match="not known") as unknown:
            await sdk("convrec-guess").models.list()
        with pytest.raises(openai.PermissionDeniedError) as foreign:
            await sdk(secret).chat.completions.create(model="convrec", messages=SAID, user="bob")  # type: ignore[arg-type]
        assert (await sdk(secret).models.list()).data
        with pytest.raises(openai.RateLimitError) as often:
            await sdk(secret).models.list()
        raised = (unknown.value, foreign.value, often.value)
        assert [error.code for error in raised] == ["invalid_api_key", "user_not_allowed", "rate_limit_exceeded"]
        assert all(error.request_id for error in raised)
        assert int(often.value.response.headers["retry-after"]) <= 30


async def test_pages_of_origins_that_are_named_may_call_and_read_refusals(
    recommender: Recommender, keys: KeyStore
) -> None:
    headers = _bearer(keys)
    page, asks = {"origin": "https://shop.example"}, {"access-control-request-method": "POST"}
    async with _serving(recommender, keys, origins=("https://shop.example",)) as client:
        preflight = await client.options("/v1/feedback", headers={**page, **asks})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
        assert preflight.headers["x-request-id"]
        answered = await client.get("/v1/domain", headers={**page, **headers})
        assert "x-request-id" in answered.headers["access-control-expose-headers"]
        refused = await client.get("/v1/domain", headers=page)
        _refused(refused, 401, "invalid_api_key")
        assert refused.headers["access-control-allow-origin"] == "https://shop.example"
        evil = await client.options("/v1/feedback", headers={"origin": "https://evil.example", **asks})
        assert "CONVREC_CORS_ORIGINS" in _refused(evil, 403, "cors_refused")
    async with _serving(recommender, keys) as client:
        answered = await client.get("/v1/domain", headers={**page, **headers})
        assert not any(name.startswith("access-control") for name in answered.headers)
        _refused(
            await client.options("/v1/feedback", headers={**page, **asks, **headers}), 405, "method_not_allowed"
        )


async def test_a_page_of_a_named_origin_needs_no_key_where_there_is_none(
    recommender: Recommender, keys: KeyStore
) -> None:
    async with _serving(recommender, keys, origins=("https://shop.example",)) as client:
        assert (await client.get("/v1/domain", headers={"origin": "https://shop.example"})).status_code == 200
    async with _serving(recommender, keys, origins=("*",)) as client:
        _refused(await client.get("/v1/domain", headers={"origin": "https://shop.example"}), 403, "not_local")


async def test_a_database_of_keys_that_fails_lets_nobody_in(recommender: Recommender, tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'gone.db'}")
    keys = KeyStore(database)
    with database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE api_keys")
    async with _serving(recommender, keys) as client:
        _refused(await client.get("/v1/domain"), 503, "ledger_unavailable")
    database.dispose()
