"""The SQL connection that ledger and catalogue share; owns its durability settings and no tables.

SQLite runs with WAL and synchronous=FULL: a commit that returned survives kill -9 and power loss
(https://www.sqlite.org/pragma.html#pragma_synchronous). Readers do not wait for writers; writers wait up to 30
seconds for each other, of whatever thread or process; what is deleted is overwritten. PostgreSQL keeps its own
settings, whose defaults (fsync and synchronous_commit on) promise the same of commits.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from convrec.errors import LedgerError

_PATIENCE_S = 30.0
_INSTALL = "for PostgreSQL: pip install 'convrec[postgres]'"


def open_database(url: str) -> Engine:
    """Connect to the database at a SQLAlchemy URL, making a SQLite file's folder where it is missing.

    Raises:
        LedgerError: The URL is malformed or the database cannot be opened.
    """
    try:
        parsed = _with_driver(make_url(url))
    except ArgumentError as error:
        raise LedgerError("the database's URL is malformed; check CONVREC_DATABASE_URL") from error
    try:
        if parsed.get_backend_name() == "sqlite":
            if parsed.database not in (None, "", ":memory:"):
                Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(parsed, connect_args={"timeout": _PATIENCE_S}, hide_parameters=True)
            event.listen(engine, "connect", durable)
        else:
            engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
        with engine.connect():
            return engine
    except ModuleNotFoundError as error:
        raise LedgerError(f"a database of {parsed.drivername} needs a driver ({error}); {_INSTALL}") from error
    except (SQLAlchemyError, ImportError, OSError) as error:
        shown = parsed.render_as_string(hide_password=True)
        raise LedgerError(f"cannot open the database {shown}: {error}; check CONVREC_DATABASE_URL") from error


@contextmanager
def writing(database: Engine) -> Iterator[Connection]:
    """A write transaction: committed at the end, rolled back when an error leaves it.

    SQLite's write lock is taken at its start, not at its first write: what it reads before it writes stays true.
    """
    with database.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


@contextmanager
def reading(database: Engine) -> Iterator[Connection]:
    """A read transaction: all that is read in it is of one moment, whatever is written meanwhile."""
    with database.connect() as connection:
        if connection.dialect.name == "sqlite":
            # The driver begins transactions for writes alone.
            connection.exec_driver_sql("BEGIN")
        else:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def trouble(doing: str, remedy: str) -> Iterator[None]:
    """Tells what fails in the driver's own words: SQLAlchemy's carry the statement, of any length.

    Args:
        doing: What could not be done ("read the ledger").
        remedy: What to do then.

    Raises:
        LedgerError: The database failed.
    """
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise LedgerError(f"cannot {doing}: {cause}; {remedy}") from error


@contextmanager
def transaction(database: Engine, verb: Literal["open", "read", "write"], what: str) -> Iterator[Connection]:
    """A transaction on the tables of something, committed at the end.

    Raises:
        LedgerError: The database failed.
    """
    with (
        trouble(f"{verb} {what}", "check the database and its disk"),
        writing(database) if verb == "write" else database.begin() as connection,
    ):
        yield connection


def scrub(database: Engine, table: str) -> None:
    """Let what was deleted leave the database's files too, as far as they are ours.

    SQLite: the file is written anew without it, and the log is emptied; others may read and write meanwhile, but a
    reader that does not end within half a minute is an error. PostgreSQL keeps its own files: it is told to reuse
    the space of one table.

    Raises:
        SQLAlchemyError: The database failed, or is full.
        LedgerError: A reader does not end.
    """
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql(f"VACUUM {table}")
            return
        connection.exec_driver_sql("VACUUM")
        deadline = time.monotonic() + _PATIENCE_S
        while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
            if time.monotonic() > deadline:
                raise LedgerError(
                    "the database is being read and keeps a log of what was deleted; end long reads (an export, a "
                    "backup) and erase again"
                )
            time.sleep(0.1)


def _with_driver(url: URL) -> URL:
    """psycopg 3 for a PostgreSQL URL that names no driver; "postgres" is what others call it."""
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgres", "postgresql") else url


def durable(connection: Any, _record: Any) -> None:
    """Give a SQLite connection of the driver the settings that the head of this file promises."""
    cursor = connection.cursor()
    _keep_log(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _keep_log(cursor: Any) -> None:
    """Turn WAL on. Of several that do so together on a new file some are told that it is locked: SQLite waits
    for nobody who may wait for it (https://www.sqlite.org/c3ref/busy_handler.html).
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
