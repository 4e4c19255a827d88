"""The SQL connection that ledger and catalogue share; owns its durability settings and no tables.

SQLite runs with WAL and synchronous=FULL: a commit that returned survives kill -9 and power loss
(https://www.sqlite.org/pragma.html#pragma_synchronous). A transaction takes the write lock at its first INSERT,
UPDATE or DELETE (BEGIN IMMEDIATE) and waits up to 30 seconds for other writers; begun without it, a
transaction that read before it wrote would fail at once instead of waiting. Other databases keep their defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
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
        if parsed.get_backend_name() == "sqlite":
            if parsed.database not in (None, "", ":memory:"):
                Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(
                parsed, connect_args={"timeout": 30, "isolation_level": "IMMEDIATE"}, hide_parameters=True
            )
            event.listen(engine, "connect", _durable)
        else:
            engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
        with engine.connect():
            return engine
    except (ArgumentError, SQLAlchemyError, ImportError, OSError) as error:
        raise LedgerError(f"cannot open the database {url}: {error}; check CONVREC_DATABASE_URL") from error


def _durable(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
