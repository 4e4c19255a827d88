"""POST /v1/recommendations: a slate without a conversation, by one version or by two. Owns which filters hold."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field

from convrec.data.catalogue import Catalogue
from convrec.errors import NotFoundError
from convrec.service.models import MODEL
from convrec.service.problems import Problem
from convrec.service.requests import RecommendRequest
from convrec.service.routes.refusals import refusals
from convrec.service.schemas import Body, FilterBody, Id, Length, Text
from convrec.service.slot import RecommenderDep, ServedDep
from convrec.service.stream import while_connected
from convrec.service.variants import Variant, variant
from convrec.service.views import SlateView, slate_view
from convrec.types import Constraint, Contest, FacetType

MAX_CANDIDATES = 200
_NAMED = 10
"""So many unknown candidates are named in the message."""

router = APIRouter(tags=["recommendations"])


ModelName = Annotated[str, Field(min_length=1, max_length=256)]


class RecommendationBody(Body):
    """Ask for a slate without a conversation."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"user_id": "ann", "k": 5, "query": "something light"},
                {"user_id": "ann", "filters": [{"facet": "year", "op": ">=", "value": 1990}], "exclude": ["42"]},
                {"user_id": "ann", "candidates": ["7", "42", "99"], "explain": False},
                {"user_id": "ann", "interleave": ["convrec", "base"]},
            ]
        },
    )

    user_id: Id
    k: Length | None = Field(
        default=None, description="Length of the slate; all candidates that pass, where these are given."
    )
    query: Text = Field(default="", description="Words, understood like a message.")
    filters: list[FilterBody] = Field(default=[], max_length=50)
    exclude: list[Id] = Field(default=[], max_length=10_000, description="Items that must not come.")
    candidates: Annotated[list[Id], Field(min_length=1, max_length=MAX_CANDIDATES)] | None = Field(
        default=None,
        description="Rank just these items, what the person already knows among them; `exclude`, required filters "
        "and what the words rule out still take items away. Their order does not matter.",
    )
    explain: bool = Field(default=True, description="False: no evidence is looked for, `why` is empty.")
    model: ModelName = Field(default=MODEL, description="What ranks; GET /v1/models lists the names.")
    interleave: Annotated[list[ModelName], Field(min_length=2, max_length=2)] | None = Field(
        default=None,
        description="Two models instead of `model`: they put items on one slate in turns, `contest` says which "
        "put which, and what is clicked compares them. Such slates count for no other figure.",
    )


@router.post("/recommendations", summary="A slate without a conversation", responses=refusals())
async def recommendations(
    body: RecommendationBody, request: Request, served: ServedDep, recommender: RecommenderDep
) -> SlateView:
    """Rank for a user, with words, filters and given candidates where asked. The impression is in the ledger."""
    asked = RecommendRequest(
        user_id=body.user_id,
        k=body.k,
        query=body.query,
        constraints=tuple(_constraint(wish, recommender.catalogue) for wish in body.filters),
        exclude=frozenset(body.exclude),
        candidates=None if body.candidates is None else _known(body.candidates, recommender.catalogue),
        explain=body.explain,
    )
    async with AsyncExitStack() as stack:
        named = [
            await stack.enter_async_context(variant(model, body.user_id, recommender, served.slot))
            for model in body.interleave or [body.model]
        ]
        made = await while_connected(request, recommender.recommend(_by(named, asked)))
    served.metrics.slate(made)
    return slate_view(made, recommender.catalogue)


def _by(named: list[Variant], asked: RecommendRequest) -> RecommendRequest:
    """The request, ranked by one version or by two."""
    if len(named) == 1:
        return replace(asked, version=named[0].version)
    first, second = named
    if first.name == second.name or first.reply or second.reply:
        raise Problem(
            400,
            f"{first.name} and {second.name} do not rank differently; name two that do",
            code="invalid_value",
            param="interleave",
        )
    contest = Contest(f"con-{uuid4().hex}", (first.name, second.name))
    return replace(asked, version=first.version, rival=second.version, contest=contest)


def _known(item_ids: list[str], catalogue: Catalogue) -> frozenset[str]:
    unknown = [item_id for item_id in item_ids if item_id not in catalogue]
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        named = ", ".join(map(repr, unknown[:_NAMED]))
        message = f"not in the catalogue: {named}{more}; leave them out, or PUT /v1/items/ID first"
        raise Problem(400, message, code="invalid_value", param="candidates")
    return frozenset(item_ids)


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
