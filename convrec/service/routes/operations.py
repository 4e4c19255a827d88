"""Routes for whoever operates the server: alive, ready, metrics."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from convrec.errors import LedgerError
from convrec.service.keys import Scope
from convrec.service.problems import Problem
from convrec.service.schemas import Alive, Readiness
from convrec.service.slot import ServedDep

router = APIRouter(tags=["operations"])


@router.get("/health", tags=[Scope.OPEN], summary="Is the process alive?")
async def health() -> Alive:
    """Always 200 while the process answers."""
    return Alive()


@router.get(
    "/ready",
    tags=[Scope.OPEN],
    summary="Can slates be served?",
    response_model=Readiness,
    responses={
        503: {
            "model": Readiness,
            "description": "Starting, draining, or degraded by a ledger that fails; `detail` says more.",
        }
    },
)
async def ready(served: ServedDep) -> Response:
    """200 when slates can be served, `degraded` while the language model engine is down.

    503 while starting, while draining (turns under way are finished, others refused), and while the ledger cannot
    be read: nothing is answered that is not stored first.
    """
    model, turns = served.info.model, served.slot.turns
    if turns.draining:
        detail = f"shutting down; {turns.under_way} turns are being finished"
        return JSONResponse(Readiness(status="draining", detail=detail, model=model).model_dump(), 503)
    try:
        recommender = served.slot.get()
    except Problem:
        starting = Readiness(status="starting", detail=served.slot.detail, model=model)
        return JSONResponse(starting.model_dump(), 503)
    try:
        await asyncio.to_thread(recommender.ledger.position)
    except LedgerError as error:
        failing = Readiness(status="degraded", detail=str(error), model=model)
        return JSONResponse(failing.model_dump(), 503)
    state = await recommender.engine.health()
    answer = Readiness(
        status="ready" if state.ready else "degraded",
        detail=state.detail,
        model=model,
        engine=recommender.engine.name,
        items=len(recommender.catalogue),
    )
    return JSONResponse(answer.model_dump())


@router.get("/metrics", tags=[Scope.ADMIN], summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(served: ServedDep) -> Response:
    """Counters and histograms in Prometheus's text format."""
    return Response(served.metrics.render(), media_type=CONTENT_TYPE_LATEST)
