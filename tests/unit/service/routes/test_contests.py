"""Versions that are compared: named in requests, mixed in one slate or side by side, and what decides."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from convrec.ledger.ledger import Ledger
from convrec.ranking.blend import Blend
from convrec.service.exchange import export_events, import_events
from convrec.service.slot import RecommenderSlot
from convrec.testing.adapters import publish_adapter
from convrec.types import Contest, ImpressionEvent

V1, V2 = "wines@1", "wines@2"


@pytest.fixture(scope="module", autouse=True)
def adapters(slot: RecommenderSlot) -> None:
    """One that follows the language model, and one that turns its order around."""
    for weight in (3.0, -3.0):
        publish_adapter(slot.office.registry, blend=Blend(w_retrieval=0.1, w_interest=weight))


@pytest.fixture
def ledger(slot: RecommenderSlot) -> Ledger:
    return slot.get().ledger


async def mixed(client: httpx.AsyncClient, *models: str, **body: Any) -> dict[str, Any]:
    asked = {"user_id": "ann", "query": "a red one", "interleave": models or (V1, V2), **body}
    answer = await client.post("/v1/recommendations", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def answered(client: httpx.AsyncClient, model: str, contest: str, user_id: str = "ann") -> dict[str, Any]:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Recommend some wines"}],
        "convrec": {"user_id": user_id, "contest": contest},
    }
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["convrec"]  # type: ignore[no-any-return]


async def feedback(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/feedback", json={"user_id": "ann", **body})


async def contests(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await client.get("/v1/stats")).json()["contests"]  # type: ignore[no-any-return]


def ids(slate: dict[str, Any]) -> list[str]:
    return [entry["item_id"] for entry in slate["recommendations"]]


async def test_a_slate_is_ranked_by_the_model_that_it_names(client: httpx.AsyncClient) -> None:
    slates = {}
    for model in ("convrec", "base", V1, V2):
        body = {"user_id": "bob", "query": "a red one", "model": model}
        slates[model] = (await client.post("/v1/recommendations", json=body)).json()
    assert [slate["adapter"] for slate in slates.values()] == [None, None, V1, V2]
    assert ids(slates["base"]) == ids(slates["convrec"])
    assert ids(slates[V1]) != ids(slates[V2])


async def test_two_models_put_items_on_one_slate_in_turns(client: httpx.AsyncClient, ledger: Ledger) -> None:
    slate = await mixed(client, k=6, user_id="drinker1")
    alone = {}
    for model in (V1, V2):
        body = {"user_id": "drinker1", "query": "a red one", "model": model, "k": 6}
        alone[model] = ids((await client.post("/v1/recommendations", json=body)).json())
    contest = slate["contest"]
    assert contest["versions"] == [V1, V2]
    assert (contest["teams"].count(0), contest["teams"].count(1)) == (3, 3)
    assert [entry["rank"] for entry in slate["recommendations"]] == [1, 2, 3, 4, 5, 6]
    for item_id, team in zip(ids(slate), contest["teams"], strict=True):
        assert item_id in alone[contest["versions"][team]]
    assert any(entry["why"] for entry in slate["recommendations"])
    stored = ledger.get(slate["impression_id"])
    assert isinstance(stored, ImpressionEvent)
    assert stored.slate == tuple(ids(slate))
    assert stored.contest == Contest(contest["contest_id"], (V1, V2), tuple(contest["teams"]))


async def test_what_is_clicked_on_a_mixed_slate_decides(client: httpx.AsyncClient) -> None:
    slate = await mixed(client, k=4)
    second = slate["contest"]["teams"].index(1)
    click = {"type": "click", "item_id": ids(slate)[second], "impression_id": slate["impression_id"]}
    assert (await feedback(client, **click)).json()["stored"] is True
    (figures,) = [f for f in await contests(client) if f["how"] == "clicks"]
    assert (figures["version"], figures["against"], figures["wins"], figures["losses"]) == (V1, V2, 0, 1)
    assert figures["win_share"]["trials"] == 1
    versions = (await client.get("/v1/stats")).json()["versions"]
    assert sum(of["ctr"]["hits"] for of in versions) == 0, "the slates of a contest count for it alone"


async def test_a_vote_decides_between_two_answers(
    client: httpx.AsyncClient, ledger: Ledger, tmp_path: Path
) -> None:
    first, second = await answered(client, V1, "c1"), await answered(client, "base", "c1")
    assert (first["contest"]["versions"], second["contest"]["versions"]) == ([V1], ["base"])
    assert (await feedback(client, type="prefer", impression_id=second["impression_id"])).status_code == 200
    votes = [f for f in await contests(client) if f["how"] == "votes"]
    assert [(f["version"], f["against"], f["wins"], f["losses"], f["ties"]) for f in votes] == [
        ("base", V1, 1, 0, 0)
    ]
    await feedback(client, type="tie", impression_id=first["impression_id"])
    votes = [f for f in await contests(client) if f["how"] == "votes"]
    assert [(f["wins"], f["ties"]) for f in votes] == [(0, 1)], "the last vote stands"
    # Another ledger that reads what this one exports knows the contest too.
    export_events(ledger, tmp_path / "events.jsonl")
    assert '"contest":["c1"' in (tmp_path / "events.jsonl").read_text().replace(" ", "")
    assert import_events(ledger, tmp_path / "events.jsonl").new == 0


async def test_a_vote_is_on_one_s_own_slate_of_a_contest(client: httpx.AsyncClient) -> None:
    other = await answered(client, V1, "c2", user_id="bob")
    plain = (await client.post("/v1/recommendations", json={"user_id": "ann"})).json()
    slate = await mixed(client)
    statuses = {
        other["impression_id"]: 403,
        plain["impression_id"]: 400,
        slate["impression_id"]: 400,
        "imp-unknown": 400,
    }
    for impression_id, status in statuses.items():
        answer = await feedback(client, type="prefer", impression_id=impression_id)
        assert answer.status_code == status, answer.text
    assert (await feedback(client, type="prefer")).status_code == 400
    on_an_item = {"type": "tie", "item_id": "w01", "impression_id": other["impression_id"]}
    assert (await feedback(client, user_id="bob", **on_an_item)).status_code == 400


@pytest.mark.parametrize("models", [["convrec", "base"], [V1, V1], [V1, "wines/1"], [V1], [V1, V2, "base"]])
async def test_two_different_models_are_compared(client: httpx.AsyncClient, models: list[str]) -> None:
    answer = await client.post("/v1/recommendations", json={"user_id": "ann", "interleave": models})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "interleave")


@pytest.mark.parametrize("model", ["nope", "wines@9", "rank.v99", "rank.v1", "../rank.v3", "write.v1", "base/x"])
async def test_unknown_models_are_not_served(client: httpx.AsyncClient, model: str) -> None:
    answer = await client.post("/v1/recommendations", json={"user_id": "ann", "model": model})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_slate_that_retrieval_alone_made_compares_nothing(
    client: httpx.AsyncClient, slot: RecommenderSlot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mixed(client)  # both are loaded
    monkeypatch.setattr(slot.get().engine, "score", _fails)
    slate = (await client.post("/v1/recommendations", json={"user_id": "ann", "interleave": [V1, "base"]})).json()
    assert slate["degraded"]
    assert slate["contest"] is None


async def _fails(*_: object) -> list[float]:
    from convrec.errors import EngineError

    raise EngineError("told to fail")


async def test_names_are_listed(client: httpx.AsyncClient) -> None:
    listed = [card["id"] for card in (await client.get("/v1/models")).json()["data"]]
    assert listed == ["convrec", V1, V2, "base"]
