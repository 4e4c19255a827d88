import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from convrec.errors import BusyError, NotFoundError
from convrec.service.jobs import Jobs, TrainingRequest, retrain_command

SAY = "import json, sys, time; say = lambda **said: open(sys.argv[1], 'a').write(json.dumps(said) + '\\n');"
WAIT = "say(step='Training', fraction=0.1, what='loss 0.7'); time.sleep(60)"
DONE = "say(step='Training', fraction=0.5, what='loss 0.6'); say(result={'version': 'wines/1', 'promoted': True})"
FAIL = "say(error='too little feedback'); sys.exit(1)"


def jobs(folder: Path, *codes: str) -> Jobs:
    """Each job runs the next of the codes; the last one again and again."""
    left = list(codes)

    def command(_request: TrainingRequest, events: Path) -> tuple[str, ...]:
        code = left.pop(0) if len(left) > 1 else left[0]
        return (sys.executable, "-c", SAY + code, str(events))

    return Jobs(folder / "jobs", command, folder / "retrain.log")


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_training_that_ends_leaves_its_result(tmp_path: Path) -> None:
    async with jobs(tmp_path, DONE) as made:
        job = await made.start(TrainingRequest(name="wines"))
        assert (job.status, job.by, job.request.name) == ("running", "operator", "wines")
        done = await made.finished(job.job_id)
    assert (done.status, done.result) == ("succeeded", {"version": "wines/1", "promoted": True})
    assert done.ended is not None
    assert done.ended >= done.started
    assert jobs(tmp_path, DONE).get(job.job_id) == done


@pytest.mark.parametrize(
    ("code", "says"), [(FAIL, "too little feedback"), ("sys.exit(9)", "code 9"), ("1/0", "retrain.log")]
)
async def test_a_training_that_fails_says_why(tmp_path: Path, code: str, says: str) -> None:
    async with jobs(tmp_path, code) as made:
        done = await made.finished((await made.start(TrainingRequest())).job_id)
    assert (done.status, done.result) == ("failed", None)
    assert says in (done.error or "")


async def test_one_at_a_time(tmp_path: Path) -> None:
    async with jobs(tmp_path, WAIT, DONE) as made:
        first = await made.start(TrainingRequest())
        with pytest.raises(BusyError, match=first.job_id):
            await made.start(TrainingRequest())
        cancelled = await made.cancel(first.job_id)
        assert cancelled.status == "cancelled"
        assert await made.cancel(first.job_id) == cancelled
        second = await made.start(TrainingRequest())
        await made.finished(second.job_id)
        assert [(job.job_id, job.status) for job in made.all()] == [
            (second.job_id, "succeeded"),
            (first.job_id, "cancelled"),
        ]


async def test_many_who_start_at_once_start_one(tmp_path: Path) -> None:
    async with jobs(tmp_path, WAIT) as made:
        outcomes = await asyncio.gather(*(made.start(TrainingRequest()) for _ in range(8)), return_exceptions=True)
        assert sum(isinstance(outcome, BusyError) for outcome in outcomes) == 7
        assert len(made.all()) == 1


async def test_events_come_while_it_runs_and_again_afterwards(tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = f"""
say(step='Training', fraction=0.1, what='loss 0.7')
import pathlib
while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)
say(note='nearly'); {DONE}"""
    async with asyncio.timeout(30), jobs(tmp_path, code) as made:
        job = await made.start(TrainingRequest())
        live = made.events(job.job_id)
        first = await anext(live)
        assert (first.number, first.said["what"]) == (1, "loss 0.7")
        go.touch()
        rest = [event async for event in live]
        assert [event.number for event in rest] == [2, 3, 4]
        assert rest[0].said == {"note": "nearly"}
        assert [event async for event in made.events(job.job_id, after=2)] == rest[1:]
        assert [event async for event in made.events(job.job_id, after=99)] == []


async def test_closing_ends_a_training(tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        async with jobs(tmp_path, WAIT) as made:
            job = await made.start(TrainingRequest())
            await until((tmp_path / "jobs" / job.job_id / "events.jsonl").exists)
        assert made.get(job.job_id).status == "cancelled"


async def test_a_training_that_outlived_its_server_is_interrupted(tmp_path: Path) -> None:
    async with jobs(tmp_path, WAIT) as made:
        job = await made.start(TrainingRequest())
        after = jobs(tmp_path, DONE)
        assert after.get(job.job_id).status == "interrupted"
        async with asyncio.timeout(5):
            assert [event.number async for event in after.events(job.job_id)] in ([], [1])


async def test_half_a_line_and_half_a_file_are_passed_over(tmp_path: Path) -> None:
    async with jobs(tmp_path, DONE) as made:
        job = await made.finished((await made.start(TrainingRequest())).job_id)
        with (tmp_path / "jobs" / job.job_id / "events.jsonl").open("a") as lines:
            lines.write('{"step": "Tra')
        assert [event.number async for event in made.events(job.job_id)] == [1, 2]
        (tmp_path / "jobs" / "job-1-00000000").mkdir()
        (tmp_path / "jobs" / "job-1-00000000" / "job.json").write_text("{half")
        assert [known.job_id for known in made.all()] == [job.job_id]


@pytest.mark.parametrize("job_id", ["", "job-1-00000000", "../jobs", "..", "job-1/../x", "job-1-0000000g"])
async def test_an_id_is_no_path(tmp_path: Path, job_id: str) -> None:
    made = jobs(tmp_path, DONE)
    for call in (made.cancel(job_id), made.finished(job_id)):
        with pytest.raises(NotFoundError):
            await call


async def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convrec.service.jobs._KEPT", 3)
    async with jobs(tmp_path, "pass") as made:
        for _ in range(5):
            await made.finished((await made.start(TrainingRequest())).job_id)
        assert len(made.all()) == len(list((tmp_path / "jobs").iterdir())) == 3


def test_the_command_is_the_command_lines_own(tmp_path: Path) -> None:
    """Every word of it is known to `convrec retrain`."""
    from typer.testing import CliRunner

    from convrec.cli import app

    said = retrain_command(tmp_path, TrainingRequest("wines", 5, 4, 3, 2, False), tmp_path / "said.jsonl")
    words = list(said[said.index("convrec.cli") + 1 :])
    assert words[-1] == "--no-promote"
    assert [words[words.index(f"--{name}") + 1] for name in ("examples", "judge", "choose", "epochs")] == list(
        "5432"
    )
    ran = CliRunner().invoke(app, words)
    assert "there is no catalogue yet" in str(ran.exception)
    (line,) = (tmp_path / "said.jsonl").read_text().splitlines()
    assert "there is no catalogue yet" in json.loads(line)["error"]
