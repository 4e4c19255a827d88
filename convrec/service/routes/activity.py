"""GET /v1/activity: what the server did over time, how long it took, and whether match is still right."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from convrec.errors import DataError
from convrec.evaluation.activity import Part, activity
from convrec.service.pace import StagePace
from convrec.service.problems import Problem
from convrec.service.routes.refusals import refusals
from convrec.service.shown import Calibration, ShownSlates
from convrec.service.slot import RecommenderDep, ServedDep
from convrec.service.stats import moment

router = APIRouter(tags=["stats"])

_QUANTILES: JsonDict = {"p50_s": 0.71, "p95_s": 1.3}
_JUDGED: JsonDict = {"expected": 0.44, "observed": 0.41, "judged": 50}


class CalibrationView(BaseModel):
    """Of some items that feedback judged: the mean of match, the mean of what feedback said; null of none."""

    expected: float | None
    observed: float | None
    judged: int


class DriftView(BaseModel):
    """Whether match is right: over all of the last 1,000 items judged, and in parts of 50 by time, oldest first.

    `requested`: of slates that something was asked for, where match compares within a slate only.
    """

    requested: bool
    all: CalibrationView
    parts: tuple[CalibrationView, ...]


class ActivityView(BaseModel):
    """What happened in equal parts of a span; stages and calibration are of this server since its start."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "since": 1767225600.0,
                    "until": 1767312000.0,
                    "parts": [
                        {
                            "began": 1767225600.0,
                            "slates": 12,
                            "degraded": 0,
                            "slate": _QUANTILES,
                            "replies": 11,
                            "turn": {"p50_s": 5.8, "p95_s": 6.7},
                        }
                    ],
                    "stages": [{"stage": "ranking", "slates": 12, "seconds": _QUANTILES}],
                    "calibration": [{"requested": False, "all": _JUDGED, "parts": [_JUDGED]}],
                }
            ]
        }
    )

    since: float
    until: float
    parts: tuple[Part, ...]
    stages: tuple[StagePace, ...]
    calibration: tuple[DriftView, ...]


@router.get("/activity", summary="What the server did over time", responses=refusals())
async def activity_since(
    served: ServedDep,
    recommender: RecommenderDep,
    since: Annotated[
        str, Query(max_length=64, description="A date, a time (ISO 8601) or a number of days, in the past.")
    ] = "1",
    parts: Annotated[int, Query(ge=1, le=200, description="Of the time since then.")] = 24,
) -> ActivityView:
    """Slates and replies with their times (median and 95th percentile), from the ledger when asked; the stages of
    the last 1,000 slates; match against what feedback said.
    """
    now = time.time()
    try:
        since_s = moment(since, now)
    except DataError as error:
        raise Problem(400, str(error), code="invalid_value", param="since") from error
    if not 0 <= since_s < now:
        raise Problem(400, f"{since[:80]!r} is not in the past", code="invalid_value", param="since")

    def read() -> tuple[Part, ...]:
        ledger = recommender.ledger
        return activity(ledger.impressions(since=since_s), ledger.replies(since_s), since_s, now, parts)

    metrics = served.metrics
    return ActivityView(
        since=since_s,
        until=now,
        parts=await asyncio.to_thread(read),
        stages=metrics.pace.stages(),
        calibration=tuple(_drift(metrics.shown, requested) for requested in (False, True)),
    )


def _drift(shown: ShownSlates, requested: bool) -> DriftView:
    return DriftView(
        requested=requested,
        all=_calibration(shown.calibration(requested=requested)),
        parts=tuple(map(_calibration, shown.drift(requested=requested))),
    )


def _calibration(of: Calibration) -> CalibrationView:
    if math.isnan(of.expected):
        return CalibrationView(expected=None, observed=None, judged=of.judged)
    return CalibrationView(expected=of.expected, observed=of.observed, judged=of.judged)
