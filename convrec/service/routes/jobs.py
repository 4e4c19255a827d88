"""Routes of trainings: start one, follow it, cancel it. Owns shapes and event stream; jobs.py runs them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from convrec.service.jobs import By, Job, JobEvent, Jobs, Status, TrainingRequest
from convrec.service.routes.refusals import refusals
from convrec.service.schemas import Body, Id
from convrec.service.slot import OfficeDep
from convrec.service.stream import EventStream

JobPath = Annotated[Id, Path(examples=["job-18c0f2a9d3b4e5f6-1a2b3c4d"])]
Size = Annotated[int, Field(ge=1, le=1_000_000)]

_STREAM = """id: 1
event: progress
data: {"step":"Training on 600 examples","fraction":0.25,"what":"loss 0.431, 1.20 examples/s",\
"figures":{"step":150,"loss":0.431,"ndcg":0.86}}

"""

router = APIRouter(tags=["jobs"])


class JobBody(Body):
    """Train an adapter on the ledger and judge it, as `convrec retrain` does; its defaults where left out."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "retrain", "name": "movies", "examples": 600, "judge": 200}]},
    )

    kind: Literal["retrain"]
    name: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Of the adapter.")
    examples: Size | None = Field(default=None, description="At most so many to learn from.")
    judge: Size | None = Field(default=None, description="At most so many to judge by.")
    choose: Size | None = Field(default=None, description="At most so many to choose the best weights by.")
    epochs: Annotated[int, Field(ge=1, le=100)] | None = None
    promote: bool = Field(default=True, description="Make it active where the gate accepts it.")


class JobView(BaseModel):
    """A training. `result` tells version, verdict and figures of one that came to its end, accepted or not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job_id": "job-18c0f2a9d3b4e5f6-1a2b3c4d",
                    "kind": "retrain",
                    "name": "movies",
                    "by": "operator",
                    "status": "running",
                    "started": 1767225600.0,
                    "ended": None,
                    "result": None,
                    "error": None,
                }
            ]
        }
    )

    job_id: str
    kind: Literal["retrain"] = "retrain"
    name: str
    by: By
    status: Status
    started: float
    ended: float | None
    result: dict[str, Any] | None
    error: str | None


class JobsView(BaseModel):
    """The last hundred trainings, latest first."""

    data: tuple[JobView, ...]


@router.post("/jobs", status_code=201, summary="Start a training", responses=refusals(busy="One is under way."))
async def start(body: JobBody, office: OfficeDep) -> JobView:
    """Begins in a process of its own, with less right to the processor; the server follows when it is done.

    One runs at a time, those that the server's own schedule starts included. One that was cancelled or cut short
    goes on where it was when it is started again as it was and the ledger is the same.
    """
    return _view(await office.jobs.start(TrainingRequest(**body.model_dump(exclude={"kind"}))))


@router.get("/jobs", summary="List trainings", responses=refusals())
async def jobs(office: OfficeDep) -> JobsView:
    """What was started over HTTP or by the schedule, and what became of it."""
    return JobsView(data=tuple(_view(job) for job in await asyncio.to_thread(office.jobs.all)))


@router.get("/jobs/{job_id}", summary="One training", responses=refusals(not_found="There is no such job."))
async def job(job_id: JobPath, office: OfficeDep) -> JobView:
    """How it stands."""
    return _view(office.jobs.get(job_id))


@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a training",
    responses={
        **refusals(not_found="There is no such job."),
        200: {
            "description": "Server-sent events: `progress` with `step`, `fraction` in [0, 1] and `what`, while it "
            "trains with `figures` (`step`, `loss`, `ndcg` of the examples that choose), or a `note`; `end` with "
            "the job is the last.",
            "content": {"text/event-stream": {"example": _STREAM}},
        },
    },
    response_class=StreamingResponse,
)
async def events(
    job_id: JobPath,
    office: OfficeDep,
    last_event_id: Annotated[
        int, Header(ge=0, le=10**9, description="The id of the last event that was received.")
    ] = 0,
) -> EventStream:
    """What it says, from its beginning or after `Last-Event-ID`, until it has ended."""
    office.jobs.get(job_id)
    said = office.jobs.events(job_id, last_event_id)
    return EventStream(_sent(said, job_id, office.jobs), said)


@router.delete(
    "/jobs/{job_id}", summary="Cancel a training", responses=refusals(not_found="There is no such job.")
)
async def cancel(job_id: JobPath, office: OfficeDep) -> JobView:
    """Ends its process and waits for it. A training that has ended stays as it is."""
    return _view(await office.jobs.cancel(job_id))


async def _sent(said: AsyncGenerator[JobEvent, None], job_id: str, jobs: Jobs) -> AsyncGenerator[bytes, None]:
    async for event in said:
        yield _event("progress", event.said, f"id: {event.number}\n")
    yield _event("end", _view(jobs.get(job_id)).model_dump(mode="json"))


def _event(name: str, data: Any, number: str = "") -> bytes:
    return f"{number}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode("ascii")


def _view(job: Job) -> JobView:
    return JobView(
        job_id=job.job_id,
        name=job.request.name,
        by=job.by,
        status=job.status,
        started=job.started,
        ended=job.ended,
        result=dict(job.result) if job.result is not None else None,
        error=job.error,
    )
