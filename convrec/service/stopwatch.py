"""Owns how long the stages of one turn take: laps, one after the other. Tells nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What a turn does before its slate is shown."""

    UNDERSTANDING = "understanding"
    RETRIEVAL = "retrieval"
    RANKING = "ranking"
    EVIDENCE = "evidence"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Lap:
    """A stage, and the seconds from the end of the lap before; a stage may have several."""

    stage: Stage
    seconds: float


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self._laps: list[Lap] = []

    def lap(self, stage: Stage) -> None:
        """What was done since the last lap was this stage."""
        now = time.monotonic()
        self._laps.append(Lap(stage, now - self._last))
        self._last = now

    @property
    def laps(self) -> tuple[Lap, ...]:
        """All so far."""
        return tuple(self._laps)

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._started
