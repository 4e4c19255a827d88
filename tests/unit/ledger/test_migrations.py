from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from convrec.database import open_database
from convrec.errors import LedgerError
from convrec.ledger import migrations
from convrec.ledger.ledger import Ledger
from convrec.ledger.schema import EVENTS as TABLE
from convrec.testing.ledger import EVENTS

# The table as convrec made it before ledgers had versions, less an index: its making was cut short.
UNVERSIONED = {
    "sqlite": "seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, timestamp DOUBLE NOT NULL",
    "postgresql": "seq BIGSERIAL NOT NULL PRIMARY KEY, timestamp DOUBLE PRECISION NOT NULL",
}
COLUMNS = (
    "event_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, user_id TEXT NOT NULL, session_id TEXT, item_id TEXT, "
    "type TEXT, body TEXT NOT NULL"
)


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def shape(database: Engine) -> object:
    """What alembic finds different from the schema, and the indexes, which it cannot always compare."""
    with database.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), TABLE.metadata)
        indexes = {index["name"] for index in inspect(connection).get_indexes("events")}
    strangers = [d for d in differences if not (d[0] == "remove_table" and d[1].name == "ledger_version")]
    return strangers, {index.name for index in TABLE.indexes} <= indexes


def test_a_new_ledger_is_as_the_schema_says(database: Engine) -> None:
    Ledger(database)
    assert shape(database) == ([], True)


def test_a_ledger_from_before_versions_is_adopted_whole(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text(f"CREATE TABLE events ({UNVERSIONED[database.dialect.name]}, {COLUMNS})"))
        connection.execute(text("CREATE INDEX events_kind ON events (kind, timestamp)"))
    # The rows of that time are those of today.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convrec.ledger.ledger.migrate", lambda database: None)
        Ledger(database).append_many(EVENTS)
    adopted = Ledger(database)
    assert tuple(adopted.get(event.event_id) for event in EVENTS) == EVENTS
    assert adopted.append_many(EVENTS) == 0
    assert shape(database) == ([], True)


def test_a_newer_ledger_is_refused_and_left_as_it_is(database: Engine) -> None:
    Ledger(database).append_many(EVENTS)
    with database.begin() as connection:
        connection.execute(text("UPDATE ledger_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match=r"version 9999.*a newer one"):
        Ledger(database)
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM events")) == len(EVENTS)
        assert connection.scalar(text("SELECT version_num FROM ledger_version")) == "9999"


def test_a_migration_that_is_cut_short_leaves_nothing(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("alembic.op.create_index", fail)
    with pytest.raises(ZeroDivisionError):
        Ledger(database)
    assert inspect(database).get_table_names() == []


def test_many_open_a_new_ledger_at_once(database_url: str) -> None:
    def open_one(_: int) -> int:
        engine = open_database(database_url)
        try:
            return Ledger(engine).append_many(EVENTS)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(open_one, range(8))) == len(EVENTS)


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD
