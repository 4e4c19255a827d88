"""ApiClient: convrec's HTTP API as async methods. Owns HTTP and its errors, no page state."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from ui.sse import sse_data
from ui.views import ChatEvent, DomainView, Feedback, PersonView, SlateView, TextDelta

T = TypeVar("T")

_CONNECT_S, _READ_S = 5.0, 120.0
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError)  # what reading a foreign JSON body may raise


class ApiError(Exception):
    """The API refused or failed; the message is for the person at the page."""


class ApiUnavailableError(ApiError):
    """The API is not there, or still starting; trying again later may help."""


class ApiForbiddenError(ApiError):
    """The key may not do that, or there is none."""


class ApiClient:
    """Talks to one API server.

    Args:
        base_url: Where the API is, without /v1.
        key: The API key to present; None where it asks for none.
        transport: How requests travel; for tests.
    """

    def __init__(
        self, base_url: str, *, key: str | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        # trust_env=False: the API is a neighbour; a proxy set for the internet must not see the conversation.
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            headers={} if key is None else {"authorization": f"Bearer {key}"},
            transport=transport,
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def domain(self) -> DomainView:
        """The catalogue's nouns and facets."""
        return await self._call("GET", "/v1/domain", DomainView.read)

    async def users(self, limit: int = 50) -> tuple[tuple[str, int], ...]:
        """(user_id, number of events) of at most `limit` people the ledger knows; () where the key may not ask."""
        try:
            return await self._call("GET", "/v1/users", _read_users, params={"limit": limit})
        except ApiForbiddenError:
            return ()

    async def person(self, user_id: str) -> PersonView:
        """What the system knows about a person; a new one has an empty view."""
        return await self._call("GET", f"/v1/users/{quote(user_id, safe='')}", PersonView.read)

    async def send(self, feedback: Feedback) -> bool:
        """Store one feedback event; it is durable when this returns. False: it was there already."""
        return await self._call("POST", "/v1/feedback", _read_stored, json=feedback.body())

    async def chat(
        self, messages: Sequence[tuple[str, str]], user_id: str, session_id: str | None, shown: Sequence[str]
    ) -> AsyncGenerator[ChatEvent, None]:
        """One turn: the slate as soon as it is known, then the prose piece by piece; closing it cancels the turn.

        Args:
            messages: (role, content), oldest first, the new message last.
            session_id: The conversation; None starts one (the slate names it).
            shown: Names of the attributes wanted on the cards, in order.

        Raises:
            ApiUnavailableError: Nobody answers, or the answer broke off.
            ApiError: The API refused or failed.
        """
        extra = {"user_id": user_id, "session_id": session_id}
        body = {
            "model": "convrec",
            "stream": True,
            "messages": [{"role": role, "content": content} for role, content in messages],
            "convrec": {key: value for key, value in extra.items() if value is not None},
        }
        try:
            async with self._http.stream("POST", "/v1/chat/completions", json=body) as response:
                if response.is_error:
                    await response.aread()
                    raise _error(response)
                async for data in sse_data(response.aiter_bytes()):
                    if data == "[DONE]":
                        return
                    for event in _read_chunk(json.loads(data), shown):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        except _MALFORMED as error:
            raise self._foreign(error) from error
        raise ApiUnavailableError("the answer broke off; try again")

    async def _call(self, method: str, path: str, read: Callable[[Any], T], **request: Any) -> T:
        """One request and what `read` makes of its JSON answer."""
        try:
            response = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _error(response)
        try:
            return read(response.json())
        except _MALFORMED as error:
            raise self._foreign(error) from error

    def _foreign(self, error: Exception) -> ApiError:
        return ApiError(f"{self.base_url} does not speak convrec's API ({error!r}); check --api")

    def _unreachable(self, error: httpx.TransportError) -> ApiUnavailableError:
        what = "took too long" if isinstance(error, httpx.TimeoutException) else "does not answer"
        return ApiUnavailableError(f"The API at {self.base_url} {what}. Is `convrec serve` running?")


def _read_users(body: Any) -> tuple[tuple[str, int], ...]:
    return tuple((str(entry["user_id"]), int(entry["events"])) for entry in body["data"])


def _read_stored(body: Any) -> bool:
    return bool(body["stored"])


def _read_chunk(chunk: dict[str, Any], shown: Sequence[str]) -> list[ChatEvent]:
    """The events of one chat.completion.chunk."""
    if "error" in chunk:
        raise ApiError(str(chunk["error"]["message"]))
    events: list[ChatEvent] = []
    for choice in chunk["choices"]:
        delta = choice["delta"]
        if delta.get("convrec"):
            events.append(SlateView.read(delta["convrec"], shown))
        if delta.get("content"):
            events.append(TextDelta(delta["content"]))
    return events


def _error(response: httpx.Response) -> ApiError:
    """The API's own message where there is one; 502, 503 and 504 may pass."""
    try:
        message = str(response.json()["error"]["message"])
    except _MALFORMED:
        message = f"the API answered {response.status_code}"
    kinds = {
        401: ApiForbiddenError,
        403: ApiForbiddenError,
        502: ApiUnavailableError,
        503: ApiUnavailableError,
        504: ApiUnavailableError,
    }
    return kinds.get(response.status_code, ApiError)(message)
