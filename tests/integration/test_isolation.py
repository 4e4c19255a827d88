"""Canaries: nothing that leaves for ann, is asked of the model for her or is logged holds what bob said or did."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from convrec.database import open_database
from convrec.engine.base import Labels, Sampling
from convrec.service.api import create_app
from convrec.service.gate import Access
from convrec.service.keys import EVERYBODY, KeyStore, Scope
from convrec.service.logs import log_to
from convrec.service.recommender import Recommender
from convrec.service.requests import RecommendRequest
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

PROMPTS = Path(__file__).parents[2] / "prompts"
TITLE = "<b onmouseover"  # of the one item that only bob has taken notice of
COMMENT, MESSAGE, QUERY = "canary-comment-7f3a", "canary-message-19cd", "canary-query-e440"
SESSION, EVENT, USER = "canary-session-52b0", "canary-event-88d1", "bob-canary-3c9e"
CANARIES = (TITLE, COMMENT, MESSAGE, QUERY, SESSION, EVENT, USER)


class WatchedEngine(FakeEngine):
    """Remembers text and salt of all that it is asked, but for the candidates: they are everybody's."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str | None]] = []

    async def score(
        self,
        prefix: Sequence[int],
        segments: Sequence[Sequence[int]],
        labels: Labels,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> list[float]:
        self.asked.append((self.tokenizer.decode(prefix), salt))
        return await super().score(prefix, segments, labels, adapter, salt)

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling, adapter: str | None = None, salt: str | None = None
    ) -> AsyncIterator[str]:
        self.asked.append((self.tokenizer.decode(prompt) + (sampling.grammar or ""), salt))
        async for piece in super().generate(prompt, sampling, adapter, salt):
            yield piece


class World:
    """The app, ann's key, bob's key, the model's ears and the log."""

    def __init__(self, folder: Path, engine: WatchedEngine, recommender: Recommender, **settings: Any) -> None:
        self.engine = engine
        self.recommender = recommender
        self.log = log_to(folder / "logs")
        self._database = open_database(f"sqlite:///{folder / 'keys.db'}")
        self._keys = KeyStore(self._database)
        app = create_app(
            RecommenderSlot(recommender),
            info=ServerInfo("fake-lm", "0", 0.0),
            access=Access(self._keys, recommender.ledger.session_owner),
            **settings,
        )
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://127.0.0.1"
        )
        self._secrets = {user: self._key(user, Scope.CHAT, Scope.FEEDBACK) for user in ("ann", USER)}
        self._secrets["operator"] = self._key(EVERYBODY, Scope.ADMIN)

    def _key(self, users: str, *scopes: Scope) -> str:
        return self._keys.create(scopes, [users])[1]

    async def ask(self, user: str, method: str, path: str, **body: Any) -> str:
        """Everything that comes back, head and body."""
        headers = {"authorization": f"Bearer {self._secrets[user]}"}
        response = await self._http.request(method, path, json=body or None, headers=headers)
        return f"{response.status_code} {response.headers} {response.text}"

    async def chat(self, user: str, message: str, **convrec: Any) -> str:
        messages = [{"role": "user", "content": message}]
        answers = [
            await self.ask(
                user,
                "POST",
                "/v1/chat/completions",
                model="convrec",
                messages=messages,
                stream=stream,
                convrec=convrec,
            )
            for stream in (False, True)
        ]
        return "".join(answers)

    async def live_as_bob(self) -> str:
        """Leave a canary everywhere that something of a person is kept."""
        canary = {"event_id": EVENT, "type": "like", "item_id": "w29"}
        return "".join(
            [
                await self.ask(USER, "POST", "/v1/feedback", **canary),
                await self.ask(USER, "POST", "/v1/feedback", type="comment", text=f"so good {COMMENT}"),
                await self.chat(USER, f"a Chardonnay {MESSAGE}", session_id=SESSION),
                await self.chat(USER, "cheaper", session_id=SESSION),
                await self.ask(USER, "POST", "/v1/responses", model="convrec", input=f"a Malbec {MESSAGE}"),
                await self.ask(USER, "POST", "/v1/recommendations", query=QUERY),
                await self.ask(USER, "GET", f"/v1/users/{USER}"),
            ]
        )

    async def live_as_ann(self) -> str:
        """Ask for everything that there is, and for bob's things by name; Syrahs only, which w29 is none of."""
        syrah = {"facet": "grape", "op": "include", "value": "Syrah"}
        like = {"type": "like", "item_id": "w01"}
        return "".join(
            [
                await self.ask("ann", "POST", "/v1/feedback", **like),
                await self.chat("ann", "a Syrah", session_id="ses-ann"),
                await self.chat("ann", "cheaper", session_id="ses-ann"),
                await self.chat("ann", "why that one?", session_id="ses-ann"),
                await self.chat("ann", "what did I say?"),
                await self.ask("ann", "POST", "/v1/responses", model="convrec", input="a Syrah", stream=True),
                await self.ask("ann", "POST", "/v1/recommendations", filters=[syrah], k=20),
                await self.ask("ann", "GET", "/v1/users/ann"),
                await self.ask("ann", "GET", "/v1/users"),
                await self.ask("ann", "GET", "/v1/sessions?user_id=ann"),
                await self.ask("ann", "GET", "/v1/sessions/ses-ann?user_id=ann"),
                await self.ask("ann", "GET", "/v1/models"),
            ]
        )

    async def aclose(self) -> None:
        await self._http.aclose()
        self._database.dispose()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[WatchedEngine, Recommender]]:
    engine = WatchedEngine()
    with small_recommender(tmp_path, PROMPTS, engine) as recommender:
        yield engine, recommender


@pytest.fixture(autouse=True)
def _log_again() -> Iterator[None]:
    """The log is the process's: what a test sends to a file of its own is closed, and others' is as it was."""
    yield
    logger = structlog.get_config()["logger_factory"]
    if isinstance(logger, structlog.WriteLoggerFactory):
        logger._file.close()
    structlog.reset_defaults()


def _found(text: str) -> set[str]:
    return {canary for canary in CANARIES if canary in text}


async def test_nothing_of_bob_is_in_what_ann_gets_in_her_prompts_or_in_the_log(
    tmp_path: Path, made: tuple[WatchedEngine, Recommender]
) -> None:
    engine, recommender = made
    world = World(tmp_path, engine, recommender)
    # The canaries sing: where bob is asked about, they are found.
    assert {TITLE, COMMENT, SESSION, USER} <= _found(await world.live_as_bob())
    bobs = "".join(text for text, _ in engine.asked)
    assert {TITLE, MESSAGE, QUERY} <= _found(bobs)
    bobs_salts = {salt for _, salt in engine.asked}
    engine.asked.clear()

    answered = await world.live_as_ann()
    assert answered.count("recommendations") >= 9
    assert not _found(answered)
    anns = "".join(text for text, _ in engine.asked)
    assert "Syrah" in anns
    assert not _found(anns)
    anns_salts = {salt for _, salt in engine.asked}
    assert (len(bobs_salts), len(anns_salts), None in bobs_salts | anns_salts) == (1, 1, False)
    assert not bobs_salts & anns_salts
    assert not any(name in str(salt) for salt in bobs_salts | anns_salts for name in (USER, "ann"))

    assert not _found(await world.ask("operator", "GET", "/metrics"))
    await world.ask("ann", "GET", f"/v1/users/{USER}")
    lines = [json.loads(line) for line in world.log.read_text().splitlines()]
    assert len(lines) > 20
    assert not _found(world.log.read_text())
    assert "a Syrah" not in world.log.read_text()
    await world.aclose()


async def test_both_at_once_are_kept_apart(tmp_path: Path, made: tuple[WatchedEngine, Recommender]) -> None:
    engine, recommender = made
    world = World(tmp_path, engine, recommender)
    await world.live_as_bob()
    engine.asked.clear()
    anns = [asyncio.create_task(world.live_as_ann()) for _ in range(2)]
    await asyncio.gather(*(world.live_as_bob() for _ in range(2)))
    for answered in await asyncio.gather(*anns):
        assert not _found(answered)
    salts = {salt: _found("".join(text for text, s in engine.asked if s == salt)) for _, salt in engine.asked}
    assert sorted(map(bool, salts.values())) == [False, True]
    await world.aclose()


async def test_an_answer_that_fails_tells_neither_the_client_nor_the_log_whom_it_was_about(
    tmp_path: Path, made: tuple[WatchedEngine, Recommender], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, recommender = made
    world = World(tmp_path, engine, recommender)

    async def fail(request: RecommendRequest) -> None:
        said = f"{request.query} {COMMENT}"
        try:
            raise KeyError(said)
        except KeyError as error:
            raise ValueError(f"cannot make sense of {said}") from error

    monkeypatch.setattr(recommender, "recommend", fail)
    answered = await world.ask(USER, "POST", "/v1/recommendations", query=QUERY)
    assert answered.startswith("500")
    assert not _found(answered)
    logged = world.log.read_text()
    assert "ValueError" in logged
    assert "KeyError" in logged
    assert "in fail" in logged
    assert not _found(logged)
    await world.aclose()


async def test_messages_are_logged_where_an_operator_asks_for_it(
    tmp_path: Path, made: tuple[WatchedEngine, Recommender], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, *made, log_messages=True)
    await world.chat(USER, MESSAGE)
    assert MESSAGE in world.log.read_text()
    monkeypatch.setattr(made[1], "recommend", lambda _: 1 / 0)
    await world.ask(USER, "POST", "/v1/recommendations", k=1)
    assert "division by zero" in world.log.read_text()
    await world.aclose()
