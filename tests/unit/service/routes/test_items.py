import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from convrec.service.slot import RecommenderSlot
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_server

SLOE = {"title": "Sloe Thorn Zweigelt", "attributes": {"grape": ["Zweigelt"], "price": 3}}


async def chat(client: httpx.AsyncClient, message: str, user: str = "visitor") -> dict[str, Any]:
    body = {"model": "convrec", "messages": [{"role": "user", "content": message}], "user": user}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["convrec"]  # type: ignore[no-any-return]


async def slate(client: httpx.AsyncClient, **body: Any) -> list[str]:
    answer = await client.post("/v1/recommendations", json={"user_id": "visitor", "k": 20, **body})
    assert answer.status_code == 200, answer.text
    return [entry["item_id"] for entry in answer.json()["recommendations"]]


async def change(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/v1/items/bulk", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_a_new_item_is_in_the_next_turn(client: httpx.AsyncClient) -> None:
    assert (await client.put("/v1/items/sloe", json=SLOE)).json() == {"item_id": "sloe", "changed": True}
    assert (await client.put("/v1/items/sloe", json=SLOE)).json() == {"item_id": "sloe", "changed": False}
    assert (await client.get("/v1/items/sloe")).json() == {"item_id": "sloe", **SLOE}
    grape, price = (await client.get("/v1/domain")).json()["facets"]
    assert "Zweigelt" in grape["values"]
    assert price["bounds"] == [3.0, 34.0]
    assert (await slate(client, query="sloe thorn"))[0] == "sloe"
    assert await slate(client, query="a Zweigelt") == ["sloe"]
    named = await chat(client, "something like Sloe Thorn Zweigelt")
    assert [mention["item_id"] for mention in named["intent"]["mentions"]] == ["sloe"]
    assert named["recommendations"]


async def test_a_changed_item_is_found_by_what_it_says_now(client: httpx.AsyncClient) -> None:
    before = (await client.get("/v1/items/w11")).json()
    changed = {"title": "Quincewater Bramble", "attributes": before["attributes"]}
    assert (await client.put("/v1/items/w11", json=changed)).json()["changed"] is True
    assert (await slate(client, query="something with quincewater"))[0] == "w11"
    assert (await slate(client, query="Long Meadow"))[0] != "w11"
    named = await chat(client, "like Quincewater Bramble")
    assert [mention["item_id"] for mention in named["intent"]["mentions"]] == ["w11"]


async def test_a_deleted_item_is_never_served_again(client: httpx.AsyncClient) -> None:
    assert "w07" in await slate(client, query="Stone Bridge")
    assert (await client.delete("/v1/items/w07")).json() == {"item_id": "w07", "deleted": True}
    assert (await client.delete("/v1/items/w07")).status_code == 404
    assert (await client.get("/v1/items/w07")).status_code == 404
    for body in ({"query": "Stone Bridge"}, {"query": "a Malbec"}, {}, {"user_id": "drinker2"}):
        assert "w07" not in await slate(client, **body)
    named = await chat(client, "like Stone Bridge Malbec Reserve")
    assert "w07" not in [mention["item_id"] for mention in named["intent"]["mentions"]]
    refused = await client.post("/v1/feedback", json={"user_id": "visitor", "type": "like", "item_id": "w07"})
    assert refused.status_code == 404
    await client.put("/v1/items/w07", json={"title": "Stone Bridge Malbec Reserve", "attributes": {"price": 12}})
    assert "w07" in await slate(client, query="Stone Bridge")


async def test_a_bulk_change_is_whole(client: httpx.AsyncClient) -> None:
    items = (await client.get("/v1/domain")).json()["items"]
    new = [{"item_id": f"b{n}", "title": f"Bulk {n}", "attributes": {"price": n}} for n in range(50)]
    assert await change(client, upsert=new) == {"changed": 50, "deleted": 0, "items": items + 50}
    assert await change(client, upsert=new[:1], delete=["b1", "b2", "unknown"]) == {
        "changed": 0,
        "deleted": 2,
        "items": items + 48,
    }
    await change(client, delete=[f"b{n}" for n in range(50)])
    bad = [*new[:3], {"item_id": "b9", "title": "x", "attributes": {"price": 2**70}}]
    refused = await client.post("/v1/items/bulk", json={"upsert": bad})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_value")
    assert "'b9'" in refused.json()["error"]["message"]
    assert (await client.get("/v1/items/b0")).status_code == 404
    for twice in ({"upsert": [new[0], new[0]]}, {"upsert": new[:1], "delete": ["b0"]}):
        refused = await client.post("/v1/items/bulk", json=twice)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "upsert")


async def test_the_last_item_cannot_be_deleted(client: httpx.AsyncClient) -> None:
    ids = [item["item_id"] for item in (await client.get("/v1/items", params={"limit": 1000})).json()["data"]]
    refused = await client.post("/v1/items/bulk", json={"delete": ids})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "last_item")
    assert (await client.get("/v1/domain")).json()["items"] == len(ids)


async def test_pages_and_titles(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/items", params={"limit": 4})).json()
    second = (await client.get("/v1/items", params={"limit": 4, "offset": 4})).json()
    assert len(first["data"]) == len(second["data"]) == 4
    assert first["data"][-1]["item_id"] < second["data"][0]["item_id"]
    assert (first["total"], second["offset"]) == ((await client.get("/v1/domain")).json()["items"], 4)
    found = (await client.get("/v1/items", params={"title": "syrah AMBER"})).json()
    assert [item["item_id"] for item in found["data"]] == ["w01"]
    assert (await client.get("/v1/items", params={"title": "no such words"})).json()["total"] == 0
    assert (await client.get("/v1/items", params={"offset": 10**6})).json()["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": "  \n "},
        {"title": "x", "attributes": {"title": "y"}},
        {"title": "x", "attributes": {"": 1}},
        {"title": "x", "attributes": {"a": {"b": 1}}},
        {"title": "x", "attributes": {"a": [[1]]}},
        {"title": "x", "attributes": {"a": "\0"}},
        {"title": "x\0"},
        {"title": "x", "colour": "red"},
        {},
    ],
)
async def test_what_is_no_item_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await client.put("/v1/items/odd", json=body)
    assert answer.status_code == 400
    assert (await client.get("/v1/items/odd")).status_code == 404


async def test_hostile_ids_stay_ids(client: httpx.AsyncClient) -> None:
    for item_id in ("..%2F..%2Fetc%2Fpasswd", "a%2Fb", "<script>", "x'; drop table items;--", "💥"):
        answer = await client.put(f"/v1/items/{item_id}", json={"title": "Odd one"})
        assert answer.status_code == 200, answer.text
        assert (await client.get(f"/v1/items/{item_id}")).json()["item_id"] == answer.json()["item_id"]
        assert (await client.delete(f"/v1/items/{item_id}")).status_code == 200
    assert (await client.put("/v1/items/", json={"title": "x"})).status_code == 400
    assert (await client.put("/v1/items/%00", json={"title": "x"})).status_code == 400


async def test_changes_that_come_together_all_hold(client: httpx.AsyncClient, slot: RecommenderSlot) -> None:
    before = slot.get()
    answers = await asyncio.gather(
        *(client.put(f"/v1/items/t{n}", json={"title": f"Together {n}"}) for n in range(12))
    )
    assert [answer.status_code for answer in answers] == [200] * 12
    assert {f"t{n}" for n in range(12)} <= slot.get().catalogue.keys()
    assert slot.get().breaker is before.breaker
    await change(client, delete=[f"t{n}" for n in range(12)])


async def test_changes_are_durable_first(tmp_path: Path) -> None:
    """A server that could not serve a change serves it with the next one: the store has it."""
    with small_server(tmp_path, Path("prompts"), FakeEngine()) as slot:
        shelf = slot.office.shelf
        made, shelf._make = shelf._make, broken
        with pytest.raises(RuntimeError):
            await shelf.change([item("late")], ())
        assert "late" not in slot.get().catalogue
        shelf._make = made
        await shelf.change([item("later")], ())
        assert {"late", "later"} <= slot.get().catalogue.keys()


def broken(*_: object) -> Any:
    raise RuntimeError("killed")


def item(item_id: str) -> Any:
    from convrec.types import Item

    return Item(item_id, item_id.title())


async def test_a_newcomer_is_offered_unlike_items_that_they_have_not_met(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/items/starters", params={"user_id": "new here", "k": 5})).json()["data"]
    assert len({entry["attributes"]["grape"][0] for entry in first}) == 5
    for entry in first:
        await client.post(
            "/v1/feedback", json={"user_id": "new here", "type": "like", "item_id": entry["item_id"]}
        )
    then = (await client.get("/v1/items/starters", params={"user_id": "new here"})).json()["data"]
    assert len(then) == 12
    assert not {entry["item_id"] for entry in first} & {entry["item_id"] for entry in then}
    assert (await client.get("/v1/items/starters")).status_code == 400
