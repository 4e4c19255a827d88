"""However a request names people, a key acts for those that it speaks for and for nobody else."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convrec.database import open_database
from convrec.service.api import create_app
from convrec.service.gate import Access
from convrec.service.keys import KeyStore, Scope
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

PROMPTS = Path(__file__).parents[2] / "prompts"

Post = Callable[[list[str], str, str], httpx.Response]


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    with small_recommender(tmp_path_factory.mktemp("gate"), PROMPTS, FakeEngine()) as small:
        yield small


@pytest.fixture(scope="module")
def post(recommender: Recommender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """Sends a body with a key for these users."""
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('keys') / 'keys.db'}")
    keys, secrets = KeyStore(database), dict[str, str]()
    access = Access(keys, recommender.ledger.session_owner)
    app = create_app(RecommenderSlot(recommender), info=ServerInfo("fake-lm", "0", 0.0), access=access)
    with asyncio.Runner() as runner:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

        def send(users: list[str], path: str, content: str) -> httpx.Response:
            name = ",".join(users)
            if name not in secrets:
                secrets[name] = keys.create([Scope.CHAT, Scope.FEEDBACK], users)[1]
            headers = {"authorization": f"Bearer {secrets[name]}", "content-type": "application/json"}
            return runner.run(http.post(path, content=content, headers=headers))

        yield send
        runner.run(http.aclose())
    database.dispose()


_name = st.sampled_from(["ann", "ann", "eve", "bob", "drinker1", "", " ann", "ANN", None, 5, True, ["bob"], {}])
_session = st.sampled_from(["s-ann", "s-bob", "s-new", None])
_FIELDS = ("user_id", "user", "safety_identifier")
_names = st.dictionaries(st.sampled_from(_FIELDS), _name, max_size=3)


def _merged(*parts: dict[str, Any]) -> str:
    """One JSON object of all their entries, equal names said twice."""
    entries = [f"{json.dumps(name)}: {json.dumps(value)}" for part in parts for name, value in part.items()]
    return "{" + ", ".join(entries) + "}"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    users=st.sampled_from([["ann"], ["ann", "eve"]]),
    path=st.sampled_from(["/v1/chat/completions", "/v1/recommendations", "/v1/feedback", "/v1/responses"]),
    first=_names,
    second=_names,
    inner=_names | st.none(),
    session=_session,
    query=st.dictionaries(st.sampled_from(_FIELDS), st.sampled_from(["ann", "bob"]), max_size=1),
)
def test_a_key_acts_for_nobody_but_its_own(
    post: Post,
    recommender: Recommender,
    users: list[str],
    path: str,
    first: dict[str, Any],
    second: dict[str, Any],
    inner: dict[str, Any] | None,
    session: str | None,
    query: dict[str, str],
) -> None:
    sound: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"model": "convrec", "messages": [{"role": "user", "content": "a Syrah"}]},
        "/v1/responses": {"model": "convrec", "input": "a Syrah"},
        "/v1/recommendations": {},
        "/v1/feedback": {"type": "like", "item_id": "w01"},
    }
    talks = "model" in sound[path]
    known = {"user", "safety_identifier"} if talks else {"user_id"}
    first, second = ({name: value for name, value in part.items() if name in known} for part in (first, second))
    extra = {}
    if talks and inner is not None:
        extra = {"convrec": {k: v for k, v in inner.items() if k == "user_id"} | {"session_id": session}}
    asked = path + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")
    before = _acted_for(recommender)
    response = post(users, asked, _merged(first, sound[path], second, extra))
    assert response.status_code in (200, 400, 403)
    for user_id, events in _acted_for(recommender).items():
        assert user_id in users or events == before.get(user_id)
    if response.status_code == 200:
        assert "bob" not in query.values()
        named = {**first, **second, **extra.get("convrec", {})}
        assert all(value in (*users, "", None) for name, value in named.items() if name in _FIELDS)


def _acted_for(recommender: Recommender) -> dict[str, int]:
    """How many slates and events everybody has."""
    counts = dict(recommender.ledger.users(None))
    for impression in recommender.ledger.impressions():
        counts[impression.user_id] = counts.get(impression.user_id, 0) + 1
    return counts
