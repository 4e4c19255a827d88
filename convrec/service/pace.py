"""Owns how long the stages of the last slates of a server took. Of this process and in memory alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from convrec.evaluation.activity import Quantiles, quantiles
from convrec.service.stopwatch import Lap, Stage

_SLATES = 1_000


@dataclass(frozen=True, slots=True)
class StagePace:
    """Of the slates that had this stage."""

    stage: Stage
    slates: int
    seconds: Quantiles


class Pace:
    """The stages of the last slates.

    Args:
        slates: How many are remembered.
    """

    def __init__(self, slates: int = _SLATES) -> None:
        self._slates: deque[dict[Stage, float]] = deque(maxlen=slates)

    def add(self, laps: Sequence[Lap]) -> None:
        """Remember a slate."""
        stages = dict.fromkeys((lap.stage for lap in laps), 0.0)
        for lap in laps:
            stages[lap.stage] += lap.seconds
        self._slates.append(stages)

    def stages(self) -> tuple[StagePace, ...]:
        """Each stage that any of them had, in the order of a turn."""
        spent = {stage: [slate[stage] for slate in self._slates if stage in slate] for stage in Stage}
        paces = ((stage, seconds, quantiles(seconds)) for stage, seconds in spent.items())
        return tuple(StagePace(stage, len(seconds), found) for stage, seconds, found in paces if found is not None)
