"""Routes about people: who there is, what is known of one, bringing their history in, taking everything out."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from convrec.data.catalogue import Catalogue
from convrec.data.interactions import Interaction, interactions_of
from convrec.data.tables import Row
from convrec.errors import ConvRecError
from convrec.ledger.ledger import Ledger
from convrec.ledger.schema import to_row
from convrec.service.feedback import append_each
from convrec.service.problems import Problem
from convrec.service.routes.refusals import TOO_LARGE, refusals
from convrec.service.schemas import Body, Id
from convrec.service.slot import OfficeDep, RecommenderDep, ServedDep
from convrec.service.views import ProfileView, UsersView, profile_view, users_view
from convrec.types import Event, FeedbackEvent

MAX_ROWS = 5_000

UserPath = Annotated[Id, Path(examples=["ann"])]

reading = APIRouter(tags=["users"])
importing = APIRouter(tags=["users"])
ruling = APIRouter(tags=["users"])


class HistoryRow(Body):
    """One thing the person did elsewhere: a `type` (not a retraction), or a `rating` on the domain's scale.

    Cells are as lax as those of a file: what cannot be read is reported with its row.
    """

    item_id: JsonValue
    type: JsonValue = None
    rating: JsonValue = None
    timestamp: JsonValue = Field(default=None, description="Seconds since the Unix epoch, or ISO 8601.")
    text: JsonValue = Field(default=None, description="Of a comment.")
    event_id: JsonValue = Field(default=None, description="Made from the row's content when absent.")


class HistoryBody(Body):
    """A person's history, from elsewhere."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "rows": [
                        {"item_id": "42", "rating": 4, "timestamp": 1700000000},
                        {"item_id": "7", "type": "purchase", "timestamp": "2024-05-01T10:00:00Z"},
                    ]
                }
            ]
        },
    )

    rows: list[HistoryRow] = Field(min_length=1, max_length=MAX_ROWS)


class BadRow(BaseModel):
    """A row that was left out; the first is row 1."""

    row: int
    reason: str


class HistoryAnswer(BaseModel):
    """Rows that are stored now, rows that were stored already, and those left out with the reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"stored": 1, "duplicates": 0, "bad": [{"row": 2, "reason": "item '7' is not in the catalogue"}]}
            ]
        }
    )

    stored: int
    duplicates: int
    bad: tuple[BadRow, ...]


class ExportView(BaseModel):
    """Everything that the ledger holds of a person, in the order of storing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "ann",
                    "events": [
                        {
                            "kind": "feedback",
                            "timestamp": 1700000000.0,
                            "event_id": "app-7",
                            "user_id": "ann",
                            "type": "like",
                            "item_id": "42",
                        }
                    ],
                }
            ]
        }
    )

    user_id: str
    events: list[dict[str, Any]]


class ErasedView(BaseModel):
    """How many events were removed, and the adapters that learned from them: the next training removes those."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "ann", "events": 17, "adapters": ["films/3"]}]}
    )

    user_id: str
    events: int
    adapters: tuple[str, ...]


@ruling.get("/users", summary="List users", responses=refusals())
async def users(
    recommender: RecommenderDep, limit: Annotated[int, Query(ge=1, le=1000, examples=[50])] = 100
) -> UsersView:
    """Users that have given feedback, most active first."""
    return users_view(await asyncio.to_thread(recommender.ledger.users, limit))


@importing.post(
    "/users/{user_id:path}/history",
    summary="Bring a person's history in",
    responses=refusals(request_too_large=TOO_LARGE),
)
async def history(
    user_id: UserPath, body: HistoryBody, served: ServedDep, recommender: RecommenderDep
) -> HistoryAnswer:
    """Up to 5,000 rows, as `convrec ingest` reads a file of interactions. Durable when this answers.

    Rows that cannot be used are reported and left out, the others are stored; sending all of it again changes
    nothing. The next slate of the person takes it into account.
    """
    if user_id != user_id.strip():
        # A row's cells are stripped: this would become somebody else's history.
        message = "the user_id begins or ends with a space; histories are imported under ids without"
        raise Problem(400, message, code="invalid_value", param="user_id")
    rows = [row.model_dump() | {"user_id": user_id} for row in body.rows]
    answer, new = await asyncio.to_thread(_import, rows, recommender.catalogue, recommender.ledger)
    for event in new:
        served.metrics.feedback(event, recommender.catalogue.domain.rating_scale)
    return answer


# Before the profile's route, which would take "/export" for a part of the id.
@ruling.get("/users/{user_id:path}/export", summary="Take everything of a person out", responses=refusals())
async def export(user_id: UserPath, recommender: RecommenderDep) -> ExportView:
    """Every event of the ledger: feedback, messages, replies, slates with their scores, names of sessions.

    Of a person who is not known this is nothing.
    """
    events = await asyncio.to_thread(recommender.ledger.events, user_id)
    return ExportView(user_id=user_id, events=[_plain(event) for event in events])


@reading.get("/users/{user_id:path}", summary="What is known and believed of a user", responses=refusals())
async def user(user_id: UserPath, recommender: RecommenderDep) -> ProfileView:
    """History, likes, dislikes and what they imply. Everybody may be new: an unknown user is `known: false`."""
    return profile_view(await recommender.user(user_id), recommender.catalogue)


@ruling.delete("/users/{user_id:path}", summary="Erase a person", responses=refusals())
async def erase(user_id: UserPath, office: OfficeDep) -> ErasedView:
    """Remove everything of a person, durably, as `convrec erase` does: ledger, API keys, files of the data folder.

    An index without them follows within seconds. Erasing somebody unknown removes nothing.
    """
    done = await asyncio.to_thread(office.erase, user_id)
    return ErasedView(user_id=user_id, events=done.events, adapters=done.adapters)


def _import(
    rows: list[dict[str, Any]], catalogue: Catalogue, ledger: Ledger
) -> tuple[HistoryAnswer, list[FeedbackEvent]]:
    numbered = (Row(number, cells, typed=True) for number, cells in enumerate(rows, start=1))
    sound: list[Interaction] = []
    bad: list[BadRow] = []
    for read in interactions_of(numbered, "rows", catalogue.domain, catalogue):
        if isinstance(read, Interaction):
            sound.append(read)
        else:
            bad.append(BadRow(row=read.line, reason=read.reason))
    outcomes = append_each(ledger, [interaction.event for interaction in sound])
    for interaction, outcome in zip(sound, outcomes, strict=True):
        if isinstance(outcome, ConvRecError):
            bad.append(BadRow(row=interaction.line, reason=str(outcome)))
    new = [interaction.event for interaction, outcome in zip(sound, outcomes, strict=True) if outcome is True]
    bad.sort(key=lambda row: row.row)
    return HistoryAnswer(stored=len(new), duplicates=outcomes.count(False), bad=tuple(bad)), new


def _plain(event: Event) -> dict[str, Any]:
    row = to_row(event)
    body: dict[str, Any] = json.loads(row["body"])
    return {"kind": row["kind"], "timestamp": row["timestamp"], **body}
