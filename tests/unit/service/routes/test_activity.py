"""What operators watch: activity over time, and the latest feedback."""

import time

import httpx
import pytest


async def _turn(client: httpx.AsyncClient, user_id: str) -> dict[str, object]:
    body = {"model": "convrec", "messages": [{"role": "user", "content": "Recommend some wines"}], "user": user_id}
    answer = await client.post("/v1/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["convrec"]  # type: ignore[no-any-return]


async def test_activity_follows_what_happened(client: httpx.AsyncClient) -> None:
    await _turn(client, "ann")
    slate = (await client.post("/v1/recommendations", json={"user_id": "ann"})).json()
    told = (await client.get("/v1/activity", params={"parts": 4})).json()
    assert [part["slates"] for part in told["parts"]] == [0, 0, 0, 2]
    assert [part["replies"] for part in told["parts"]] == [0, 0, 0, 1]
    assert told["parts"][0]["slate"] is None
    assert 0 < told["parts"][3]["slate"]["p50_s"] <= told["parts"][3]["slate"]["p95_s"]
    assert told["parts"][3]["turn"]["p50_s"] > 0
    assert told["until"] - told["since"] == pytest.approx(86_400)
    assert [stage["stage"] for stage in told["stages"]] == [
        *("understanding", "retrieval", "ranking", "evidence", "ledger")
    ]
    assert {stage["slates"] for stage in told["stages"]} == {2}
    asked_nothing = told["calibration"][0]
    assert asked_nothing == {
        "requested": False,
        "all": {"expected": None, "observed": None, "judged": 0},
        "parts": [],
    }
    entry = slate["recommendations"][0]
    event = {"user_id": "ann", "item_id": entry["item_id"], "impression_id": slate["impression_id"]}
    await client.post("/v1/feedback", json={**event, "type": "like"})
    (part,) = (await client.get("/v1/activity")).json()["calibration"][0]["parts"]
    assert part == {"expected": pytest.approx(entry["match"]), "observed": 1.0, "judged": 1}


async def test_what_is_no_time_in_the_past_is_refused(client: httpx.AsyncClient) -> None:
    later = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 200_000))
    for params in ({"since": later}, {"since": "0"}, {"since": "yesterday"}, {"since": "1900-01-01"}):
        answer = await client.get("/v1/activity", params=params)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "since"), params
    assert (await client.get("/v1/activity", params={"parts": "0"})).status_code == 400


async def test_the_latest_feedback_comes_first_with_titles(client: httpx.AsyncClient) -> None:
    long_ago = {"user_id": "bob", "item_id": "w29", "type": "seen", "timestamp": 1.0, "event_id": "old"}
    await client.post("/v1/feedback", json=long_ago)
    await client.post("/v1/feedback", json={"user_id": "bob", "type": "comment", "text": "<i>dry</i>"})
    first, second = (await client.get("/v1/feedback", params={"limit": 2})).json()["data"]
    assert (first["type"], first["text"], first["title"]) == ("comment", "<i>dry</i>", None)
    assert (second["event_id"], second["timestamp"]) == ("old", 1.0)
    assert second["title"] == "<b onmouseover=alert(1)>${7*7}</b> *Reserve*"
    assert (await client.get("/v1/feedback", params={"limit": 0})).status_code == 400
