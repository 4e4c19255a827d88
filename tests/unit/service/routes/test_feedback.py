from typing import Any

import httpx
import pytest

from convrec.service.slot import RecommenderSlot


async def send(client: httpx.AsyncClient, events: list[dict[str, Any]]) -> dict[str, Any]:
    answer = await client.post("/v1/feedback/batch", json={"events": events})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def like(event_id: str | None, item_id: str = "w03", **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "user_id": "batch", "type": "like", "item_id": item_id, **more}


async def test_each_event_of_a_batch_has_its_outcome(client: httpx.AsyncClient, slot: RecommenderSlot) -> None:
    await client.post("/v1/feedback", json=like("b-old"))
    answer = await send(
        client,
        [
            like("b-1"),
            like("b-old"),
            like("b-old", "w04"),
            like("b-1"),
            like("b-1", "w05"),
            like("b-2", "nothing"),
            like("b-3", type="rating", rating=77),
            like("b-4", type="rating"),
            like("b-5", user_id="other"),
            like(None, "w06"),
        ],
    )
    told = [(outcome["status"], (outcome["error"] or {}).get("code")) for outcome in answer["outcomes"]]
    assert told == [
        ("stored", None),
        ("duplicate", None),
        ("refused", "event_conflict"),
        ("duplicate", None),
        ("refused", "event_conflict"),
        ("refused", "not_found"),
        ("refused", "invalid_value"),
        ("refused", "invalid_value"),
        ("stored", None),
        ("stored", None),
    ]
    assert (answer["stored"], answer["duplicates"], answer["refused"]) == (3, 2, 5)
    ledger = slot.get().ledger
    assert [event.item_id for event in ledger.feedback("batch")] == ["w03", "w03", "w06"]
    assert answer["outcomes"][-1]["event_id"] == ledger.feedback("batch")[-1].event_id


async def test_a_batch_that_is_sent_again_changes_nothing(client: httpx.AsyncClient) -> None:
    events = [like(f"many-{n}", f"w{n % 30:02}", user_id=f"many{n % 7}") for n in range(1000)]
    assert (await send(client, events))["stored"] == 1000
    again = await send(client, events)
    assert (again["stored"], again["duplicates"]) == (0, 1000)


@pytest.mark.parametrize(
    ("events", "param"),
    [
        ([], "events"),
        ([like(f"x{n}") for n in range(1001)], "events"),
        ([like("ok"), {"user_id": "u", "type": "adore"}], "events.1.type"),
        ([like("ok"), {"type": "like"}], "events.1.user_id"),
    ],
)
async def test_a_malformed_batch_stores_nothing(
    client: httpx.AsyncClient, slot: RecommenderSlot, events: list[dict[str, Any]], param: str
) -> None:
    before = slot.get().ledger.position()
    answer = await client.post("/v1/feedback/batch", json={"events": events})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert slot.get().ledger.position() == before


async def test_a_batch_is_counted(client: httpx.AsyncClient) -> None:
    await send(client, [like("c-1", type="seen"), like("c-1", type="seen"), like("c-2", "nothing", type="seen")])
    assert 'convrec_feedback_total{type="seen"} 1.0' in (await client.get("/metrics")).text.splitlines()


async def test_everything_said_of_an_item_is_taken_back_at_once(client: httpx.AsyncClient) -> None:
    for event_id, kind in (("r-1", "seen"), ("r-2", "like")):
        await client.post("/v1/feedback", json=like(event_id, type=kind) | {"user_id": "rita"})
    await client.post("/v1/feedback", json=like("r-3", "w04") | {"user_id": "rita"})
    body = {"user_id": "rita", "item_id": "w03"}
    answer = await client.post("/v1/feedback/retractions", json=body)
    assert answer.json() == {"item_id": "w03", "retracted": ["r-1", "r-2"]}
    assert [entry["item_id"] for entry in (await client.get("/v1/users/rita")).json()["history"]] == ["w04"]
    again = await client.post("/v1/feedback/retractions", json=body)
    assert again.json() == {"item_id": "w03", "retracted": []}
