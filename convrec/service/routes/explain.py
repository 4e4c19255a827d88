"""POST /v1/explain: why an item is shown, or is not. Owns no reason."""

from __future__ import annotations

from fastapi import APIRouter, Request

from convrec.service.routes.refusals import refusals
from convrec.service.schemas import ExplainBody
from convrec.service.slot import RecommenderDep
from convrec.service.stream import while_connected
from convrec.service.views import ExplanationView, explanation_view

router = APIRouter(tags=["recommendations"])


@router.post(
    "/explain", summary="Why this item, or why not", responses=refusals(not_found="There is no such item.")
)
async def explain(body: ExplainBody, request: Request, recommender: RecommenderDep) -> ExplanationView:
    """Score one item as a slate would now: its rank, what bars it, and the evidence for it with its weights.

    The `effect` of a history item is how far the score falls when it is left out. Nothing is shown or stored.
    """
    made = await while_connected(request, recommender.explain(body.user_id, body.item_id, body.session_id))
    return explanation_view(body.user_id, body.session_id, made, recommender.catalogue)
