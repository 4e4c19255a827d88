"""The SQL connection that ledger and catalogue share; owns its durability settings and no tables.

SQLite runs with WAL and synchronous=FULL: a commit that returned survives kill -9 and power loss
(https://www.sqlite.org/pragma.html#pragma_synchronous). Readers do not wait for writers; writers wait up to 30
seconds for each other, of whatever thread or process. Other databases keep their own defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from convrec.errors import LedgerError


def open_database(url: str) -> Engine:
    """Connect to the database at a SQLAlchemy URL, making a SQLite file's folder where it is missing.

    Raises:
        LedgerError: The URL is malformed or the database cannot be opened.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise LedgerError("the database's URL is malformed; check CONVREC_DATABASE_URL") from error
    try:
        if parsed.get_backend_name() == "sqlite":
            if parsed.database not in (None, "", ":memory:"):
                Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(parsed, connect_args={"timeout": 30}, hide_parameters=True)
            event.listen(engine, "connect", _durable)
        else:
            engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
        with engine.connect():
            return engine
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


def _durable(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
