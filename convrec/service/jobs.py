"""Owns the trainings of a running server: started by an operator or by the schedule, one at a time, and followed.

A training is `convrec retrain` in a process of its own: it shares nothing with the server but the folders, and the
server follows the registry when it is done (swap.py). What it says goes to a file, so that whoever asks later, or
again after a broken connection or a restart, is told everything from where they were.

    jobs/<job_id>/ job.json       what was asked and what became of it
                   events.jsonl   what the training said, one JSON object a line (console.JsonSteps)
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import structlog

from convrec.durable import replace_text
from convrec.errors import BusyError, NotFoundError

Status = Literal["running", "succeeded", "failed", "cancelled", "interrupted"]
By = Literal["operator", "schedule"]

_ID = re.compile(r"job-[0-9a-f]+-[0-9a-f]{8}")
_KEPT = 100
_LOOK_S = 0.25
_PATIENCE_S = 10.0
"""How long a training that was told to end may take."""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What `convrec retrain` is asked; its own defaults where None."""

    name: str = "default"
    examples: int | None = None
    judge: int | None = None
    choose: int | None = None
    epochs: int | None = None
    promote: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """A training.

    Args:
        by: Who started it.
        started, ended: Seconds since the epoch.
        result: version, promoted, accepted, reasons, metrics of a training that came to its end.
        error: Why there is none.
    """

    job_id: str
    request: TrainingRequest
    by: By
    started: float
    status: Status = "running"
    ended: float | None = None
    result: Mapping[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """What a training said; number counts from 1."""

    number: int
    said: Mapping[str, Any]


@dataclass(slots=True)
class _Running:
    job: Job
    process: asyncio.subprocess.Process
    cancelled: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Jobs:
    """Starts, follows, cancels. On leaving, what still runs is ended.

    Args:
        folder: Of the jobs; made where it is missing. Its last hundred are kept.
        command: The training that was asked for, telling what it does to a file.
        log: Where the training's own output goes.
    """

    def __init__(self, folder: Path, command: Callable[[TrainingRequest, Path], Sequence[str]], log: Path) -> None:
        self._folder, self._command, self._log_file = folder, command, log
        self._log = structlog.get_logger("convrec.jobs")
        self._lock = asyncio.Lock()
        self._running: _Running | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Jobs:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._running is not None:
            await self.cancel(self._running.job.job_id)

    async def start(self, request: TrainingRequest, by: By = "operator") -> Job:
        """Begin a training.

        Raises:
            BusyError: One is under way.
        """
        async with self._lock:
            if self._running is not None:
                other = self._running.job.job_id
                raise BusyError(f"the training {other} is under way; wait for it, or DELETE /v1/jobs/{other}")
            self._make_room()
            job = Job(f"job-{time.time_ns():x}-{uuid4().hex[:8]}", request, by, time.time())
            (self._folder / job.job_id).mkdir(parents=True)
            self._write(job)
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            command = self._command(request, self._events_file(job.job_id))
            with self._log_file.open("ab") as log:
                process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
            self._running = _Running(job, process)
            self._watching = asyncio.create_task(self._watch(self._running))
        self._log.info("training", job=job.job_id, pid=process.pid, by=by)
        return job

    def all(self) -> list[Job]:
        """The jobs, latest first."""
        files = self._folder.glob("job-*/job.json")
        found = [job for file in files if (job := self._read(file)) is not None]
        return sorted(found, key=lambda job: (job.started, job.job_id), reverse=True)

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFoundError: There is none.
        """
        # An id is a client's word and must not become any path.
        job = self._read(self._folder / job_id / "job.json") if _ID.fullmatch(job_id) else None
        if job is None:
            raise NotFoundError(f"there is no job {job_id[:80]!r}; GET /v1/jobs lists the last {_KEPT}")
        return job

    async def finished(self, job_id: str) -> Job:
        """Wait until a job has ended."""
        if self._running is not None and self._running.job.job_id == job_id:
            await self._running.ended.wait()
        return self.get(job_id)

    async def cancel(self, job_id: str) -> Job:
        """End a job and wait for it; one that has ended stays as it is. Started again as it was, it goes on there.

        Raises:
            NotFoundError: There is none.
        """
        running = self._running
        if running is not None and running.job.job_id == job_id and running.process.returncode is None:
            running.cancelled = True
            running.process.terminate()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await running.ended.wait()
            except TimeoutError:
                running.process.kill()
        return await self.finished(job_id)

    async def events(self, job_id: str, after: int = 0) -> AsyncGenerator[JobEvent, None]:
        """What a job said after the event of a number, and says until it has ended.

        Raises:
            NotFoundError: There is none.
        """
        while True:
            job = self.get(job_id)  # before its lines: what it said at its end is among them
            for number, said in self._said(job_id, after):
                after = number
                yield JobEvent(number, said)
            if job.status != "running":
                return
            await asyncio.sleep(_LOOK_S)

    async def _watch(self, running: _Running) -> None:
        code = await running.process.wait()
        job = replace(running.job, ended=time.time(), **self._outcome(running, code))
        self._write(job)
        self._running = None
        running.ended.set()
        self._log.info("training ended", job=job.job_id, status=job.status, code=code)

    def _outcome(self, running: _Running, code: int) -> dict[str, Any]:
        said = [said for _, said in self._said(running.job.job_id, 0)]
        last = said[-1] if said else {}
        if "result" in last:
            return {"status": "succeeded", "result": last["result"]}
        if running.cancelled:
            return {"status": "cancelled", "error": "cancelled"}
        return {
            "status": "failed",
            "error": last.get("error", f"it ended with code {code}; see the log retrain.log"),
        }

    def _said(self, job_id: str, after: int) -> list[tuple[int, Mapping[str, Any]]]:
        file = self._events_file(job_id)
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
        # A line without its end is still being written, or never will be.
        whole = [(n, line) for n, line in enumerate(lines, start=1) if n > after and line.endswith("\n")]
        return [(n, json.loads(line)) for n, line in whole]

    def _events_file(self, job_id: str) -> Path:
        return self._folder / job_id / "events.jsonl"

    def _write(self, job: Job) -> None:
        replace_text(self._folder / job.job_id / "job.json", json.dumps(asdict(job)))

    def _read(self, file: Path) -> Job | None:
        """None where it is damaged."""
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            job = Job(**{**told, "request": TrainingRequest(**told["request"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        if job.status == "running" and (self._running is None or self._running.job.job_id != job.job_id):
            return replace(job, status="interrupted", error="the server ended before it; start it again to go on")
        return job

    def _make_room(self) -> None:
        for job in self.all()[_KEPT - 1 :]:
            shutil.rmtree(self._folder / job.job_id, ignore_errors=True)


def retrain_command(data_dir: Path, request: TrainingRequest, events: Path) -> tuple[str, ...]:
    """`convrec retrain` by this interpreter, with less right to the processor than the server."""
    nice = ("nice", "-n", "10") if shutil.which("nice") else ()
    sizes = [
        (f"--{name}", str(value))
        for name in ("examples", "judge", "choose", "epochs")
        if (value := getattr(request, name)) is not None
    ]
    return (
        *(*nice, sys.executable, "-m", "convrec.cli", "retrain"),
        *("--data-dir", str(data_dir), "--progress-json", str(events), "--name", request.name),
        *(word for size in sizes for word in size),
        "--promote" if request.promote else "--no-promote",
    )
