"""Owns the backup: ledger and catalogue of one moment in one SQLite file, whatever database they are kept in.

So a backup of SQLite can be restored into PostgreSQL, and the other way round. What is made of them (index, blend)
is made anew; adapters are files already.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, func, insert, select, text

from convrec.data.catalogue import TABLES, CatalogueStore
from convrec.database import open_database, reading, scrub, trouble, writing
from convrec.durable import publish
from convrec.errors import DataError
from convrec.ledger.ledger import Ledger
from convrec.ledger.marks import Erasures
from convrec.ledger.schema import EVENTS, to_row

_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Copied:
    """How many events and items a backup or a restore copied."""

    events: int
    items: int


def backup(database: Engine, file: Path) -> Copied:
    """Write a backup; whoever uses the database goes on meanwhile.

    Args:
        file: There in one rename, when it is whole.

    Raises:
        DataError: The file is there already, or cannot be written.
        LedgerError: The database failed.
    """
    if file.exists():
        raise DataError(f"{file} is there already; name another file, or remove it")
    _with_tables(database)
    staging = file.with_name(f"{file.name}.staging")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        staging.unlink(missing_ok=True)
        with _trouble("back up"), _opened(staging) as copy:
            with reading(database) as source, writing(copy) as target:
                copied = _copy(source, target)
            # One file, not a log beside it.
            with copy.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        publish(staging, file)
    except OSError as error:
        raise DataError(f"cannot write {file}: {error.strerror}; name another file") from error
    finally:
        for left in file.parent.glob(f"{staging.name}*"):
            left.unlink()
    return copied


def restore(database: Engine, file: Path, *, replace: bool = False) -> Copied:
    """Put a backup in a database's place, all or nothing; a running server goes on with what it finds there.

    People who were erased since the backup was made stay erased.

    Args:
        replace: Whether a ledger that has events may be replaced.

    Raises:
        DataError: The file is no backup, or the ledger has events and `replace` is False.
        LedgerError: The backup is of a newer convrec, or the database failed; nothing has changed.
    """
    ledger = _with_tables(database)
    with tempfile.TemporaryDirectory() as folder:
        # A copy: opening a backup of an earlier version brings it up to date.
        copy = Path(folder) / "backup.db"
        try:
            shutil.copyfile(file, copy)
        except OSError as error:
            raise DataError(
                f"cannot read {file}: {error.strerror}; name a file that convrec backup wrote"
            ) from error
        with _backup(copy, file) as source, _trouble("restore"), writing(database) as target:
            held = target.scalar(select(func.count()).select_from(EVENTS)) or 0
            if held and not replace:
                raise DataError(f"the ledger has {held:,} events; to lose them for those of {file}, add --replace")
            erased = ledger.erasures()
            for table in (EVENTS, *TABLES):
                target.execute(delete(table))
            copied = _copy(source, target)
            _go_on(target)
            _erase_again(target, erased)
    if erased.events:
        with _trouble("clean the files of"):
            scrub(database, EVENTS.name)
    return copied


def _with_tables(database: Engine) -> Ledger:
    CatalogueStore(database)
    return Ledger(database)


def _copy(source: Connection, target: Connection) -> Copied:
    counts = []
    for table in (EVENTS, *TABLES):
        rows = source.execution_options(yield_per=_CHUNK).execute(select(table).order_by(*table.primary_key))
        counts.append(0)
        for chunk in rows.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in chunk])
            counts[-1] += len(chunk)
    return Copied(counts[0], counts[1])


def _go_on(target: Connection) -> None:
    """Let PostgreSQL number the next event higher than any before; SQLite does by itself."""
    if target.dialect.name == "postgresql":
        name = target.scalar(text("SELECT pg_get_serial_sequence('events', 'seq')"))
        highest = f"SELECT greatest(max(seq), (SELECT last_value FROM {name})) FROM events"
        target.execute(text(f"SELECT setval('{name}', ({highest}))"))


def _erase_again(target: Connection, erased: Erasures) -> None:
    if not erased.events:
        return
    for user_id in list(target.scalars(select(EVENTS.c.user_id).distinct())):
        at = erased.at(user_id)
        if at is not None:
            target.execute(delete(EVENTS).where(EVENTS.c.user_id == user_id, EVENTS.c.timestamp <= at))
    known = set(target.scalars(select(EVENTS.c.event_id).where(EVENTS.c.kind == "erasure")))
    for event in erased.events:
        if event.event_id not in known:
            target.execute(insert(EVENTS), [to_row(event)])


@contextmanager
def _opened(file: Path) -> Iterator[Engine]:
    """A SQLite file with the tables of a ledger and a catalogue."""
    database = open_database(f"sqlite:///{file}")
    try:
        _with_tables(database)
        yield database
    finally:
        database.dispose()


@contextmanager
def _backup(copy: Path, file: Path) -> Iterator[Connection]:
    """A connection to a backup that is whole."""
    try:
        with closing(sqlite3.connect(copy)) as bare:
            sound = bare.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            there = bare.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (EVENTS.name,)).fetchone()
    except sqlite3.DatabaseError as error:
        raise DataError(f"{file} is no backup, or damaged ({error}); use another one") from error
    if not (sound and there):
        raise DataError(f"{file} is {'no backup' if sound else 'damaged'}; use another one")
    with _opened(copy) as database, reading(database) as connection:
        yield connection


def _trouble(doing: str) -> AbstractContextManager[None]:
    return trouble(f"{doing} the ledger", "check the disk")
