"""Owns when a running server trains by itself: every so many new events, or so many hours. A training is a job."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from convrec.durable import replace_text
from convrec.errors import BusyError, ConvRecError
from convrec.service.jobs import Jobs, TrainingRequest

_LOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class LastRun:
    """Where the ledger was when a training last began.

    Args:
        position: Of the ledger.
        at: Seconds since the epoch.
    """

    position: int = 0
    at: float = 0.0


def read_last_run(file: Path) -> LastRun | None:
    """None before the first training, or where the note is damaged."""
    try:
        return LastRun(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_last_run(run: LastRun, file: Path) -> None:
    """Note that a training began."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps(asdict(run)))


class Schedule:
    """Starts trainings; none where both `events` and `hours` are 0.

    Args:
        jobs: Run the trainings.
        note: See LastRun.
        position: Of the ledger now.
        events: New events that call for a training; 0 never.
        hours: After so many a training is called for if there is any new event; 0 never.
        look_s: Seconds between looks at the ledger.
        erased: Position of the last erasure that left adapters to be trained anew, 0 without one; one since the
            last training calls for the next.
    """

    def __init__(
        self,
        jobs: Jobs,
        note: Path,
        position: Callable[[], int],
        events: int,
        hours: float,
        look_s: float = _LOOK_S,
        erased: Callable[[], int] = lambda: 0,
    ) -> None:
        self._jobs, self._note, self._position = jobs, note, position
        self._events, self._hours, self._look_s = events, hours, look_s
        self._erased = erased
        self._log = structlog.get_logger("convrec.schedule")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Schedule:
        if self._events or self._hours:
            self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def due(self, position: int, now: float) -> bool:
        """Whether a training is called for.

        Args:
            position: Of the ledger.
            now: Seconds since the epoch.
        """
        last, erased = read_last_run(self._note), self._erased()
        if last is None:
            # What was there before the server first ran counts from here.
            write_last_run(LastRun(position, now), self._note)
            return erased > 0
        if erased > last.position:
            return True
        new = position - last.position
        waited = self._hours and now - last.at >= 3600 * self._hours
        return bool((self._events and new >= self._events) or (waited and new > 0))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            try:
                due = await asyncio.to_thread(lambda: self.due(self._position(), time.time()))
            except ConvRecError as error:
                self._log.error("ledger not read", error=str(error))
                continue
            if due:
                await self._train()

    async def _train(self) -> None:
        try:
            job = await self._jobs.start(TrainingRequest(), by="schedule")
        except BusyError:  # an operator's; it counts what is new as well
            return
        await self._jobs.finished(job.job_id)
