import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from convrec.service.api import create_app
from convrec.service.jobs import TrainingRequest
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_server

CODE = """
import json, pathlib, sys, time
said, wait = pathlib.Path(sys.argv[1]), sys.argv[2]
def say(**told):
    with said.open("a") as lines: lines.write(json.dumps(told) + "\\n")
say(step="Training on 3 examples", fraction=0.0, what="")
say(step="Training on 3 examples", fraction=0.5, what="loss 0.431, 1.20 examples/s")
if wait == "forever": time.sleep(60)
say(result={"version": wait + "/1", "promoted": False, "accepted": False, "reasons": ["no"]})
"""


@pytest.fixture
async def trainer(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    def training(request: TrainingRequest, events: Path) -> tuple[str, ...]:
        return (sys.executable, "-c", CODE, str(events), request.name)

    with small_server(tmp_path, Path(__file__).parents[4] / "prompts", FakeEngine(), training) as slot:
        app = create_app(slot, info=ServerInfo("fake-lm", "0", 0.0))
        async with (
            asyncio.timeout(60),
            slot.office.jobs,
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http,
        ):
            yield http


async def start(client: httpx.AsyncClient, name: str) -> str:
    answer = await client.post("/v1/jobs", json={"kind": "retrain", "name": name})
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "running"
    return str(answer.json()["job_id"])


async def events(client: httpx.AsyncClient, job_id: str, last: str | None = None) -> list[dict[str, str]]:
    """The stream as a browser's EventSource reads it."""
    headers = {} if last is None else {"last-event-id": last}
    answer = await client.get(f"/v1/jobs/{job_id}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in answer.text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]  # type: ignore[misc]


async def test_a_training_is_followed_to_its_end_and_resumed(trainer: httpx.AsyncClient) -> None:
    job_id = await start(trainer, "quick")
    seen = await events(trainer, job_id)
    assert [(event.get("id"), event["event"]) for event in seen] == [
        ("1", "progress"),
        ("2", "progress"),
        ("3", "progress"),
        (None, "end"),
    ]
    assert json.loads(seen[1]["data"]) == {
        "step": "Training on 3 examples",
        "fraction": 0.5,
        "what": "loss 0.431, 1.20 examples/s",
    }
    end = json.loads(seen[-1]["data"])
    assert (end["status"], end["result"]["version"]) == ("succeeded", "quick/1")
    assert (await trainer.get(f"/v1/jobs/{job_id}")).json() == end
    assert (await trainer.get("/v1/jobs")).json() == {"data": [end]}
    assert await events(trainer, job_id, last="2") == seen[2:]
    assert await events(trainer, job_id, last="3") == seen[3:]
    for bad in ("-1", "x", "1e400"):
        assert (await trainer.get(f"/v1/jobs/{job_id}/events", headers={"last-event-id": bad})).status_code == 400


async def test_one_at_a_time_and_cancelled(trainer: httpx.AsyncClient) -> None:
    job_id = await start(trainer, "forever")
    busy = await trainer.post("/v1/jobs", json={"kind": "retrain"})
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "busy")
    assert job_id in busy.json()["error"]["message"]
    assert (await trainer.delete(f"/v1/jobs/{job_id}")).json()["status"] == "cancelled"
    assert json.loads((await events(trainer, job_id))[-1]["data"])["status"] == "cancelled"
    await events(trainer, await start(trainer, "quick"))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "index"},
        {"kind": "retrain", "name": "../x"},
        {"kind": "retrain", "name": "--help"},
        {"kind": "retrain", "examples": 0},
        {"kind": "retrain", "command": "rm"},
    ],
)
async def test_what_is_no_job_is_refused(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await client.post("/v1/jobs", json=body)).status_code == 400
    assert (await client.get("/v1/jobs")).json() == {"data": []}


async def test_unknown_jobs(client: httpx.AsyncClient) -> None:
    for job_id in ("job-1-00000000", "..", "%2e%2e"):
        for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
            answer = await client.request(method, f"/v1/jobs/{job_id}{path}")
            assert answer.status_code in (404, 405), (job_id, path)


async def test_operators_wait_for_the_office(slot: RecommenderSlot) -> None:
    """The recommender is served before the office opens."""
    early = RecommenderSlot(slot.get(), detail="loading")
    app = create_app(early, info=ServerInfo("fake-lm", "0", 0.0))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for path in ("/v1/jobs", "/v1/adapters"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "starting")
        assert (await client.get("/v1/items")).status_code == 200
