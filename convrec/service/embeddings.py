"""OpenAI's embeddings, from the text embedder that retrieval uses. Owns no model."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from convrec.retrieval.base import Embedder, Floats
from convrec.service.models import EMBEDDING, no_model
from convrec.service.problems import Problem
from convrec.service.schemas import MAX_TEXT, Id
from convrec.service.slot import RecommenderDep, ServedDep
from convrec.service.stream import while_connected

_MAX_TEXTS = 2_048
_BATCH = 16
"""Texts at once: between batches those who wait for the embedder with a turn have theirs."""

_Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class EmbeddingBody(BaseModel):
    """OpenAI's request."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": EMBEDDING, "input": ["something light", "a long evening"]}]}
    )

    model: str
    input: str | list[str] | list[int] | list[list[int]] = Field(
        description="A text or a list of them. Token ids are refused: they are of another model's tokenizer."
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, description="Must be the embedder's own.")
    user: Id | Literal[""] | None = None

    def texts(self) -> list[str]:
        """The texts.

        Raises:
            Problem: 400, they are token ids, or too many, empty or too long.
        """
        given = [self.input] if isinstance(self.input, str) else self.input
        texts = [text for text in given if isinstance(text, str)]
        if len(texts) < len(given):
            raise _bad(
                "token ids are of a tokenizer that is not this embedder's; send text (in LangChain: "
                "check_embedding_ctx_length=False)"
            )
        if not 1 <= len(texts) <= _MAX_TEXTS:
            raise _bad(f"send 1 to {_MAX_TEXTS} texts, not {len(texts)}")
        if any(not 1 <= len(text) <= MAX_TEXT for text in texts):
            raise _bad(f"every text must have 1 to {MAX_TEXT} characters")
        return texts


class EmbeddingData(BaseModel):
    """One vector, of unit length: numbers, or base64 of little-endian float32."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens of the texts, as the language model's tokenizer counts them."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(BaseModel):
    """OpenAI's answer, in the order of the texts."""

    object: Literal["list"] = "list"
    data: tuple[EmbeddingData, ...]
    model: str
    usage: EmbeddingUsage


router = APIRouter(prefix="/v1", tags=["OpenAI"])


@router.post("/embeddings", summary="Embed texts", response_model=EmbeddingList)
async def embeddings(body: EmbeddingBody, request: Request, served: ServedDep, recommender: RecommenderDep) -> Any:
    """The vectors that retrieval compares texts by; of a text that is too long the beginning is read."""
    if body.model != EMBEDDING:
        raise no_model(body.model, f"embeddings are of {EMBEDDING}")
    embedder, texts = served.slot.embedder, body.texts()
    if embedder is None:
        raise served.slot.not_yet()
    if body.dimensions not in (None, embedder.dimension):
        message = f"dimensions must be {embedder.dimension}, which is what this embedder makes, or left out"
        raise Problem(400, message, code="invalid_value", param="dimensions")
    vectors_N_D = await while_connected(request, _embedded(embedder, texts))
    count = sum(len(recommender.engine.tokenizer.encode(text)) for text in texts)
    return EmbeddingList(
        data=tuple(
            EmbeddingData(
                index=n, embedding=_base64(vector) if body.encoding_format == "base64" else vector.tolist()
            )
            for n, vector in enumerate(vectors_N_D)
        ),
        model=EMBEDDING,
        usage=EmbeddingUsage(prompt_tokens=count, total_tokens=count),
    )


async def _embedded(embedder: Embedder, texts: list[str]) -> Floats:
    """embeddings_N_D."""
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    return np.concatenate([await asyncio.to_thread(embedder.embed, batch) for batch in batches])


def _base64(vector_D: Floats) -> str:
    return base64.b64encode(vector_D.astype("<f4").tobytes()).decode()


def _bad(message: str) -> Problem:
    return Problem(400, message, code="invalid_value", param="input")
