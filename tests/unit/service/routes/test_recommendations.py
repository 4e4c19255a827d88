import random
from typing import Any

import httpx

from convrec.service.slot import RecommenderSlot


async def slate(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/recommendations", json={"user_id": "drinker1", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def ids(answer: dict[str, Any]) -> list[str]:
    return [entry["item_id"] for entry in answer["recommendations"]]


async def test_just_the_candidates_are_ranked_in_whatever_order_they_come(
    client: httpx.AsyncClient, slot: RecommenderSlot
) -> None:
    given = [f"w{n:02}" for n in range(25)]  # what drinker1 has liked among them
    first = await slate(client, candidates=given)
    assert sorted(ids(first)) == given
    random.Random(0).shuffle(given)
    assert ids(await slate(client, candidates=[*given, *given])) == ids(first)
    assert ids(await slate(client, candidates=given, k=3)) == ids(first)[:3]
    shown = slot.get().ledger.get(first["impression_id"])
    assert list(shown.slate) == ids(first)  # type: ignore[union-attr]


async def test_exclusions_filters_and_words_take_candidates_away(client: httpx.AsyncClient) -> None:
    given = ["w00", "w01", "w06", "w11", "w21"]
    syrahs = {"w01", "w06", "w11", "w21"}
    assert set(ids(await slate(client, candidates=given, query="a Syrah"))) == syrahs
    cheap = {"facet": "price", "op": "<=", "value": 15}
    assert set(ids(await slate(client, candidates=given, filters=[cheap], exclude=["w06"]))) == {"w00", "w01"}
    assert ids(await slate(client, candidates=["w06"], exclude=["w06"])) == []


async def test_unknown_candidates_are_named(client: httpx.AsyncClient) -> None:
    body = {"user_id": "x", "candidates": ["w01", "ghost", "w02", "<b>"]}
    answer = await client.post("/v1/recommendations", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "candidates")
    assert "'ghost'" in error["message"]
    assert "'<b>'" in error["message"]
    many = await client.post(
        "/v1/recommendations", json={"user_id": "x", "candidates": [f"g{n}" for n in range(50)]}
    )
    assert "40 more" in many.json()["error"]["message"]
    assert (await client.post("/v1/recommendations", json={"user_id": "x", "candidates": []})).status_code == 400


async def test_without_explanation_the_slate_is_the_same_but_unexplained(client: httpx.AsyncClient) -> None:
    explained, plain = await slate(client, k=4), await slate(client, k=4, explain=False)
    assert ids(explained) == ids(plain)
    assert any(entry["evidence"] for entry in explained["recommendations"])
    assert all(entry["evidence"] == [] and entry["why"] == "" for entry in plain["recommendations"])
