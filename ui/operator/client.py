"""OperatorClient: what administrators ask of the API. Owns no key: each call presents the one that it is given."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import httpx

from ui.client import ApiClient, ApiUnavailableError
from ui.operator.views import Activity, Adapter, EventRow, Job, Said, Stats, Verdict
from ui.sse import sse_data

T = TypeVar("T")

_PATIENCE_S = 600.0  # a training may say nothing for so long


class OperatorClient(ApiClient):
    """An ApiClient without a key of its own.

    Every method raises ApiForbiddenError where the key opens no admin route, and the other ApiErrors. A key of ""
    is none, for a server that asks for none.
    """

    async def stats(self, key: str, by: str, since: str) -> Stats:
        """What slates led to, per `adapter` or `prompt` version, since so many days ago."""
        return await self._ask(key, "GET", "/v1/stats", Stats.read, params={"by": by, "since": since})

    async def activity(self, key: str, since: str) -> Activity:
        """What happened over time since so many days ago."""
        return await self._ask(key, "GET", "/v1/activity", Activity.read, params={"since": since})

    async def latest(self, key: str, limit: int) -> tuple[EventRow, ...]:
        """The latest feedback."""
        return await self._ask(key, "GET", "/v1/feedback", EventRow.read_all, params={"limit": limit})

    async def adapters(self, key: str) -> tuple[Adapter, ...]:
        """Every adapter version."""
        return await self._ask(key, "GET", "/v1/adapters", Adapter.read_all)

    async def verdict(self, key: str, label: str) -> Verdict:
        """What the gate said of name/version."""
        return await self._ask(key, "GET", f"/v1/adapters/{label}", Verdict.read)

    async def promote(self, key: str, label: str) -> None:
        """Make name/version the active one."""
        await self._ask(key, "POST", f"/v1/adapters/{label}/promote", dict)

    async def roll_back(self, key: str) -> str:
        """Make active what was before; its name/version, "" for the base model."""
        return await self._ask(key, "POST", "/v1/adapters/rollback", lambda body: str(body["active"] or ""))

    async def jobs(self, key: str) -> tuple[Job, ...]:
        """The last trainings, latest first."""
        return await self._ask(key, "GET", "/v1/jobs", Job.read_all)

    async def train(self, key: str, asked: dict[str, Any]) -> Job:
        """Start a training; see POST /v1/jobs."""
        return await self._ask(key, "POST", "/v1/jobs", Job.read, json={"kind": "retrain", **asked})

    async def cancel(self, key: str, job_id: str) -> Job:
        """End a training."""
        return await self._ask(key, "DELETE", f"/v1/jobs/{job_id}", Job.read)

    async def follow(self, key: str, job_id: str) -> AsyncGenerator[Said | Job, None]:
        """What a training said and says, and last how it ended."""
        timeout = httpx.Timeout(_PATIENCE_S, connect=5.0)
        path = f"/v1/jobs/{job_id}/events"
        try:
            async with self._http.stream("GET", path, headers=_bearer(key), timeout=timeout) as response:
                if response.is_error:
                    raise ApiUnavailableError(f"the API answered {response.status_code}")
                async for data in sse_data(response.aiter_bytes()):
                    told = json.loads(data)
                    yield Job.read(told) if "job_id" in told else Said.read(told)
        except httpx.TransportError as error:
            raise ApiUnavailableError(str(error) or "the connection broke off") from error

    async def _ask(self, key: str, method: str, path: str, read: Callable[[Any], T], **request: Any) -> T:
        return await self._call(method, path, read, headers=_bearer(key), **request)


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}
