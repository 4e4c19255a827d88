"""What /metrics shows of a server that was used."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from convrec.ranking.ranker import RankingVersion
from convrec.service.api import create_app
from convrec.service.requests import RecommendRequest
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

PROMPTS = Path(__file__).parents[3] / "prompts"


@pytest.fixture
async def slot(tmp_path: Path) -> AsyncIterator[RecommenderSlot]:
    with small_recommender(tmp_path, PROMPTS, FakeEngine()) as small:
        yield RecommenderSlot(small)


@pytest.fixture
async def client(slot: RecommenderSlot) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(slot, info=ServerInfo("fake-lm", "0", 0.0)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


async def shown(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Samples by name and the values of their labels."""
    text = (await client.get("/metrics")).text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "le" not in sample.labels
    }


async def test_stages_make_up_a_slate(slot: RecommenderSlot) -> None:
    ready = await slot.get().recommend(RecommendRequest("ann"))
    assert [lap.stage.value for lap in ready.laps] == [
        "understanding",
        "ledger",
        "retrieval",
        "ranking",
        "evidence",
        "ledger",
    ]
    assert all(lap.seconds >= 0 for lap in ready.laps)
    stored = ready.laps[-1].seconds
    assert sum(lap.seconds for lap in ready.laps) - stored == pytest.approx(ready.latency_s, abs=stored + 0.01)


async def test_a_turn_is_timed_by_stage(client: httpx.AsyncClient) -> None:
    said = {"model": "convrec", "messages": [{"role": "user", "content": "a Syrah"}]}
    assert (await client.post("/v1/chat/completions", json=said)).status_code == 200
    given = {"user_id": "ann", "candidates": ["w01", "w02"], "explain": False}
    assert (await client.post("/v1/recommendations", json=given)).status_code == 200
    values = await shown(client)
    for stage, count in (("understanding", 2), ("retrieval", 2), ("ranking", 2), ("ledger", 2), ("evidence", 1)):
        assert values["convrec_stage_seconds_count", stage] == count
    assert values["convrec_first_token_seconds_count",] == 1
    assert 0 < values["convrec_first_token_seconds_sum",] <= values["convrec_turn_seconds_sum",]
    assert values["convrec_slates_total", "base", "false"] == 2


async def test_feedback_tells_whether_slates_are_accepted_and_match_is_right(client: httpx.AsyncClient) -> None:
    slate = (await client.post("/v1/recommendations", json={"user_id": "ann"})).json()
    first, second, *_ = slate["recommendations"]
    for kind, entry in (("like", first), ("click", first), ("dislike", second)):
        event = {
            "user_id": "ann",
            "type": kind,
            "item_id": entry["item_id"],
            "impression_id": slate["impression_id"],
        }
        assert (await client.post("/v1/feedback/batch", json={"events": [event]})).json()["stored"] == 1
    values = await shown(client)
    assert values["convrec_feedback_total", "like"] == 1
    assert values["convrec_slates_accepted_total", "base"] == 1
    assert values["convrec_match_judged", "false"] == 2
    assert values["convrec_match_observed", "false"] == 0.5
    expected = (first["match"] + second["match"]) / 2
    assert values["convrec_match_expected", "false"] == pytest.approx(expected, abs=1e-3)
    assert values["convrec_match_judged", "true"] == 0


async def test_the_adapter_in_use_is_shown_and_the_one_before_is_not(
    slot: RecommenderSlot, client: httpx.AsyncClient
) -> None:
    assert (await shown(client))["convrec_adapter_people", "base"] == 1.0
    before = slot.get().version
    slot.get().switch(RankingVersion(before.blend, "wines@2"))
    values = await shown(client)
    assert values["convrec_adapter_people", "wines@2"] == 1.0
    assert ("convrec_adapter_people", "base") not in values
