"""The HTTP app: convrec's own routes, and create_app, which puts them beside OpenAI's. Owns no stage of a turn."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

from convrec.data.catalogue import Catalogue
from convrec.errors import NotFoundError
from convrec.service import openai
from convrec.service.cors import Cors
from convrec.service.gate import Access, Gate
from convrec.service.last_resort import LastResort
from convrec.service.metrics import Metrics
from convrec.service.problems import HANDLERS, ErrorEnvelope, Problem
from convrec.service.recommender import RecommendRequest
from convrec.service.schemas import (
    Alive,
    ExplainBody,
    FeedbackAnswer,
    FeedbackBody,
    FilterBody,
    Id,
    Readiness,
    RecommendationBody,
)
from convrec.service.slot import RecommenderDep, RecommenderSlot, Served, ServedDep, ServerInfo
from convrec.service.stream import while_connected
from convrec.service.transport import Transport
from convrec.service.turnstile import Turnstile
from convrec.service.views import (
    DomainView,
    ExplanationView,
    ItemView,
    ProfileView,
    SlateView,
    UsersView,
    domain_view,
    explanation_view,
    item_view,
    profile_view,
    slate_view,
    users_view,
)
from convrec.types import Constraint, FacetType, FeedbackEvent

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorEnvelope, "description": "The request cannot be answered; the message says why."},
    "5XX": {"model": ErrorEnvelope, "description": "The server cannot answer; 503 may pass."},
}
_BEARER = HTTPBearer(auto_error=False, description="A key of `convrec keys create`; none where none was made.")
_TURNS = frozenset(
    {"/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/recommendations", "/v1/explain"}
)

operations = APIRouter(tags=["Operations"])
router = APIRouter(prefix="/v1", tags=["convrec"])


def create_app(
    slot: RecommenderSlot,
    *,
    info: ServerInfo,
    max_turns: int = 64,
    access: Access | None = None,
    log_messages: bool = False,
) -> FastAPI:
    """The app.

    Args:
        slot: Where the recommender is or will be; until then routes answer 503.
        info: What the server says of itself.
        max_turns: How many turns may be under way at once.
        access: Who may do what; everybody everything where None.
        log_messages: Log what people say too.
    """
    metrics = Metrics()
    app = FastAPI(
        title="convrec",
        summary="A conversational recommender that speaks OpenAI's chat completions",
        version=info.version,
        exception_handlers=HANDLERS,
        responses=_ERRORS,
        dependencies=[Depends(_BEARER)],  # for the document alone: the gate decides
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.served = Served(slot, info, metrics)
    app.add_middleware(Turnstile, routes=_TURNS, limit=max_turns)
    if access is not None:
        app.add_middleware(Gate, access=access)
    app.add_middleware(LastResort, log_messages=log_messages)
    if access is not None and access.origins:
        app.add_middleware(Cors, origins=access.origins)
    app.add_middleware(Transport, metrics=metrics, log_messages=log_messages)
    for routes in (openai.router, router, operations):
        app.include_router(routes)
    return app


@operations.get("/health", summary="Is the process alive?")
async def health() -> Alive:
    """Always 200 while the process answers."""
    return Alive()


@operations.get(
    "/ready",
    summary="Can slates be served?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Starting; `detail` says what it is doing."}},
)
async def ready(served: ServedDep) -> Response:
    """200 when slates can be served, `degraded` while the language model engine is down; 503 while starting."""
    model = served.info.model
    try:
        recommender = served.slot.get()
    except Problem:
        starting = Readiness(status="starting", detail=served.slot.detail, model=model)
        return JSONResponse(starting.model_dump(), 503)
    state = await recommender.engine.health()
    answer = Readiness(
        status="ready" if state.ready else "degraded",
        detail=state.detail,
        model=model,
        engine=recommender.engine.name,
        items=len(recommender.catalogue),
    )
    return JSONResponse(answer.model_dump())


@operations.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(served: ServedDep) -> Response:
    """Counters and histograms in Prometheus's text format."""
    return Response(served.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.post("/recommendations", summary="A slate without a conversation")
async def recommendations(
    body: RecommendationBody, request: Request, served: ServedDep, recommender: RecommenderDep
) -> SlateView:
    """Rank for a user, with words, filters and exclusions where given. The impression is in the ledger."""
    asked = RecommendRequest(
        user_id=body.user_id,
        k=body.k,
        query=body.query,
        constraints=tuple(_constraint(wish, recommender.catalogue) for wish in body.filters),
        exclude=frozenset(body.exclude),
    )
    made = await while_connected(request, recommender.recommend(asked))
    served.metrics.slate(made)
    return slate_view(made, recommender.catalogue)


@router.post("/explain", summary="Why this item, or why not")
async def explain(body: ExplainBody, request: Request, recommender: RecommenderDep) -> ExplanationView:
    """Score one item as a slate would now: its rank, what bars it, and the evidence for it with its weights.

    The `effect` of a history item is how far the score falls when it is left out. Nothing is shown or stored.
    """
    made = await while_connected(request, recommender.explain(body.user_id, body.item_id, body.session_id))
    return explanation_view(body.user_id, body.session_id, made, recommender.catalogue)


@router.post("/feedback", summary="Say what a person did")
async def feedback(body: FeedbackBody, served: ServedDep, recommender: RecommenderDep) -> FeedbackAnswer:
    """Store one event; it is durable when this answers, and the user's next slate takes it into account.

    Sending the same event again is safe (`stored` is false then); another event under the same id is a 409.
    """
    low, high = recommender.catalogue.domain.rating_scale
    if body.rating is not None and not low <= body.rating <= high:
        raise Problem(400, f"rating must be from {low:g} to {high:g}", code="invalid_value", param="rating")
    event = FeedbackEvent(
        event_id=body.event_id or f"evt-{uuid4().hex}",
        user_id=body.user_id,
        type=body.type,
        timestamp=time.time() if body.timestamp is None else body.timestamp,
        item_id=body.item_id,
        rating=body.rating,
        text=body.text,
        retracts=body.retracts,
        session_id=body.session_id,
        impression_id=body.impression_id,
    )
    stored = await recommender.record_feedback(event)
    if stored:
        served.metrics.feedback(event.type)
    return FeedbackAnswer(event_id=event.event_id, stored=stored)


@router.get("/users", summary="List users")
async def users(
    recommender: RecommenderDep, limit: Annotated[int, Query(ge=1, le=1000, examples=[50])] = 100
) -> UsersView:
    """Users that have given feedback, most active first."""
    return users_view(await asyncio.to_thread(recommender.ledger.users, limit))


@router.get("/users/{user_id:path}", summary="What is known and believed of a user")
async def user(user_id: Annotated[Id, Path(examples=["ann"])], recommender: RecommenderDep) -> ProfileView:
    """History, likes, dislikes and what they imply. Everybody may be new: an unknown user is `known: false`."""
    return profile_view(await recommender.user(user_id), recommender.catalogue)


@router.get("/domain", summary="The catalogue's kind")
async def domain(recommender: RecommenderDep) -> DomainView:
    """Nouns, verbs, rating scale, and the facets that filters can name with their values or bounds."""
    return domain_view(recommender.catalogue)


@router.get("/items/{item_id:path}", summary="One item")
async def item(item_id: Annotated[Id, Path(examples=["42"])], recommender: RecommenderDep) -> ItemView:
    """Title and attributes."""
    found = recommender.catalogue.get(item_id)
    if found is None:
        raise NotFoundError(f"no item {item_id!r} in the catalogue; ingest it first")
    return item_view(found)


def _constraint(wish: FilterBody, catalogue: Catalogue) -> Constraint:
    """A filter that this catalogue can meet: what it does not know is refused, not silently empty."""
    try:
        facet = catalogue.facet(wish.facet)
    except NotFoundError as error:
        raise _bad_filter(str(error)) from error
    is_set = facet.type is FacetType.SET
    if is_set != (wish.op in ("include", "exclude")):
        ops = "include or exclude" if is_set else ">=, <=, > or <"
        raise _bad_filter(f"op {wish.op!r} does not fit the {facet.type.value} facet {facet.name!r}; use {ops}")
    if is_set != isinstance(wish.value, str):
        raise _bad_filter(
            f"value of the {facet.type.value} facet {facet.name!r} must be {'text' if is_set else 'a number'}"
        )
    if is_set and str(wish.value).casefold() not in map(str.casefold, catalogue.facet_values(facet.name)):
        raise _bad_filter(f"facet {facet.name!r} has no such value; GET /v1/domain lists them")
    return Constraint(facet.name, wish.op, wish.value, wish.strength)


def _bad_filter(message: str) -> Problem:
    return Problem(400, message, code="invalid_value", param="filters")
