"""POST /v1/recommendations: a slate without a conversation. Owns which filters a catalogue can meet."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field

from convrec.data.catalogue import Catalogue
from convrec.errors import NotFoundError
from convrec.service.problems import Problem
from convrec.service.requests import RecommendRequest
from convrec.service.routes.refusals import refusals
from convrec.service.schemas import Body, FilterBody, Id, Length, Text
from convrec.service.slot import RecommenderDep, ServedDep
from convrec.service.stream import while_connected
from convrec.service.views import SlateView, slate_view
from convrec.types import Constraint, FacetType

MAX_CANDIDATES = 200
_NAMED = 10
"""So many unknown candidates are named in the message."""

router = APIRouter(tags=["recommendations"])


class RecommendationBody(Body):
    """Ask for a slate without a conversation."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"user_id": "ann", "k": 5, "query": "something light"},
                {"user_id": "ann", "filters": [{"facet": "year", "op": ">=", "value": 1990}], "exclude": ["42"]},
                {"user_id": "ann", "candidates": ["7", "42", "99"], "explain": False},
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
        version=served.slot.experiment.version(body.user_id),
    )
    made = await while_connected(request, recommender.recommend(asked))
    served.metrics.slate(made)
    return slate_view(made, recommender.catalogue)


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
