"""The operator's page without a browser: what it reads, draws and asks, and the key that it presents."""

import json

import httpx
import pytest

from ui.client import ApiForbiddenError, ApiUnavailableError
from ui.operator import plots, tables
from ui.operator.client import OperatorClient
from ui.operator.desk import Desk
from ui.operator.views import (
    Activity,
    DriftPart,
    EventRow,
    Job,
    PartRow,
    Said,
    Share,
    Stats,
    Times,
    Verdict,
    VersionRow,
)
from ui.words import words

SAY = words("en")
HOSTILE = "<img src=x onerror=alert(1)>${7*7}"
JOB = {
    "job_id": "job-1-00000000",
    "name": "movies",
    "by": "operator",
    "status": "running",
    "started": 0.0,
    "ended": None,
    "result": None,
    "error": None,
}


def client(answer: httpx.Response, seen: list[httpx.Request] | None = None) -> OperatorClient:
    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return answer

    return OperatorClient("http://api", transport=httpx.MockTransport(handle))


@pytest.mark.parametrize(("key", "sent"), [("secret", "Bearer secret"), ("", None)])
async def test_each_call_presents_the_key_that_it_is_given(key: str, sent: str | None) -> None:
    seen: list[httpx.Request] = []
    await client(httpx.Response(200, json={"data": []}), seen).adapters(key)
    assert seen[0].headers.get("authorization") == sent


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_opens_nothing_is_told_apart(status: int) -> None:
    refused = httpx.Response(status, json={"error": {"message": "this needs the scope admin"}})
    with pytest.raises(ApiForbiddenError, match="scope admin"):
        await client(refused).stats("x", "adapter", "1")


async def test_a_training_is_followed_to_its_end() -> None:
    lines = [{"step": "Training", "fraction": 0.5, "what": "loss 0.4", "figures": {"step": 3, "loss": 0.4}}, JOB]
    stream = "".join(f"event: x\ndata: {json.dumps(line)}\n\n" for line in lines)
    told = [of async for of in client(httpx.Response(200, text=stream)).follow("k", "job-1-00000000")]
    assert told == [Said("Training", 0.5, "loss 0.4", {"step": 3, "loss": 0.4}), Job.read(JOB)]
    with pytest.raises(ApiUnavailableError, match="404"):
        [of async for of in client(httpx.Response(404)).follow("k", "job-2-00000000")]


def test_a_desk_follows_one_training_at_a_time() -> None:
    desk = Desk()
    assert desk.watch("job-1")
    assert not desk.watch("job-1")
    desk.hear(Said("Training", 0.1, "", {"step": 1, "loss": 0.5}))
    assert (desk.running, desk.latest is not None) == (True, True)
    desk.hear(Job.read({**JOB, "status": "succeeded"}))
    assert not desk.running
    assert desk.watch("job-1"), "it ran once more"
    assert desk.said == []


def test_nothing_of_the_data_becomes_markup() -> None:
    share = Share(0.5, 0.2, 0.8, 4)
    stats = Stats((VersionRow(HOSTILE, 4, 2, dict.fromkeys(tables.FIGURES, share), 0.1, 2.0),), ())
    verdict = Verdict(HOSTILE, False, (HOSTILE,), (), ((HOSTILE, HOSTILE),))
    job = Job("job", HOSTILE, HOSTILE, HOSTILE, 0.0, None, HOSTILE, "", ())
    drawn = [
        tables.versions_html(stats, SAY),
        tables.feedback_html([EventRow("like", HOSTILE, HOSTILE, 0.0)], SAY),
        tables.verdict_html(verdict, SAY),
        tables.jobs_html([job], SAY),
        tables.progress_html(Said(HOSTILE, 0.5, HOSTILE, {}), SAY),
    ]
    for html in drawn:
        assert "<img" not in html
        assert "&lt;img src=x onerror=alert(1)&gt;${7*7}" in html
    assert "50.0 [20.0, 80.0]" in drawn[0]


def test_findings_are_every_number_of_the_metrics_by_its_path() -> None:
    metrics = {
        "ndcg@10": {"a": {"mean": 0.5, "low": 0.4, "high": 0.6}, "b": {"difference": 0.1, "low": 0, "high": 0.2}},
        "examples": 300,
        "note": "text",
        "ok": True,
    }
    told = {"name": "m", "version": 2, "accepted": True, "reasons": [], "metrics": metrics, "data": {}}
    found = [(f.name, f.value, f.low, f.high, f.difference) for f in Verdict.read(told).findings]
    assert found == [
        ("ndcg@10, a", 0.5, 0.4, 0.6, False),
        ("ndcg@10, b", 0.1, 0.0, 0.2, True),
        ("examples", 300.0, None, None, False),
    ]


def test_plots_have_a_line_for_each_part_that_has_something() -> None:
    times = Times(0.1, 0.4)
    parts = [PartRow(0.0, 0, 0, None, None), PartRow(60.0, 3, 1, times, None)]
    frame = plots.times_frame(parts, SAY)
    assert frame["seconds"].tolist() == [0.1, 0.1, 0.4, 0.4]
    assert [moment.timestamp() for moment in frame["when"]] == [60.0, 120.0, 60.0, 120.0]
    assert plots.slates_frame(parts, SAY)["slates"].tolist() == [0, 0, 2, 1]
    assert plots.drift_frame([DriftPart(0.6, 0.5, 50)], SAY)["judged"].tolist() == [0, 50, 0, 50]
    said = [Said("s", 0.1, "", {"step": 1, "loss": 0.9}), Said("s", 0.1, "", {}), Said("s", 0.2, "", {"step": 1})]
    assert plots.loss_frame(said)["loss"].tolist() == [0.9]


def test_a_server_that_did_nothing_has_empty_plots_and_words_for_it() -> None:
    told = {"parts": [{"began": 0.0, "slates": 0, "degraded": 0, "slate": None, "turn": None}]}
    activity = Activity.read({**told, "stages": [], "calibration": [{"requested": False, "parts": []}]})
    assert plots.times_frame(activity.parts, SAY).empty
    assert activity.drift == {False: ()}
    assert "No slate since the server started." in tables.stages_html(activity.stages, SAY)
