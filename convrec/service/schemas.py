"""What the shapes of several routes are made of, with their limits, and the plain answers. Owns no logic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from convrec.types import Op, Strength

MAX_K = 20
MAX_TEXT = 20_000  # characters of one message
MAX_MESSAGES = 1000  # of one conversation that is sent along

# Printable, so that ids survive logs, headers and every database.
Id = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]
# JSON can spell halves of characters, which no encoding takes; the pattern is what makes pydantic look.
Whole = StringConstraints(pattern=r"^[\s\S]*$")
Length = Annotated[int, Field(ge=1, le=MAX_K)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Body(BaseModel):
    """A request of convrec's own: unknown keys are refused, so that a typo is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class FilterBody(Body):
    """A wish on a facet; GET /v1/domain lists facets and values."""

    facet: str = Field(max_length=256)
    op: Op
    value: Finite | Annotated[str, StringConstraints(max_length=256)]
    strength: Strength = "must"


class ExplainBody(Body):
    """Ask why an item is shown to a user, or is not; with a session, for what was asked there."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"user_id": "ann", "item_id": "42"}]},
    )

    user_id: Id
    item_id: Id
    session_id: Id | None = None


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether slates can be served. Degraded: by retrieval alone, the language model engine is down; or, with 503,
    not at all, the ledger fails. Draining: those under way are finished."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ready",
                    "detail": "model loaded",
                    "engine": "transformers",
                    "model": "SmolLM2-135M-Instruct",
                    "items": 1682,
                }
            ]
        }
    )

    status: Literal["ready", "degraded", "starting", "draining"]
    detail: str
    model: str
    engine: str | None = None
    items: int | None = None
