"""Which scope opens a route, and whom a request speaks for: pure functions. Owns no HTTP.

A route without a scope is an administrator's: what was forgotten is closed, and a test fails for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from convrec.errors import SettingsError
from convrec.service.keys import Scope

PERSONAL: Mapping[str, str] = {
    "/v1/chat/completions": "user",
    "/v1/responses": "user",
    "/v1/recommendations": "user_id",
    "/v1/explain": "user_id",
    "/v1/feedback": "user_id",
}
"""Paths of the requests that act for somebody, and where their bodies name them first."""

_DOCUMENTS = frozenset({"/openapi.json", "/docs", "/docs/oauth2-redirect"})  # the framework's own routes
_USERS = ("user_id", "user", "safety_identifier")
_NOBODY = "\0"  # no user_id holds it


@dataclass(frozen=True, slots=True)
class Named:
    """Who and what a request names, wherever it does: a name that would lose to another counts too.

    Args:
        users: user_ids.
        sessions: session_ids.
    """

    users: frozenset[str]
    sessions: frozenset[str]


def scope_of(route: BaseRoute | None) -> Scope:
    """The scope of a route, which is one of its tags; an administrator's where none or several are."""
    if getattr(route, "path", "") in _DOCUMENTS:
        return Scope.OPEN
    scopes = {Scope(tag) for tag in getattr(route, "tags", ()) if tag in set(Scope)}
    return scopes.pop() if len(scopes) == 1 else Scope.ADMIN


def named(path_params: Mapping[str, Any], query: Mapping[str, list[str]], body: object) -> Named:
    """Whom a request names in its path, query and body: there, in `convrec`, in the entries of its lists.

    What stands where a user_id should and is none is somebody whom no key names.
    """
    users, sessions = set[str](), set[str]()
    for part in _parts(path_params, query, body):
        given = [part[name] for name in _USERS if part.get(name) not in (None, "")]
        users |= {value if isinstance(value, str) else _NOBODY for value in given}
        if isinstance(session := part.get("session_id"), str) and session:
            sessions.add(session)
    return Named(frozenset(users), frozenset(sessions))


def _parts(
    path_params: Mapping[str, Any], query: Mapping[str, list[str]], body: object
) -> Iterator[Mapping[str, Any]]:
    yield path_params
    for name, values in query.items():
        yield from ({name: value} for value in values)
    if isinstance(body, dict):
        yield body
        lists = [value for value in body.values() if isinstance(value, list)]
        if isinstance(extra := body.get("convrec"), dict):
            yield extra
    else:
        lists = [body] if isinstance(body, list) else []
    for entries in lists:
        yield from (entry for entry in entries if isinstance(entry, dict))


def is_loopback(host: str) -> bool:
    """Whether only this machine can mean a host by its name or address ("localhost", "127.0.0.1", "::1")."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_loopback(host: str) -> None:
    """Refuse to listen for others while there is no key.

    Raises:
        SettingsError: Others than this machine could reach the host.
    """
    if not is_loopback(host):
        raise SettingsError(
            f"listening on {host} lets everybody who reaches it in; make an API key first: convrec keys create "
            "--users '*' (or listen on 127.0.0.1)"
        )


def is_local(host: str, origin: str | None) -> bool:
    """Whether a request was meant for this machine by this machine.

    A web page from elsewhere can reach a loopback port, by a name of its own that resolves to it or across
    origins; its Host or Origin gives it away.

    Args:
        host: The Host header.
        origin: The Origin header, which browsers send along; None without one.
    """
    return all(is_loopback(_hostname(url)) for url in (f"//{host}", origin) if url is not None)


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
