"""Routes of conversations: list them, read one, name it, take a wish back, delete it. Owns the shapes.

Each asks for the user it is about: a session of one user is never shown, changed or deleted under another's id.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from convrec.data.catalogue import Catalogue
from convrec.service.routes.refusals import refusals
from convrec.service.schemas import Body, Finite, Id
from convrec.service.sessions import Exchange, Sessions
from convrec.service.slot import RecommenderDep
from convrec.service.views import ConstraintView, ItemView, MentionView, shown_view
from convrec.types import Constraint, FeedbackType, Op, SessionState

SessionPath = Annotated[Id, Path(examples=["ses-1f0c"])]
TurnPath = Annotated[Id, Path(examples=["turn-1f0c"])]
UserQuery = Annotated[Id, Query(description="Whose session it is.", examples=["ann"])]

router = APIRouter(tags=["sessions"])
_ABSENT = "This user has no such session."


class SessionView(BaseModel):
    """A conversation in a list; `title` is its name, else how its first message begins."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "session_id": "ses-1f0c",
                    "title": "something like Alien but funnier",
                    "turns": 2,
                    "started": 1767225600.0,
                    "latest": 1767225660.0,
                }
            ]
        },
    )

    session_id: str
    title: str
    turns: int
    started: float
    latest: float


class SessionsView(BaseModel):
    """A user's conversations, the latest first; `total` counts all."""

    data: tuple[SessionView, ...]
    total: int


class StateView(BaseModel):
    """What the conversation has established: the next turn begins with it."""

    model_config = ConfigDict(from_attributes=True)

    query: str
    k: int | None
    mentions: tuple[MentionView, ...]
    constraints: tuple[ConstraintView, ...]


class GivenView(BaseModel):
    """Feedback on an item of a slate, as it stands."""

    model_config = ConfigDict(from_attributes=True)

    event_id: str
    type: FeedbackType
    item_id: str | None
    timestamp: float


class ExchangeView(BaseModel):
    """One turn; no slate where none could be made, no reply where none was streamed."""

    turn_id: str
    timestamp: float
    message: str
    impression_id: str | None
    slate: tuple[ItemView, ...]
    feedback: tuple[GivenView, ...]
    degraded: bool
    adapter: str | None
    reply: str | None


class SessionDetail(SessionView):
    """A whole conversation."""

    user_id: str
    exchanges: tuple[ExchangeView, ...]
    state: StateView


class RenameBody(Body):
    """The name of a conversation."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"title": "Friday night"}]})

    title: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\S.*$")]


class DropBody(Body):
    """One of the state's constraints."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"facet": "genre", "op": "include", "value": "Horror"}]}
    )

    facet: Annotated[str, StringConstraints(max_length=256)]
    op: Op
    value: Finite | Annotated[str, StringConstraints(max_length=256)]


class TurnDeleted(BaseModel):
    """How many events of it were removed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"turn_id": "turn-1f0c", "events": 3}]})

    turn_id: str
    events: int


class SessionDeleted(BaseModel):
    """How many events of it were removed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"session_id": "ses-1f0c", "events": 6}]})

    session_id: str
    events: int


async def _sessions(recommender: RecommenderDep) -> Sessions:
    return Sessions(recommender.ledger)


SessionsDep = Annotated[Sessions, Depends(_sessions)]


@router.get("/sessions", summary="List a user's conversations", responses=refusals())
async def sessions(
    user_id: UserQuery,
    kept: SessionsDep,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
) -> SessionsView:
    """The latest first. Of somebody unknown there are none."""
    found = await asyncio.to_thread(kept.of, user_id)
    page = found[offset : offset + limit]
    return SessionsView(data=tuple(SessionView.model_validate(one) for one in page), total=len(found))


@router.get("/sessions/{session_id:path}", summary="One conversation", responses=refusals(not_found=_ABSENT))
async def session(
    session_id: SessionPath, user_id: UserQuery, kept: SessionsDep, recommender: RecommenderDep
) -> SessionDetail:
    """Messages, replies, slates with titles, and the state that the next turn begins with."""
    found = await asyncio.to_thread(kept.get, user_id, session_id)
    summary = found.summary
    return SessionDetail(
        session_id=summary.session_id,
        title=summary.title,
        turns=summary.turns,
        started=summary.started,
        latest=summary.latest,
        user_id=user_id,
        exchanges=tuple(_exchange(one, recommender.catalogue) for one in found.exchanges),
        state=_state(found.state),
    )


@router.patch("/sessions/{session_id:path}", summary="Name a conversation", responses=refusals(not_found=_ABSENT))
async def rename(session_id: SessionPath, user_id: UserQuery, body: RenameBody, kept: SessionsDep) -> SessionView:
    """The name is durable when this answers."""
    return SessionView.model_validate(await asyncio.to_thread(kept.rename, user_id, session_id, body.title))


# Before the session's route, which would take "/turns/..." for a part of the id.
@router.delete(
    "/sessions/{session_id:path}/turns/{turn_id}",
    summary="Take a message back",
    responses=refusals(not_found="This user has no such session, or it has no such turn."),
)
async def take_back(
    session_id: SessionPath, turn_id: TurnPath, user_id: UserQuery, kept: SessionsDep
) -> TurnDeleted:
    """Removes the message, its slate and its reply; what the message said of items is taken back."""
    events = await asyncio.to_thread(kept.take_back, user_id, session_id, turn_id)
    return TurnDeleted(turn_id=turn_id, events=events)


@router.delete(
    "/sessions/{session_id:path}", summary="Delete a conversation", responses=refusals(not_found=_ABSENT)
)
async def delete(session_id: SessionPath, user_id: UserQuery, kept: SessionsDep) -> SessionDeleted:
    """Removes its messages, replies, slates and name from the ledger. Feedback that was given in it stays."""
    events = await asyncio.to_thread(kept.erase, user_id, session_id)
    return SessionDeleted(session_id=session_id, events=events)


@router.post(
    "/sessions/{session_id:path}/constraints/drop",
    summary="Take a wish back",
    responses=refusals(not_found="This user has no such session, or its state has no such constraint."),
)
async def drop(session_id: SessionPath, user_id: UserQuery, body: DropBody, kept: SessionsDep) -> StateView:
    """Removes one constraint of the conversation's state, durably; answers with the state that is left."""
    wish = Constraint(body.facet, body.op, body.value, "must")
    return _state(await asyncio.to_thread(kept.drop, user_id, session_id, wish))


def _exchange(exchange: Exchange, catalogue: Catalogue) -> ExchangeView:
    shown = exchange.impression
    return ExchangeView(
        turn_id=exchange.turn.event_id,
        timestamp=exchange.turn.timestamp,
        message=exchange.turn.message,
        impression_id=shown.event_id if shown else None,
        slate=tuple(shown_view(item_id, catalogue) for item_id in shown.slate) if shown else (),
        feedback=tuple(GivenView.model_validate(event) for event in exchange.feedback),
        degraded=shown.degraded if shown else False,
        adapter=shown.adapter if shown else None,
        reply=exchange.reply.text if exchange.reply else None,
    )


def _state(state: SessionState) -> StateView:
    return StateView.model_validate(state)
