"""Versions of the ledger's table, run by alembic. Owns which version this convrec knows, no event.

A ledger from before there were versions is adopted: the first revision makes what is missing of it. A revision
says itself what it changes; it reads nothing of schema.py, which goes on changing.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from convrec.database import writing
from convrec.errors import LedgerError

HEAD = "0001"
"""The newest revision; versions/ holds it."""

_TABLE = "ledger_version"
# Of no meaning: processes that open one database take turns by it.
_LOCK = 7_205_759_403
# alembic's `op`, which revisions use, is one for the whole process.
_THREADS = Lock()


def migrate(database: Engine) -> None:
    """Bring a ledger to the newest version; nothing happens where it is there.

    All in one transaction: killed in between, it is as it was. Processes that open one ledger at once wait for
    each other.

    Raises:
        LedgerError: It is of a newer convrec.
        SQLAlchemyError: The database failed.
    """
    with database.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with _THREADS, writing(database) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    """The version of a ledger; None where it has none yet."""
    if not inspect(connection).has_table(_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))
    return found


def _upgrade(connection: Connection) -> None:
    # Here, because nearly always there is nothing to do, and they take a third of a second to import.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    found = _revision(connection)
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise LedgerError(
            f"the ledger is of version {found}, which this convrec does not know (its own is {HEAD}); "
            "open it with the convrec that wrote it, or a newer one"
        )

    def steps(revision: Any, _: Any) -> Any:
        return scripts._upgrade_revs(HEAD, revision)

    with EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection, version_table=_TABLE)
        environment.run_migrations()
