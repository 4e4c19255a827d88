"""Earlier versions of prompts that requests name: they ask for scores and replies in place of the active ones."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from convrec.engine.base import Sampling
from convrec.service.api import create_app
from convrec.service.slot import ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_server

PROMPTS = Path(__file__).parents[3] / "prompts"
SAID = [{"role": "user", "content": "Recommend some wines"}]


class _Listening(FakeEngine):
    """Remembers what it was asked to write."""

    def __init__(self) -> None:
        super().__init__(self._note)
        self.heard: list[str] = []

    def _note(self, prompt: str, _: Sampling) -> str:
        self.heard.append(prompt)
        return "Here is what I found."


@pytest.fixture
def engine() -> _Listening:
    return _Listening()


@pytest.fixture
async def client(tmp_path: Path, engine: _Listening) -> AsyncIterator[httpx.AsyncClient]:
    """A server with an earlier version of either prompt, which says so."""
    folder = tmp_path / "prompts"
    shutil.copytree(PROMPTS, folder)
    for active, earlier in (("rank.v3", "rank.v1"), ("reply.v2", "reply.v1")):
        text = (folder / f"{active}.j2").read_text()
        mark = "{% block system %}" if earlier == "rank.v1" else "{% block segment %}"
        assert mark in text
        (folder / f"{earlier}.j2").write_text(text.replace(mark, f"{mark}As in {earlier}. "))
    with small_server(tmp_path, folder, engine) as slot:
        app = create_app(slot, info=ServerInfo("fake-lm", "0", 0.0))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
            yield http


async def _slate(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/recommendations", json={"user_id": "drinker1", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def _chat(client: httpx.AsyncClient, model: str, **extra: Any) -> dict[str, Any]:
    body = {"model": model, "messages": SAID, "convrec": {"user_id": "drinker1", **extra}}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["convrec"]  # type: ignore[no-any-return]


async def test_they_are_listed_but_for_the_active_ones(client: httpx.AsyncClient) -> None:
    listed = [card["id"] for card in (await client.get("/v1/models")).json()["data"]]
    assert listed == ["convrec", "base", "rank.v1", "reply.v1"]


async def test_a_ranking_prompt_asks_for_the_scores(client: httpx.AsyncClient) -> None:
    assert (await _slate(client))["prompt"].startswith("rank.v3:")
    assert (await _slate(client, model="rank.v1"))["prompt"].startswith("rank.v1:")
    mixed = await _slate(client, interleave=["rank.v1", "base"])
    assert mixed["contest"]["versions"] == ["rank.v1", "base"]


async def test_a_reply_s_prompt_asks_for_the_reply(client: httpx.AsyncClient, engine: _Listening) -> None:
    beside = [await _chat(client, model, contest="c") for model in ("convrec", "reply.v1")]
    assert ["As in reply.v1." in prompt for prompt in engine.heard] == [False, True]
    assert [slate["contest"]["versions"] for slate in beside] == [["base"], ["reply.v1"]]
    answer = await client.post("/v1/recommendations", json={"user_id": "x", "interleave": ["reply.v1", "base"]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "interleave")
