"""The HTTP app: create_app puts convrec's own routes beside OpenAI's. Owns no route and no stage of a turn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from convrec.service import openai
from convrec.service.cors import Cors
from convrec.service.gate import Access, Gate
from convrec.service.keys import Scope
from convrec.service.last_resort import LastResort
from convrec.service.metrics import Metrics
from convrec.service.problems import HANDLERS
from convrec.service.routes import SCOPES, operations
from convrec.service.routes.refusals import EVERYWHERE
from convrec.service.slot import RecommenderSlot, Served, ServerInfo
from convrec.service.transport import Transport
from convrec.service.turnstile import Turnstile

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_BEARER = HTTPBearer(auto_error=False, description="A key of `convrec keys create`; none where none was made.")
_TURNS = frozenset(
    {"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/recommendations", "/v1/explain"}
)


def create_app(
    slot: RecommenderSlot,
    *,
    info: ServerInfo,
    max_turns: int = 64,
    access: Access | None = None,
    log_messages: bool = False,
    tracer: Tracer | None = None,
) -> FastAPI:
    """The app.

    Args:
        slot: Where the recommender is or will be; until then routes answer 503.
        info: What the server says of itself.
        max_turns: How many turns may be under way at once.
        access: Who may do what; everybody everything where None.
        log_messages: Log what people say too.
        tracer: Makes OpenTelemetry's spans; none where None.
    """
    metrics = Metrics()
    metrics.left_out(lambda: slot.left_out)
    metrics.adapters(slot.adapters)
    app = FastAPI(
        title="convrec",
        summary="A conversational recommender that speaks OpenAI's chat completions",
        version=info.version,
        exception_handlers=HANDLERS,
        responses=EVERYWHERE,
        dependencies=[Depends(_BEARER)],  # for the document alone: the gate decides
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.served = Served(slot, info, metrics)
    app.add_middleware(Turnstile, turns=slot.turns, routes=_TURNS, limit=max_turns)
    if access is not None:
        app.add_middleware(Gate, access=access)
    app.add_middleware(LastResort, log_messages=log_messages)
    if access is not None and access.origins:
        app.add_middleware(Cors, origins=access.origins)
    app.add_middleware(Transport, metrics=metrics, log_messages=log_messages)
    if tracer is not None:
        from convrec.service.tracing import Tracing, trace_laps

        metrics.tell(partial(trace_laps, tracer))
        app.add_middleware(Tracing, tracer=tracer)
    app.include_router(openai.router, tags=[Scope.CHAT])
    for scope, routers in SCOPES.items():
        for router in routers:
            app.include_router(router, prefix="/v1", tags=[scope])
    app.include_router(operations.router)
    return app
