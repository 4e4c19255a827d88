"""Gate: lets in who has a key that opens the route and speaks for whom the request names. Owns no key, no table.

Everything that asks "may they?" of a request happens here, before a route sees it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convrec.service import access
from convrec.service.access import PERSONAL, Named
from convrec.service.keys import ApiKey, KeyStore
from convrec.service.keys import Scope as KeyScope
from convrec.service.limits import RateLimits, Standing
from convrec.service.problems import Problem


@dataclass(frozen=True, slots=True)
class Access:
    """What a gate goes by.

    Args:
        keys: The keys; while none was ever made, everybody on this machine may do everything.
        owner: Whose a session is; None for a session that nobody began.
        key_rate: Requests per minute of a key that has no rate of its own; 0 for no limit.
        user_rate: Requests per minute that speak for one person, whatever the key; 0 for no limit.
        origins: Origins of web pages that may call the API.
    """

    keys: KeyStore
    owner: Callable[[str], str | None]
    key_rate: int = 0
    user_rate: int = 0
    origins: Collection[str] = ()


class Gate:
    """ASGI middleware around all routes.

    Args:
        app: What it surrounds.
        access: What it goes by.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._limits = RateLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route, params = _route(scope)
        path, needed = getattr(route, "path", ""), access.scope_of(route)
        key = None if needed is KeyScope.OPEN else await asyncio.to_thread(self._key, Headers(scope=scope))
        if key is None:
            await self._app(scope, receive, send)
            return
        scope["key"] = key.prefix  # for the log
        if route is not None and needed not in key.scopes:
            raise _forbidden(
                f"this needs the scope {needed} and the key has {_list(key.scopes)}; use another key, or have one "
                f"made with --scopes {needed}",
                "insufficient_scope",
            )
        standings = self._take(f"key {key.prefix}", key.rate or self._access.key_rate, "this key")
        held = await _whole(receive)
        body = _json(held)
        people = access.named(params, parse_qs(scope["query_string"].decode("latin-1")), body)
        if not key.speaks_for_everybody:
            await asyncio.to_thread(self._require, key, people)
            if path in PERSONAL and isinstance(body, dict) and not access.named({}, {}, body).users:
                # So that every client of OpenAI's API can be given to a person, with a key of their own.
                body[PERSONAL[path]] = person = _only_person(key, PERSONAL[path])
                people, held = replace(people, users=people.users | {person}), [_message(body)]
        for user_id in sorted(people.users):
            standings += self._take(f"user {user_id}", self._access.user_rate, "this person")
        await self._app(scope, _replayed(held, receive), _telling(send, standings))

    def _key(self, headers: Headers) -> ApiKey | None:
        """The key of a request; None where no key was ever made and the request is from this machine."""
        given = headers.getlist("authorization")
        if len(given) > 1:
            raise Problem(400, "there is more than one Authorization header; send one", code="invalid_header")
        scheme, _, secret = (given or [""])[0].partition(" ")
        bearer = secret.strip() if scheme.casefold() == "bearer" else ""
        key = self._access.keys.find(bearer) if bearer else None
        if key is not None:
            return key
        if self._access.keys.exist():
            what = "this API key is not known, or was revoked" if bearer else "this server asks for an API key"
            raise Problem(
                401,
                f"{what}; send a good one as `Authorization: Bearer KEY` (made by: convrec keys create)",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        origin = headers.get("origin")
        if not access.is_local(headers.get("host", ""), None if origin in self._access.origins else origin):
            raise _forbidden(
                "without API keys this server answers this machine alone, by the name localhost or 127.0.0.1; "
                "make a key (convrec keys create) to be reached by another name or from other pages",
                "not_local",
            )
        return None

    def _require(self, key: ApiKey, people: Named) -> None:
        """Refuse a request that names somebody, or somebody's session, whom the key does not speak for."""
        owners = {self._access.owner(session_id) for session_id in people.sessions} - {None}
        if not all(key.speaks_for(user_id) for user_id in people.users):
            raise _forbidden(
                f"this key does not speak for a user that the request names; it speaks for {_list(key.users)}",
                "user_not_allowed",
            )
        if not all(key.speaks_for(str(owner)) for owner in owners):
            raise _forbidden(
                "this session is of a user whom this key does not speak for; begin another", "user_not_allowed"
            )

    def _take(self, name: str, per_minute: int, whose: str) -> tuple[Standing, ...]:
        """Count a request; nothing where there is no limit."""
        if not per_minute:
            return ()
        standing = self._limits.take(name, per_minute)
        if standing.wait_s:
            raise Problem(
                429,
                f"{whose} may make {per_minute} requests per minute; ask again in {standing.wait_s:.1f} seconds",
                code="rate_limit_exceeded",
                headers=standing.headers(),
            )
        return (standing,)


def _route(scope: Scope) -> tuple[BaseRoute | None, Mapping[str, Any]]:
    """The route that will answer and its parameters; None where none will. Notes it for the log."""
    routes: list[BaseRoute] = scope["app"].routes
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.FULL:
            scope["route"] = route
            return route, child.get("path_params", {})
    return None, {}


async def _whole(receive: Receive) -> list[Message]:
    """The messages that a request's body comes in."""
    held = [await receive()]
    while held[-1]["type"] == "http.request" and held[-1].get("more_body", False):
        held.append(await receive())
    return held


def _json(messages: Sequence[Message]) -> object:
    """What a body says, None where it cannot be read: the route will say so."""
    try:
        return json.loads(b"".join(message.get("body", b"") for message in messages))
    except (ValueError, RecursionError):
        return None


def _message(body: object) -> Message:
    return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}


def _replayed(messages: Sequence[Message], receive: Receive) -> Receive:
    """A receive that gives these messages first."""
    held = deque(messages)

    async def replayed() -> Message:
        return held.popleft() if held else await receive()

    return replayed


def _only_person(key: ApiKey, field: str) -> str:
    if key.person is None:
        raise _forbidden(
            f"say for whom: this key speaks for {_list(key.users)}; name one of them in `{field}`",
            "user_not_allowed",
        )
    return key.person


def _telling(send: Send, standings: tuple[Standing, ...]) -> Send:
    """The same send, with the headers of the limit that is nearest."""
    if not standings:
        return send
    told = min(standings, key=lambda standing: (standing.remaining, -standing.reset_s)).headers()

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(told)
        await send(message)

    return telling


def _forbidden(message: str, code: str) -> Problem:
    return Problem(403, message, code=code)


def _list(words: Collection[str]) -> str:
    shown = sorted(words)
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
