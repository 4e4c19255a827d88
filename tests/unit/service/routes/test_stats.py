import time

import httpx


async def _shown(client: httpx.AsyncClient, user_id: str) -> tuple[str, str]:
    """A slate's id and its first item."""
    slate = (await client.post("/v1/recommendations", json={"user_id": user_id})).json()
    return slate["impression_id"], slate["recommendations"][0]["item_id"]


async def test_stats_follow_what_happened(client: httpx.AsyncClient) -> None:
    began = time.time()
    for user_id in ("ann", "bob"):
        impression_id, item_id = await _shown(client, user_id)
        if user_id == "ann":
            event = {"user_id": user_id, "type": "like", "item_id": item_id, "impression_id": impression_id}
            assert (await client.post("/v1/feedback", json=event)).status_code == 200
    answer = await client.get("/v1/stats", params={"since": "1"})
    assert answer.status_code == 200, answer.text
    (of,) = answer.json()["versions"]
    assert {"version": "base", "impressions": 2, "users": 2}.items() <= of.items()
    assert {"hits": 1, "trials": 2, "value": 0.5}.items() <= of["ctr"].items()
    assert 0 < of["ctr"]["low"] < 0.5 < of["ctr"]["high"] < 1
    assert {"hits": 1, "trials": 1, "low": 0.0, "high": 1.0}.items() <= of["satisfaction"].items()
    by_prompt = (await client.get("/v1/stats", params={"by": "prompt"})).json()
    assert [of["version"].partition(".")[0] for of in by_prompt["versions"]] == ["rank"]
    later = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began + 3600))
    assert (await client.get("/v1/stats", params={"since": later})).json()["versions"] == []


async def test_what_it_cannot_read_is_named(client: httpx.AsyncClient) -> None:
    for params, param in (
        ({"since": "yesterday"}, "since"),
        ({"since": "9" * 60}, "since"),
        ({"since": "²"}, "since"),
        ({"against": "wines@7"}, "against"),
        ({"by": "moon"}, "by"),
    ):
        answer = await client.get("/v1/stats", params=params)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["param"] == param
