"""The Ledger: append-only but for erasing a user, durable, idempotent by event_id. Owns storage, no judgement."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, Engine, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from convrec.database import reading, scrub, trouble, writing
from convrec.errors import EventConflictError, LedgerError, NotFoundError
from convrec.ledger.marks import Erasures, mark
from convrec.ledger.migrations import migrate
from convrec.ledger.schema import ERASURE, EVENTS, FEEDBACK, IMPRESSION, REPLY, TURN, from_row, to_row
from convrec.types import ErasureEvent, Event, FeedbackEvent, ImpressionEvent, ReplyEvent, TurnEvent

_EventT = TypeVar("_EventT", FeedbackEvent, TurnEvent, ImpressionEvent, ReplyEvent, ErasureEvent)
_LOOKUP = 1000
_COLUMNS = (EVENTS.c.kind, EVENTS.c.timestamp, EVENTS.c.body)


class Ledger:
    """Events in one table of a database; any number of threads and processes may use it at once.

    An event is stored when `append` or `append_many` returns: with SQLite it then survives kill -9 and power loss.
    Events are the same when everything but their timestamps is equal, and then the first one stays.

    Args:
        database: An engine of convrec.database; SQLite or PostgreSQL. Its tables are made where they are missing,
            and brought up to date where they are of an earlier convrec.

    Raises:
        LedgerError: The database is of another kind, of a newer convrec, or cannot be used.
    """

    def __init__(self, database: Engine) -> None:
        self._insert = _insert_new(database.dialect.name)
        self._database = database
        with _trouble("open"):
            migrate(database)

    def append(self, event: Event) -> bool:
        """Store one event durably.

        Returns:
            True when it was stored, False when the same event is already there.

        Raises:
            DataError: The event lacks what its type needs, or holds what cannot be stored.
            EventConflictError: Another event has this event_id.
            LedgerError: The database failed; the event is not stored.
        """
        return self.append_many((event,)) == 1

    def append_many(self, events: Sequence[Event]) -> int:
        """Store events durably in one transaction, all or none.

        A retraction may come before the event that it takes back; whether that one exists is not checked.

        Args:
            events: In the order they are to be read; the same event may occur twice.

        Returns:
            How many were not there yet.

        Raises: as `append`; then none is stored.
        """
        return len(self.append_new(events))

    def append_new(self, events: Sequence[Event]) -> frozenset[str]:
        """As `append_many`, but tells the event_ids that were not there yet."""
        rows: dict[str, dict[str, Any]] = {}
        for row in map(to_row, events):
            if rows.setdefault(row["event_id"], row)["body"] != row["body"]:
                raise _conflict(row["event_id"])
        if not rows:
            return frozenset()
        with _trouble("write"), writing(self._database) as connection:
            added = set(connection.scalars(self._insert, list(rows.values())))
            known = sorted(rows.keys() - added)
            for start in range(0, len(known), _LOOKUP):
                chunk = EVENTS.c.event_id.in_(known[start : start + _LOOKUP])
                for event_id, *stored in connection.execute(select(EVENTS.c.event_id, *_COLUMNS).where(chunk)):
                    if not _same(rows[event_id], *stored):
                        raise _conflict(event_id)
        return frozenset(added)

    def feedback(self, user_id: str | None = None, since: float | None = None) -> tuple[FeedbackEvent, ...]:
        """Feedback of one user or of all, by timestamp, then in the order of appending.

        Args:
            since: Only what has this timestamp or a later one.
        """
        where = [EVENTS.c.kind == FEEDBACK]
        if since is not None:
            where.append(EVENTS.c.timestamp >= since)
        if user_id is not None:
            where.append(EVENTS.c.user_id == user_id)
        return self._events(FeedbackEvent, where, EVENTS.c.timestamp, EVENTS.c.seq)

    def latest_feedback(self, limit: int) -> tuple[FeedbackEvent, ...]:
        """The feedback that was appended last, the latest first, whatever its timestamps."""
        return self._events(FeedbackEvent, [EVENTS.c.kind == FEEDBACK], EVENTS.c.seq.desc(), limit=limit)

    def replies(self, since: float) -> tuple[ReplyEvent, ...]:
        """Replies of this timestamp or a later one, in the order of appending."""
        return self._events(ReplyEvent, [EVENTS.c.kind == REPLY, EVENTS.c.timestamp >= since], EVENTS.c.seq)

    def turns(self, session_id: str) -> tuple[TurnEvent, ...]:
        """The turns of a session in the order of appending; empty for an unknown session."""
        return self._events(TurnEvent, [EVENTS.c.kind == TURN, EVENTS.c.session_id == session_id], EVENTS.c.seq)

    def session_owner(self, session_id: str) -> str | None:
        """The user_id of a session's first turn; None for an unknown session."""
        query = select(EVENTS.c.user_id).where(EVENTS.c.kind == TURN, EVENTS.c.session_id == session_id)
        with _trouble("read"), self._database.connect() as connection:
            return connection.scalar(query.order_by(EVENTS.c.seq).limit(1))

    def events(
        self, user_id: str, session_id: str | None = None, kinds: Sequence[str] | None = None
    ) -> tuple[Event, ...]:
        """What is stored of a user, in the order of appending: all, or of one session, or of some kinds."""
        where = [EVENTS.c.user_id == user_id]
        if session_id is not None:
            where.append(EVENTS.c.session_id == session_id)
        if kinds is not None:
            where.append(EVENTS.c.kind.in_(kinds))
        query = select(*_COLUMNS).where(*where).order_by(EVENTS.c.seq)
        with _trouble("read"), self._database.connect() as connection:
            rows = connection.execute(query).all()
        return tuple(from_row(*row) for row in rows)

    def impressions(
        self, session_id: str | None = None, user_id: str | None = None, since: float | None = None
    ) -> tuple[ImpressionEvent, ...]:
        """Impressions in the order of appending, of one session, one user, both or all; see feedback."""
        where = [EVENTS.c.kind == IMPRESSION]
        if since is not None:
            where.append(EVENTS.c.timestamp >= since)
        if session_id is not None:
            where.append(EVENTS.c.session_id == session_id)
        if user_id is not None:
            where.append(EVENTS.c.user_id == user_id)
        return self._events(ImpressionEvent, where, EVENTS.c.seq)

    def last_impression(self, session_id: str) -> ImpressionEvent | None:
        """The slate a session showed last; None where it showed none."""
        where = [EVENTS.c.kind == IMPRESSION, EVENTS.c.session_id == session_id]
        found = self._events(ImpressionEvent, where, EVENTS.c.seq.desc(), limit=1)
        return found[0] if found else None

    def get(self, event_id: str) -> Event:
        """The event of an id.

        Raises:
            NotFoundError: There is none.
        """
        with _trouble("read"), self._database.connect() as connection:
            row = connection.execute(select(*_COLUMNS).where(EVENTS.c.event_id == event_id)).first()
        if row is None:
            raise NotFoundError(f"no event {event_id!r} in the ledger; check the id")
        return from_row(*row)

    def users(self, limit: int | None = 100) -> tuple[tuple[str, int], ...]:
        """user_ids with the number of their feedback events, most active first, ties by user_id; None: all."""
        count = func.count()
        query = select(EVENTS.c.user_id, count).where(EVENTS.c.kind == FEEDBACK).group_by(EVENTS.c.user_id)
        # By bytes, as SQLite does: PostgreSQL would sort as a dictionary of its language does.
        postgres = self._database.dialect.name == "postgresql"
        user_id = EVENTS.c.user_id.collate("C") if postgres else EVENTS.c.user_id
        query = query.order_by(count.desc(), user_id).limit(limit)
        with _trouble("read"), self._database.connect() as connection:
            return tuple((user_id, int(n)) for user_id, n in connection.execute(query))

    def erase(self, user_id: str, adapters: Sequence[str] = ()) -> int:
        """Remove everything of a user, durably, from the rows and from the database's files.

        An ErasureEvent that does not name them takes its place, where there was anything or `adapters` names any.
        PostgreSQL's files are its own: it overwrites what was there when it comes to it.

        Args:
            adapters: Labels of the adapter versions that learned from them.

        Returns:
            How many events there were.

        Raises:
            LedgerError: The database failed. Erased again, it is finished.
        """
        known = self.erasures()
        with _trouble("write"), writing(self._database) as connection:
            removed = connection.execute(delete(EVENTS).where(EVENTS.c.user_id == user_id)).rowcount
            if removed or adapters:
                salt = known.salt
                event = ErasureEvent(
                    f"erasure-{uuid4().hex}", mark(user_id, salt), time.time(), salt, removed, tuple(adapters)
                )
                connection.execute(self._insert, [to_row(event)])
        with _trouble("clean the files of"):
            scrub(self._database, EVENTS.name)
        return removed

    def erasures(self) -> Erasures:
        """Who was erased, and when."""
        return Erasures(self._events(ErasureEvent, [EVENTS.c.kind == ERASURE], EVENTS.c.seq))

    def erased_position(self) -> int:
        """The position of the last erasure: what was learned before it is to be learned anew. 0 without one."""
        return self._highest(EVENTS.c.kind == ERASURE)

    def everything(self) -> Iterator[dict[str, Any]]:
        """Every event as it is stored: its body, with kind and timestamp; in the order of appending.

        All of one moment, however long the reading takes.
        """
        query = select(*_COLUMNS).order_by(EVENTS.c.seq)
        with _trouble("read"), reading(self._database) as connection:
            for kind, timestamp, body in connection.execution_options(yield_per=_LOOKUP).execute(query):
                yield {"kind": kind, "timestamp": timestamp, **json.loads(body)}

    def erase_session(self, user_id: str, session_id: str) -> int:
        """Remove a conversation of a user, durably: turns, slates, replies and names. Feedback stays.

        Returns:
            How many events there were.

        Raises:
            LedgerError: The database failed; nothing was removed.
        """
        where = (EVENTS.c.user_id == user_id, EVENTS.c.session_id == session_id, EVENTS.c.kind != FEEDBACK)
        with _trouble("write"), writing(self._database) as connection:
            return connection.execute(delete(EVENTS).where(*where)).rowcount

    def erase_turn(self, user_id: str, session_id: str, turn_id: str) -> int:
        """Remove one turn of a user's conversation, durably: message, slate and reply. Feedback stays.

        Returns:
            How many events there were; 0 where the session has no such turn of theirs.

        Raises:
            LedgerError: The database failed; nothing was removed.
        """
        turn = [
            event.event_id
            for event in self.events(user_id, session_id, (TURN, IMPRESSION, REPLY))
            if turn_id == (event.event_id if isinstance(event, TurnEvent) else getattr(event, "turn_id", None))
        ]
        with _trouble("write"), writing(self._database) as connection:
            return connection.execute(delete(EVENTS).where(EVENTS.c.event_id.in_(turn))).rowcount

    def counts(self) -> dict[str, int]:
        """Events per kind; a kind without events is left out."""
        query = select(EVENTS.c.kind, func.count()).group_by(EVENTS.c.kind)
        with _trouble("read"), self._database.connect() as connection:
            return {kind: int(n) for kind, n in connection.execute(query)}

    def position(self) -> int:
        """The highest seq; 0 for an empty ledger. It grows with what is stored and with every erasure of a user.

        Only erasing a session or a turn may lower it.

        With PostgreSQL a transaction that commits late may add events below it.
        """
        return self._highest()

    def _highest(self, *where: ColumnElement[bool]) -> int:
        with _trouble("read"), self._database.connect() as connection:
            return connection.scalar(select(func.max(EVENTS.c.seq)).where(*where)) or 0

    def _events(
        self,
        kind: type[_EventT],
        where: Sequence[ColumnElement[bool]],
        *order: ColumnElement[Any],
        limit: int | None = None,
    ) -> tuple[_EventT, ...]:
        query = select(*_COLUMNS).where(*where).order_by(*order).limit(limit)
        with _trouble("read"), self._database.connect() as connection:
            rows = connection.execute(query).all()
        return tuple(event for event in (from_row(*row) for row in rows) if isinstance(event, kind))


def _insert_new(dialect: str) -> ReturningInsert[str]:
    """INSERT that skips the event_ids already there and returns the others."""
    if dialect == "sqlite":
        return (
            sqlite.insert(EVENTS).on_conflict_do_nothing(index_elements=["event_id"]).returning(EVENTS.c.event_id)
        )
    if dialect == "postgresql":
        return (
            postgresql.insert(EVENTS)
            .on_conflict_do_nothing(index_elements=["event_id"])
            .returning(EVENTS.c.event_id)
        )
    raise LedgerError(f"no ledger on {dialect}; give a sqlite: or postgresql: URL")


def _same(row: dict[str, Any], kind: str, timestamp: float, body: str) -> bool:
    """Whether a row is what is stored, be that spelled as an earlier convrec spelled it."""
    return bool(body == row["body"] or to_row(from_row(kind, timestamp, body))["body"] == row["body"])


def _conflict(event_id: str) -> EventConflictError:
    return EventConflictError(f"another event has the event_id {event_id!r}; nothing was stored, send a fresh id")


def _trouble(doing: str) -> AbstractContextManager[None]:
    return trouble(f"{doing} the ledger", "check the database and try again")
