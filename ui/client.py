"""ApiClient: convrec's HTTP API as async methods. Owns HTTP and its errors, no page state."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from ui.chat.past import ConversationView, PastConversation, WishView
from ui.person.views import ImportView, PersonView
from ui.sse import sse_data
from ui.views import (
    CardView,
    ChatEvent,
    DomainView,
    EvidenceView,
    Feedback,
    SlateView,
    TextDelta,
)
from ui.words import ENGLISH, Words, words

T = TypeVar("T")

_CONNECT_S, _READ_S = 5.0, 120.0
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError)  # what reading a foreign JSON body may raise


class ApiError(Exception):
    """The API refused or failed; the message is for the person at the page.

    Args:
        message: The API's own, or in English.
        key: Of the words that say it in the person's language; "" where only the message does.
        facts: What fills them.
    """

    def __init__(self, message: str, key: str = "", **facts: str) -> None:
        super().__init__(message)
        self._key, self._facts = key, facts

    def told(self, say: Words) -> str:
        """The message in a language, where it is not the API's own."""
        return say(self._key, **self._facts) if self._key else str(self)


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
        return await self._call("GET", _user(user_id), PersonView.read)

    async def starters(self, user_id: str, k: int, shown: Sequence[str]) -> tuple[CardView, ...]:
        """k popular and unlike items that a person has not met."""
        query = {"user_id": user_id, "k": k}
        read = partial(_read_cards, shown=shown)
        return await self._call("GET", "/v1/items/starters", read, params=query)

    async def retract(self, user_id: str, item_id: str) -> None:
        """Take back all that a person said of an item."""
        body = {"user_id": user_id, "item_id": item_id}
        await self._call("POST", "/v1/feedback/retractions", _read_nothing, json=body)

    async def evidence(self, user_id: str, item_id: str, session_id: str | None) -> tuple[EvidenceView, ...]:
        """What speaks for an item now, measured anew; in a conversation, for what was asked there."""
        body = {"user_id": user_id, "item_id": item_id, **({"session_id": session_id} if session_id else {})}
        return await self._call("POST", "/v1/explain", _read_evidence, json=body)

    async def bring(self, user_id: str, rows: Sequence[dict[str, str]]) -> ImportView:
        """Import a history's rows; see POST /v1/users/{id}/history."""
        return await self._call("POST", f"{_user(user_id)}/history", ImportView.read, json={"rows": list(rows)})

    async def everything(self, user_id: str) -> Any:
        """All that is stored of a person, as JSON."""
        return await self._call("GET", f"{_user(user_id)}/export", _read_nothing)

    async def forget(self, user_id: str) -> int:
        """Remove everything of a person; how many events there were."""
        return await self._call("DELETE", _user(user_id), _read_events)

    # --- conversations -------------------------------------------------------------------------------------

    async def conversations(self, user_id: str, limit: int) -> tuple[tuple[ConversationView, ...], int]:
        """A person's conversations, the latest first, and how many there are."""
        query: dict[str, str | int] = {"user_id": user_id, "limit": limit}
        return await self._call("GET", "/v1/sessions", _read_conversations, params=query)

    async def conversation(self, user_id: str, session_id: str, shown: Sequence[str]) -> PastConversation:
        """One conversation with all that was said and shown."""
        return await self._of("GET", user_id, session_id, read=partial(PastConversation.read, shown=shown))

    async def rename(self, user_id: str, session_id: str, title: str) -> None:
        """Name a conversation."""
        await self._of("PATCH", user_id, session_id, read=_read_nothing, json={"title": title})

    async def delete(self, user_id: str, session_id: str) -> None:
        """Remove a conversation; feedback given in it stays."""
        await self._of("DELETE", user_id, session_id, read=_read_nothing)

    async def take_back(self, user_id: str, session_id: str, turn_id: str) -> None:
        """Remove a turn of a conversation, as if its message had not been."""
        await self._of("DELETE", user_id, session_id, f"/turns/{quote(turn_id, safe='')}", read=_read_nothing)

    async def drop(self, user_id: str, session_id: str, wish: WishView) -> tuple[WishView, ...]:
        """Take a wish of a conversation back; those that are left."""
        body = {"facet": wish.facet, "op": wish.op, "value": wish.value}
        return await self._of("POST", user_id, session_id, "/constraints/drop", read=_read_state, json=body)

    async def _of(
        self,
        method: str,
        user_id: str,
        session_id: str,
        rest: str = "",
        *,
        read: Callable[[Any], T],
        **request: Any,
    ) -> T:
        path = f"/v1/sessions/{quote(session_id, safe='')}{rest}"
        return await self._call(method, path, read, params={"user_id": user_id}, **request)

    # --- saying and asking ---------------------------------------------------------------------------------

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
        raise ApiUnavailableError(words(ENGLISH)("trouble.broke_off"), "trouble.broke_off")

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
        text = words(ENGLISH)("trouble.foreign", url=self.base_url)
        return ApiError(f"{text} ({error!r})", "trouble.foreign", url=self.base_url)

    def _unreachable(self, error: httpx.TransportError) -> ApiUnavailableError:
        key = "trouble.slow" if isinstance(error, httpx.TimeoutException) else "trouble.absent"
        return ApiUnavailableError(words(ENGLISH)(key, url=self.base_url), key, url=self.base_url)


def _user(user_id: str) -> str:
    return f"/v1/users/{quote(user_id, safe='')}"


def _read_nothing(body: Any) -> Any:
    return body


def _read_cards(body: Any, shown: Sequence[str]) -> tuple[CardView, ...]:
    return tuple(CardView.read(entry, shown) for entry in body["data"])


def _read_state(body: Any) -> tuple[WishView, ...]:
    return tuple(WishView.read(entry) for entry in body["constraints"])


def _read_events(body: Any) -> int:
    return int(body["events"])


def _read_evidence(body: Any) -> tuple[EvidenceView, ...]:
    return tuple(EvidenceView.read(entry) for entry in body["evidence"])


def _read_conversations(body: Any) -> tuple[tuple[ConversationView, ...], int]:
    return tuple(ConversationView.read(entry) for entry in body["data"]), int(body["total"])


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
