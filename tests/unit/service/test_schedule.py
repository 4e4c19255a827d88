import asyncio
import sys
from pathlib import Path

from convrec.service.jobs import Jobs, TrainingRequest
from convrec.service.schedule import LastRun, Schedule, read_last_run, write_last_run


def schedule(folder: Path, events: int = 0, hours: float = 0.0, position: int = 0, erased: int = 0) -> Schedule:
    jobs = Jobs(folder / "jobs", lambda request, said: (sys.executable, "-c", "pass"), folder / "log")
    return Schedule(jobs, folder / "last.json", lambda: position, events, hours, 0.01, lambda: erased)


def test_new_events_call_for_a_training(tmp_path: Path) -> None:
    made = schedule(tmp_path, events=10)
    assert not made.due(1000, 0.0), "what was there before counts from the first look"
    assert not made.due(1009, 1.0)
    assert made.due(1010, 2.0)
    write_last_run(LastRun(1010, 2.0), tmp_path / "last.json")
    assert not made.due(1015, 3.0)


def test_hours_call_for_a_training_where_anything_happened(tmp_path: Path) -> None:
    made = schedule(tmp_path, hours=2.0)
    write_last_run(LastRun(5, 100.0), tmp_path / "last.json")
    assert not made.due(6, 100.0 + 7199)
    assert not made.due(5, 100.0 + 7200)
    assert made.due(6, 100.0 + 7200)


def test_a_damaged_note_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "last.json").write_text("{half")
    assert not schedule(tmp_path, events=1).due(7, 3.0)
    assert read_last_run(tmp_path / "last.json") == LastRun(7, 3.0)


def test_an_erasure_that_adapters_do_not_know_of_calls_for_a_training_once(tmp_path: Path) -> None:
    made = schedule(tmp_path, events=1000, position=9, erased=8)
    assert made.due(9, 0.0), "also where none was ever made"
    assert not made.due(9, 1.0)
    write_last_run(LastRun(7, 2.0), tmp_path / "last.json")
    assert made.due(9, 3.0)
    write_last_run(LastRun(9, 4.0), tmp_path / "last.json")
    assert not made.due(9, 5.0)


async def test_it_runs_the_command_and_keeps_its_output(tmp_path: Path) -> None:
    write_last_run(LastRun(0, 0.0), tmp_path / "last.json")
    jobs = Jobs(
        tmp_path / "jobs", lambda request, said: (sys.executable, "-c", "print('trained')"), tmp_path / "log"
    )
    # Nothing notes that it ran, so that another may be under way at the end: the jobs end it.
    async with jobs, Schedule(jobs, tmp_path / "last.json", lambda: 3, 1, 0.0, 0.01):
        async with asyncio.timeout(10):
            while "trained" not in ((tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""):
                await asyncio.sleep(0.02)


async def test_a_training_of_an_operator_is_not_doubled(tmp_path: Path) -> None:
    write_last_run(LastRun(0, 0.0), tmp_path / "last.json")
    code = "import time; time.sleep(60)"
    jobs = Jobs(tmp_path / "jobs", lambda request, said: (sys.executable, "-c", code), tmp_path / "log")
    async with asyncio.timeout(20), jobs:
        await jobs.start(TrainingRequest())
        async with Schedule(jobs, tmp_path / "last.json", lambda: 3, 1, 0.0, 0.01):
            await asyncio.sleep(0.2)
        assert len(jobs.all()) == 1


async def test_it_is_off_by_default(tmp_path: Path) -> None:
    async with schedule(tmp_path, position=10**6):
        await asyncio.sleep(0.05)
    assert not (tmp_path / "last.json").exists()
