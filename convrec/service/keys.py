"""API keys: who may do what, and for whom. Owns their table, beside the ledger's, and no HTTP.

A key is 256 random bits and only its SHA-256 is stored: nobody can get it back, a look-up tells nothing by the
time it takes, and a copy of the database opens no door. A revoked key stays listed, so that a server whose last
key was revoked is closed and not open.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    Column,
    Double,
    Engine,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.schema import CreateTable

from convrec.database import transaction
from convrec.errors import DataError, NotFoundError

EVERYBODY = "*"

_MARK = "convrec-"  # lets people and secret scanners see what it is
_SHOWN = len(_MARK) + 8

_WHAT = "the API keys"

_KEYS = Table(
    "api_keys",
    MetaData(),
    Column("digest", Text, primary_key=True),
    Column("prefix", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("users", Text, nullable=False),
    Column("rate", Integer),
    Column("created", Double, nullable=False),
    Column("revoked", Double),
)


class Scope(StrEnum):
    """What a route is for; a key opens the routes of its scopes and no others."""

    OPEN = "open"
    CHAT = "chat"
    FEEDBACK = "feedback"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, all but itself.

    Args:
        prefix: Its beginning, which names it.
        name: What the operator calls it.
        scopes: What it may do.
        users: user_ids that it may speak for; one that ends in * stands for all that begin so, EVERYBODY for all.
        rate: Requests per minute; the server's own limit where None.
        created, revoked: Seconds since the epoch; revoked is None while it is good.
    """

    prefix: str
    name: str
    scopes: frozenset[Scope]
    users: frozenset[str]
    rate: int | None
    created: float
    revoked: float | None = None

    @property
    def speaks_for_everybody(self) -> bool:
        """Whether it may act for anybody."""
        return EVERYBODY in self.users

    @property
    def person(self) -> str | None:
        """The one person that it speaks for; None where that may be another."""
        only = next(iter(self.users)) if len(self.users) == 1 else None
        return None if only is None or only.endswith(EVERYBODY) else only

    def speaks_for(self, user_id: str) -> bool:
        """Whether it may act for a person."""
        begin = tuple(name.removesuffix(EVERYBODY) for name in self.users if name.endswith(EVERYBODY))
        return user_id in self.users or user_id.startswith(begin)


class KeyStore:
    """The keys in a database; any number of processes may use it at once, and all see a change at once.

    Args:
        database: An engine of convrec.database. The table is made where it is missing.

    Raises:
        LedgerError: The database cannot be used (from every method).
    """

    def __init__(self, database: Engine) -> None:
        self._database = database
        with transaction(self._database, "open", _WHAT) as connection:
            connection.execute(CreateTable(_KEYS, if_not_exists=True))

    def create(
        self, scopes: Collection[Scope], users: Collection[str], *, name: str = "", rate: int | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key.

        Args:
            rate: Requests per minute, at least 1; None takes the server's own limit.

        Returns:
            What is stored of it, and the key itself, which cannot be had again.

        Raises:
            DataError: It would open nothing, speak for nobody, or look after everybody while it speaks for some.
        """
        _check(scopes, users, rate)
        secret = _MARK + secrets.token_urlsafe(32)
        key = ApiKey(secret[:_SHOWN], name, frozenset(scopes), frozenset(users), rate, time.time())
        row = {
            "digest": _digest(secret),
            "prefix": key.prefix,
            "name": key.name,
            "scopes": ",".join(sorted(key.scopes)),
            "users": json.dumps(sorted(key.users)),
            "rate": key.rate,
            "created": key.created,
        }
        with transaction(self._database, "write", _WHAT) as connection:
            connection.execute(insert(_KEYS).values(row))
        return key, secret

    def find(self, secret: str) -> ApiKey | None:
        """The good key that a client presents; None where there is none or it is revoked."""
        digest = _digest(secret)
        with transaction(self._database, "read", _WHAT) as connection:
            row = connection.execute(select(_KEYS).where(_KEYS.c.digest == digest)).first()
        if row is None or row.revoked is not None or not hmac.compare_digest(row.digest, digest):
            return None
        return _key(row)

    def every(self) -> tuple[ApiKey, ...]:
        """Every key, the oldest first, with those that are revoked."""
        with transaction(self._database, "read", _WHAT) as connection:
            return tuple(map(_key, connection.execute(select(_KEYS).order_by(_KEYS.c.created, _KEYS.c.prefix))))

    def exist(self) -> bool:
        """Whether a key was ever made: from then on every request needs one."""
        with transaction(self._database, "read", _WHAT) as connection:
            return connection.execute(select(_KEYS.c.prefix).limit(1)).first() is not None

    def revoke(self, prefix: str) -> ApiKey:
        """End a key; revoking it again changes nothing.

        Raises:
            NotFoundError: No key begins so.
        """
        named = _KEYS.c.prefix == prefix
        with transaction(self._database, "write", _WHAT) as connection:
            connection.execute(update(_KEYS).where(named, _KEYS.c.revoked.is_(None)).values(revoked=time.time()))
            row = connection.execute(select(_KEYS).where(named)).first()
        if row is None:
            raise NotFoundError(f"no key {prefix!r}; convrec keys list shows how keys begin")
        return _key(row)

    def forget(self, user_id: str) -> int:
        """Take a person out of every key; one that then speaks for nobody is revoked.

        Returns:
            How many keys named them.
        """
        with transaction(self._database, "write", _WHAT) as connection:
            named = [row for row in connection.execute(select(_KEYS)) if user_id in json.loads(row.users)]
            for row in named:
                users = [user for user in json.loads(row.users) if user != user_id]
                values: dict[str, Any] = {"users": json.dumps(users)}
                if not users and row.revoked is None:
                    values["revoked"] = time.time()
                connection.execute(update(_KEYS).where(_KEYS.c.digest == row.digest).values(values))
        return len(named)


def _check(scopes: Collection[Scope], users: Collection[str], rate: int | None) -> None:
    if not scopes or Scope.OPEN in scopes:
        raise DataError("a key needs scopes; give some of chat, feedback, admin")
    if not users or not all(user.strip() for user in users):
        raise DataError("a key speaks for somebody; give user_ids, or * for everybody")
    if Scope.ADMIN in scopes and EVERYBODY not in users:
        raise DataError("an admin key sees everybody; give it the users *, or leave the scope admin out")
    if rate is not None and rate < 1:
        raise DataError(f"a rate of {rate} requests per minute lets nothing through; give at least 1")


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        prefix=row.prefix,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes.split(","))),
        users=frozenset(json.loads(row.users)),
        rate=row.rate,
        created=row.created,
        revoked=row.revoked,
    )
