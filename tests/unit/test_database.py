import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest
from sqlalchemy import Engine, text

from convrec.database import durable, open_database, writing
from convrec.errors import LedgerError


@pytest.fixture
def database(tmp_path: Path) -> Engine:
    engine = open_database(f"sqlite:///{tmp_path / 'new' / 'folder' / 'some.db'}")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (0)"))
    yield engine
    engine.dispose()


def _n(database: Engine) -> int:
    with database.connect() as connection:
        return connection.scalar(text("SELECT n FROM t"))


def test_commits_are_durable_against_power_loss(database: Engine) -> None:
    with database.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # FULL


def test_a_file_that_is_locked_while_its_log_is_turned_on_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    # As SQLite answers where each of two would wait for the other: at once, whatever the timeout.
    late = sqlite3.connect(path, timeout=0)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as early, closing(late):
        early.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            late.execute("PRAGMA journal_mode=WAL")
        release = Timer(0.3, early.execute, ("ROLLBACK",))
        release.start()
        durable(late, None)
        release.join()
        assert late.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_a_write_transaction_read_stays_true_until_it_commits(database: Engine) -> None:
    def increment(_: int) -> None:
        with writing(database) as connection:
            n = connection.scalar(text("SELECT n FROM t"))
            connection.execute(text("UPDATE t SET n = :n"), {"n": n + 1})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(increment, range(200)))
    assert _n(database) == 200


def test_an_error_rolls_everything_back_and_frees_the_lock(database: Engine) -> None:
    def fail() -> None:
        with writing(database) as connection:
            connection.execute(text("UPDATE t SET n = 7"))
            connection.execute(text("CREATE TABLE u (n INTEGER)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with writing(database) as connection:
        connection.execute(text("CREATE TABLE u (n INTEGER)"))
    assert _n(database) == 0


def test_readers_do_not_wait_for_a_writer(database: Engine) -> None:
    with writing(database) as connection:
        connection.execute(text("UPDATE t SET n = 7"))
        assert _n(database) == 0
    assert _n(database) == 7


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////dev/null/ledger.db", "nodialect://ann:secret@host/db"])
def test_a_database_that_cannot_be_opened_says_which_setting_to_check(url: str) -> None:
    with pytest.raises(LedgerError, match="CONVREC_DATABASE_URL") as caught:
        open_database(url)
    assert "secret" not in str(caught.value)
