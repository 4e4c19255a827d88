"""GET /v1/stats: what slates led to, per version. Owns its parameters; the figures are evaluation/online.py's."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query

from convrec.errors import DataError, NotFoundError
from convrec.evaluation.online import By, Stats
from convrec.service.problems import Problem
from convrec.service.routes.refusals import refusals
from convrec.service.slot import RecommenderDep
from convrec.service.stats import ledger_stats, moment

router = APIRouter(tags=["stats"])

Since = Annotated[
    str | None, Query(max_length=64, description="A date, a time (ISO 8601) or a number of days; all when absent.")
]
Against = Annotated[
    str | None,
    Query(max_length=256, description="What the others are compared with; the most shown when absent."),
]


@router.get("/stats", summary="What slates led to, per version", responses=refusals())
async def stats(
    recommender: RecommenderDep, by: By = By.ADAPTER, since: Since = None, against: Against = None
) -> Stats:
    """Clicks, purchases, satisfaction and degraded slates per adapter or prompt version, with 95 % intervals.

    Computed from the ledger when asked: feedback counts where it names the slate that showed the item. Every
    version but one is compared with that one; a difference whose interval holds 0 may be chance.
    """
    try:
        since_s = None if since is None else moment(since, time.time())
    except DataError as error:
        raise Problem(400, str(error), code="invalid_value", param="since") from error
    scale = recommender.catalogue.domain.rating_scale
    try:
        return await asyncio.to_thread(ledger_stats, recommender.ledger, scale, by, since_s, against)
    except NotFoundError as error:
        raise Problem(400, str(error), code="invalid_value", param="against") from error
