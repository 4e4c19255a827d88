"""Routes by which clients say what people did: one event or a thousand, and what came last. Owns shapes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Annotated, Literal, Self
from uuid import uuid4

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from convrec.data.catalogue import Catalogue
from convrec.errors import ConvRecError
from convrec.service.feedback import Outcome, record_many, retract_item
from convrec.service.problems import ErrorBody, Problem, problem_of
from convrec.service.routes.refusals import TOO_LARGE, refusals
from convrec.service.schemas import Body, Finite, Id, Text
from convrec.service.slot import RecommenderDep, ServedDep
from convrec.service.views import title_view
from convrec.types import FeedbackEvent, FeedbackType

MAX_EVENTS = 1_000

router = APIRouter()
watching = APIRouter()


class FeedbackBody(Body):
    """Say what a person did. The same event_id with the same body may be sent again: it is stored once."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"user_id": "ann", "type": "like", "item_id": "42", "impression_id": "imp-1f0c"},
                {"event_id": "app-7", "user_id": "ann", "type": "rating", "item_id": "42", "rating": 4},
                {"user_id": "ann", "type": "retraction", "retracts": "app-7"},
                {"user_id": "ann", "type": "prefer", "impression_id": "imp-2e4a"},
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
    impression_id: Id | None = Field(
        default=None,
        description="The slate that it is about. `prefer`: the better one of a contest; `tie`: either of both.",
    )
    timestamp: float | None = Field(
        default=None, ge=0, lt=1e11, description="Seconds since the Unix epoch, UTC; now when absent."
    )

    def event(self) -> FeedbackEvent:
        """As the ledger takes it, dated and named where the client did not."""
        return FeedbackEvent(
            event_id=self.event_id or f"evt-{uuid4().hex}",
            user_id=self.user_id,
            type=self.type,
            timestamp=time.time() if self.timestamp is None else self.timestamp,
            item_id=self.item_id,
            rating=self.rating,
            text=self.text,
            retracts=self.retracts,
            session_id=self.session_id,
            impression_id=self.impression_id,
        )


class FeedbackAnswer(BaseModel):
    """What became of a feedback event; `stored` is false when the same event was already there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"event_id": "app-7", "stored": True}]})

    event_id: str
    stored: bool


class FeedbackBatch(Body):
    """Many events at once, of any users."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "events": [
                        {"event_id": "app-8", "user_id": "ann", "type": "click", "item_id": "42"},
                        {"event_id": "app-9", "user_id": "bob", "type": "seen", "item_id": "7"},
                    ]
                }
            ]
        },
    )

    events: list[FeedbackBody] = Field(min_length=1, max_length=MAX_EVENTS)


class EventOutcome(BaseModel):
    """What became of one event: `duplicate` when the same one was already there, else stored or refused."""

    event_id: str
    status: Literal["stored", "duplicate", "refused"]
    error: ErrorBody | None = None


class BatchAnswer(BaseModel):
    """One outcome per event, in their order, and how many of each."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "stored": 1,
                    "duplicates": 0,
                    "refused": 1,
                    "outcomes": [
                        {"event_id": "app-8", "status": "stored", "error": None},
                        {
                            "event_id": "app-9",
                            "status": "refused",
                            "error": {
                                "message": "no item '7' in the catalogue; ingest it first",
                                "type": "invalid_request_error",
                                "param": None,
                                "code": "not_found",
                            },
                        },
                    ],
                }
            ]
        }
    )

    stored: int
    duplicates: int
    refused: int
    outcomes: Annotated[tuple[EventOutcome, ...], Field(max_length=MAX_EVENTS)]


class StoredFeedback(BaseModel):
    """A feedback event of the ledger; `title` is null where it is about no item."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event_id": "app-7",
                    "user_id": "ann",
                    "type": "rating",
                    "timestamp": 1767225600.0,
                    "item_id": "42",
                    "title": "Alien (1979)",
                    "rating": 4.0,
                    "text": None,
                    "retracts": None,
                    "session_id": None,
                    "impression_id": "imp-1f0c",
                }
            ]
        }
    )

    event_id: str
    user_id: str
    type: FeedbackType
    timestamp: float
    item_id: str | None
    title: str | None
    rating: float | None
    text: str | None
    retracts: str | None
    session_id: str | None
    impression_id: str | None

    @classmethod
    def of(cls, event: FeedbackEvent, catalogue: Catalogue) -> Self:
        """With the title that the catalogue has for its item."""
        title = None if event.item_id is None else title_view(event.item_id, catalogue).title
        return cls(title=title, **asdict(event))


class LatestFeedback(BaseModel):
    """The latest first."""

    data: tuple[StoredFeedback, ...]


@watching.get("/feedback", summary="What people did last", responses=refusals())
async def latest(
    recommender: RecommenderDep, limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = 50
) -> LatestFeedback:
    """The events that were stored last, of everybody, whatever moment they are of."""
    events = await asyncio.to_thread(recommender.ledger.latest_feedback, limit)
    return LatestFeedback(data=tuple(StoredFeedback.of(event, recommender.catalogue) for event in events))


class RetractionBody(Body):
    """Whose word on which item is taken back."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"user_id": "ann", "item_id": "42"}]}
    )

    user_id: Id
    item_id: Id


class RetractionAnswer(BaseModel):
    """The event_ids that no longer count."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"item_id": "42", "retracted": ["app-7"]}]})

    item_id: str
    retracted: tuple[str, ...]


@router.post(
    "/feedback",
    summary="Say what a person did",
    responses=refusals(
        not_yours="It names a slate, an event or a session of somebody else.",
        not_found="The catalogue has no such item.",
        event_conflict="Another event has this event_id.",
    ),
)
async def feedback(body: FeedbackBody, served: ServedDep, recommender: RecommenderDep) -> FeedbackAnswer:
    """Store one event; it is durable when this answers, and the user's next slate takes it into account.

    Sending the same event again is safe (`stored` is false then); another event under the same id is a 409.
    """
    low, high = recommender.catalogue.domain.rating_scale
    if body.rating is not None and not low <= body.rating <= high:
        raise Problem(400, f"rating must be from {low:g} to {high:g}", code="invalid_value", param="rating")
    event = body.event()
    stored = await recommender.record_feedback(event)
    if stored:
        served.metrics.feedback(event, recommender.catalogue.domain.rating_scale)
    return FeedbackAnswer(event_id=event.event_id, stored=stored)


@router.post(
    "/feedback/batch",
    summary="Say what people did, many events at once",
    responses=refusals(request_too_large=TOO_LARGE),
)
async def feedback_batch(body: FeedbackBatch, served: ServedDep, recommender: RecommenderDep) -> BatchAnswer:
    """Store up to 1,000 events; all that are not refused are durable when this answers.

    Each event is judged for itself, as POST /v1/feedback would; the answer is 200 whatever became of them. Fields
    that are malformed refuse the whole batch with 400, and nothing is stored. Sending a batch again is safe where
    every event has an `event_id`.
    """
    events = [sent.event() for sent in body.events]
    outcomes = await asyncio.to_thread(record_many, events, recommender.catalogue, recommender.ledger)
    for event, outcome in zip(events, outcomes, strict=True):
        if outcome is True:
            served.metrics.feedback(event, recommender.catalogue.domain.rating_scale)
    told = tuple(_told(event.event_id, outcome) for event, outcome in zip(events, outcomes, strict=True))
    counts = [outcome.status for outcome in told]
    return BatchAnswer(
        stored=counts.count("stored"),
        duplicates=counts.count("duplicate"),
        refused=counts.count("refused"),
        outcomes=told,
    )


@router.post("/feedback/retractions", summary="Take back what a person said of an item", responses=refusals())
async def retractions(body: RetractionBody, served: ServedDep, recommender: RecommenderDep) -> RetractionAnswer:
    """All feedback of the person on the item that still stands is taken back, durably, as by retractions of each.

    The next slate no longer knows of it. Where nothing stands, nothing happens.
    """
    back = await asyncio.to_thread(retract_item, body.user_id, body.item_id, recommender.ledger, time.time())
    for event in back:
        served.metrics.feedback(event, recommender.catalogue.domain.rating_scale)
    return RetractionAnswer(item_id=body.item_id, retracted=tuple(str(event.retracts) for event in back))


def _told(event_id: str, outcome: Outcome) -> EventOutcome:
    if isinstance(outcome, ConvRecError):
        return EventOutcome(event_id=event_id, status="refused", error=problem_of(outcome).envelope().error)
    return EventOutcome(event_id=event_id, status="stored" if outcome else "duplicate")
