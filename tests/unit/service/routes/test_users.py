from typing import Any

import httpx
import pytest

from convrec.service.slot import RecommenderSlot


async def bring(client: httpx.AsyncClient, user_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    answer = await client.post(f"/v1/users/{user_id}/history", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_a_history_is_brought_in_once(client: httpx.AsyncClient, slot: RecommenderSlot) -> None:
    rows = [
        {"item_id": "w01", "rating": 5, "timestamp": 1_600_000_000},
        {"item_id": "w02", "type": "purchase", "timestamp": "2024-05-01T10:00:00Z"},
        {"item_id": "w03", "type": "dislike"},
        {"item_id": "w04", "type": "comment", "text": "corked"},
    ]
    assert await bring(client, "newcomer", rows) == {"stored": 4, "duplicates": 0, "bad": []}
    assert await bring(client, "newcomer", rows) == {"stored": 0, "duplicates": 4, "bad": []}
    view = (await client.get("/v1/users/newcomer")).json()
    assert {entry["item_id"] for entry in view["liked"]} == {"w01", "w02"}
    assert [entry["item_id"] for entry in view["disliked"]] == ["w03"]
    assert view["comments"] == ["corked"]
    assert {event.timestamp for event in slot.get().ledger.feedback("newcomer")} == {0.0, 1.6e9, 1714557600.0}
    slate = (await client.post("/v1/recommendations", json={"user_id": "newcomer", "k": 20})).json()
    assert not {"w01", "w02", "w03"} & {entry["item_id"] for entry in slate["recommendations"]}


async def test_bad_rows_are_named_and_the_others_stored(client: httpx.AsyncClient) -> None:
    await client.post(
        "/v1/feedback", json={"event_id": "taken", "user_id": "x", "type": "click", "item_id": "w01"}
    )
    rows: list[dict[str, Any]] = [
        {"item_id": "w05", "rating": 4},
        {"item_id": "nothing", "rating": 4},
        {"item_id": "w05"},
        {"item_id": "w05", "rating": 9},
        {"item_id": "w05", "type": "adore"},
        {"item_id": "w05", "type": "retraction"},
        {"item_id": None, "rating": 3},
        {"item_id": {"a": 1}, "rating": 3},
        {"item_id": "w05", "rating": "many"},
        {"item_id": "w05", "rating": 3, "timestamp": "yesterday"},
        {"item_id": "w05", "rating": 3, "timestamp": 1e300},
        {"item_id": "w05", "type": "like", "event_id": "taken"},
        {"item_id": "w06", "rating": "3"},
    ]
    answer = await bring(client, "sloppy", rows)
    assert (answer["stored"], answer["duplicates"]) == (2, 0)
    assert [bad["row"] for bad in answer["bad"]] == list(range(2, 13))
    assert all(bad["reason"] for bad in answer["bad"])


async def test_spaces_around_an_id_reach_nobody_else(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/users/%20ann/history", json={"rows": [{"item_id": "w01", "rating": 5}]})
    assert answer.status_code == 400
    assert (await client.get("/v1/users/ann")).json()["known"] is False


@pytest.mark.parametrize(
    "body", [{}, {"rows": []}, {"rows": [{"rating": 3}]}, {"rows": [{"item_id": "a", "x": 1}]}]
)
async def test_a_history_without_its_shape_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await client.post("/v1/users/someone/history", json=body)).status_code == 400


async def test_the_export_holds_all_and_the_erasure_leaves_nothing(
    client: httpx.AsyncClient, slot: RecommenderSlot
) -> None:
    for user in ("wanda/k", "waldo"):
        chat = {
            "model": "convrec",
            "messages": [{"role": "user", "content": f"a Syrah for {user}"}],
            "convrec": {"user_id": user, "session_id": f"of {user}"},
        }
        await client.post("/v1/chat/completions", json=chat)
        await client.post("/v1/feedback", json={"user_id": user, "type": "like", "item_id": "w09"})
        await client.patch(f"/v1/sessions/of {user}", params={"user_id": user}, json={"title": f"{user}'s"})
    export = (await client.get("/v1/users/wanda%2Fk/export")).json()
    kinds = [event["kind"] for event in export["events"]]
    assert sorted(kinds) == ["feedback", "impression", "reply", "session", "turn"]
    assert {event["user_id"] for event in export["events"]} == {"wanda/k"} == {export["user_id"]}
    assert "a Syrah for wanda/k" in [event.get("message") for event in export["events"]]
    assert "waldo" not in str(export)
    erased = await client.delete("/v1/users/wanda%2Fk")
    assert erased.json() == {"user_id": "wanda/k", "events": 5, "adapters": []}
    assert (await client.delete("/v1/users/wanda%2Fk")).json()["events"] == 0
    assert (await client.get("/v1/users/wanda%2Fk/export")).json()["events"] == []
    assert (await client.get("/v1/users/wanda%2Fk")).json()["known"] is False
    assert len((await client.get("/v1/users/waldo/export")).json()["events"]) == 5
    # The index that serves is not taken from under it.
    slate = await client.post("/v1/recommendations", json={"user_id": "waldo"})
    assert slate.json()["recommendations"]
    assert (await client.put("/v1/items/after", json={"title": "After it"})).status_code == 200
