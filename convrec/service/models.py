"""OpenAI's list of models: convrec itself, what else a turn may ask for (variants.py), and the text embedder."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from convrec.evaluation.online import BASE
from convrec.service.problems import Problem
from convrec.service.slot import RecommenderSlot, Served, ServedDep
from convrec.training.registry import AdapterVersion

MODEL = "convrec"
RANK = "rank"
"""The template that asks for scores."""
EMBEDDING = "convrec-embedding"

_CARD: JsonDict = {
    "id": MODEL,
    "object": "model",
    "created": 1767225600,
    "owned_by": "convrec",
    "root": "SmolLM2-135M-Instruct",
    "parent": None,
}


class ModelCard(BaseModel):
    """A model that clients may name; `root` is what computes, `parent` the model that an adapter adapts."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CARD]})

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "convrec"
    root: str
    parent: str | None = None


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: tuple[ModelCard, ...]


router = APIRouter(prefix="/v1", tags=["OpenAI"])


@router.get("/models", summary="List models")
async def models(served: ServedDep) -> ModelList:
    """The names that requests may ask for.

    `convrec` ranks by whichever adapter is active. Each adapter version that passed its gate and fits this server
    has a card of its own: a request that names one is ranked by it, and by no adapter where it names `base`. So
    have earlier versions of the prompts, `rank.v2` or `reply.v1`. `convrec-embedding` is for /v1/embeddings.
    """
    return ModelList(data=tuple(await _cards(served)))


@router.get("/models/{model_id:path}", summary="Look a model up")
async def model(model_id: str, served: ServedDep) -> ModelCard:
    """One model by its id."""
    for card in await _cards(served):
        if card.id == model_id:
            return card
    raise no_model(model_id)


def no_model(model_id: str, why: str = "GET /v1/models lists those that are") -> Problem:
    """404: nothing of that name can be asked."""
    message = f"the model {model_id[:80]!r} is not served: {why}"
    return Problem(404, message, code="model_not_found", param="model")


async def _cards(served: Served) -> list[ModelCard]:
    started, slot = int(served.info.started), served.slot
    cards = [ModelCard(id=MODEL, created=started, root=served.info.model)]
    if slot.versions is not None:
        cards += [_adapter_card(version) for version in await asyncio.to_thread(slot.versions.servable)]
        names = [BASE, *await asyncio.to_thread(_prompts, slot)]
        cards += [ModelCard(id=name, created=started, root=served.info.model, parent=MODEL) for name in names]
    if slot.embedder is not None:
        cards.append(ModelCard(id=EMBEDDING, created=started, root=served.info.embedder))
    return cards


def _prompts(slot: RecommenderSlot) -> list[str]:
    """The versions of prompts that a request may name, but those that are active. Reads files."""
    if slot.prompts is None:
        return []
    tasks, active = (RANK, slot.get().reply_task), {prompt.name for prompt in slot.prompts.active()}
    return [prompt.name for prompt in slot.prompts.all() if prompt.task in tasks and prompt.name not in active]


def _adapter_card(version: AdapterVersion) -> ModelCard:
    manifest = version.manifest
    return ModelCard(
        id=version.ref.name, created=_seconds(manifest.created), root=manifest.base_model, parent=MODEL
    )


def _seconds(created: str) -> int:
    """ISO 8601 as seconds since the epoch; 0 where a manifest does not say."""
    try:
        time = datetime.fromisoformat(created)
    except ValueError:
        return 0
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
