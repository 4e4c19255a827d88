"""What clients send to convrec's own routes, and the plain answers. Owns the limits of their fields, no logic."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from convrec.types import FeedbackType, Op, Strength

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


class RecommendationBody(Body):
    """Ask for a slate without a conversation."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"user_id": "ann", "k": 5, "query": "something light"},
                {"user_id": "ann", "filters": [{"facet": "year", "op": ">=", "value": 1990}], "exclude": ["42"]},
            ]
        },
    )

    user_id: Id
    k: Length | None = None
    query: Text = ""
    filters: list[FilterBody] = Field(default=[], max_length=50)
    exclude: list[Id] = Field(default=[], max_length=10_000)


class ExplainBody(Body):
    """Ask why an item is shown to a user, or is not; with a session, for what was asked there."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"user_id": "ann", "item_id": "42"}]},
    )

    user_id: Id
    item_id: Id
    session_id: Id | None = None


class FeedbackBody(Body):
    """Say what a person did. The same event_id with the same body may be sent again: it is stored once."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"user_id": "ann", "type": "like", "item_id": "42", "impression_id": "imp-1f0c"},
                {"event_id": "app-7", "user_id": "ann", "type": "rating", "item_id": "42", "rating": 4},
                {"user_id": "ann", "type": "retraction", "retracts": "app-7"},
            ]
        },
    )

    event_id: Id | None = Field(default=None, description="Made by the server when absent.")
    user_id: Id
    type: FeedbackType
    item_id: Id | None = None
    rating: Finite | None = Field(default=None, description="On the domain's rating_scale; only for a rating.")
    text: Text | None = Field(default=None, description="Only for a comment.")
    retracts: Id | None = Field(default=None, description="event_id taken back; only for a retraction.")
    session_id: Id | None = None
    impression_id: Id | None = None
    timestamp: float | None = Field(
        default=None, ge=0, lt=1e11, description="Seconds since the Unix epoch, UTC; now when absent."
    )


class FeedbackAnswer(BaseModel):
    """What became of a feedback event; `stored` is false when the same event was already there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"event_id": "app-7", "stored": True}]})

    event_id: str
    stored: bool


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether slates can be served. Degraded: by retrieval alone, the language model engine is down."""

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

    status: Literal["ready", "degraded", "starting"]
    detail: str
    model: str
    engine: str | None = None
    items: int | None = None
