import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from convrec.data.catalogue import CatalogueStore
from convrec.database import open_database
from convrec.errors import DataError, LedgerError
from convrec.ledger.ledger import Ledger
from convrec.service.backup import Copied, backup, restore
from convrec.testing.ledger import EVENTS, LIKE, RATING
from convrec.testing.recommender import wine_list

WINES = wine_list()


@pytest.fixture
def database(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def filled(database: Engine) -> Engine:
    store = CatalogueStore(database)
    store.upsert(list(WINES.values()))
    store.set_domain("wines")
    Ledger(database).append_many(EVENTS)
    return database


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A second database, of each kind."""
    postgres = request.param == "postgresql"
    url = request.getfixturevalue("postgres").new_database() if postgres else f"sqlite:///{tmp_path / 'target.db'}"
    engine = open_database(url)
    yield engine
    engine.dispose()


def test_a_backup_restores_everything_from_each_database_into_each(
    filled: Engine, target: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "backup.db"
    assert backup(filled, file) == Copied(len(EVENTS), len(WINES))
    assert [path.name for path in tmp_path.glob("backup.db*")] == ["backup.db"]
    assert restore(target, file) == Copied(len(EVENTS), len(WINES))
    ledger = Ledger(target)
    assert list(ledger.everything()) == list(Ledger(filled).everything())
    store = CatalogueStore(target)
    assert store.domain_name == "wines"
    assert store.load(WINES.domain).fingerprint == WINES.fingerprint
    before = ledger.position()
    assert ledger.append(replace(LIKE, event_id="later"))
    assert ledger.position() > before


def test_a_ledger_that_has_events_is_not_overwritten_unless_told(filled: Engine, tmp_path: Path) -> None:
    ledger, file = Ledger(filled), tmp_path / "backup.db"
    backup(filled, file)
    later = replace(LIKE, event_id="later")
    ledger.append(later)
    before = ledger.position()
    with pytest.raises(DataError, match="--replace"):
        restore(filled, file)
    assert ledger.get("later") == later
    restore(filled, file, replace=True)
    assert len(list(ledger.everything())) == len(EVENTS)
    ledger.append(later)
    assert ledger.position() > before, "positions are not given out again"


def test_a_backup_is_of_one_moment_while_others_write(database: Engine, tmp_path: Path) -> None:
    ledger, stop = Ledger(database), threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            ledger.append_many([replace(LIKE, event_id=f"{n}-{part}") for part in "abc"])
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        files = [tmp_path / f"{n}.db" for n in range(3)]
        counts = [backup(database, file).events for file in files]
    finally:
        stop.set()
        writer.join()
    assert all(count % 3 == 0 for count in counts)
    assert counts == sorted(counts)
    copy = open_database(f"sqlite:///{files[-1]}")
    assert len(Ledger(copy).feedback()) == counts[-1]
    copy.dispose()


def test_who_was_erased_since_the_backup_stays_erased(filled: Engine, tmp_path: Path) -> None:
    ledger, file = Ledger(filled), tmp_path / "backup.db"
    backup(filled, file)
    ledger.erase("ann")
    erasures = [event.event_id for event in ledger.erasures().events]
    restore(filled, file, replace=True)
    assert not any(b'"ann"' in path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    assert not ledger.feedback("ann")
    assert not ledger.turns("s1")
    assert [event.event_id for event in ledger.erasures().events] == erasures
    assert ledger.get("comment-1").user_id == "bob"


def test_a_killed_restore_changes_nothing(filled: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "backup.db"
    backup(filled, file)
    Ledger(filled).append(replace(RATING, event_id="later"))
    before = list(Ledger(filled).everything())

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("convrec.service.backup._erase_again", fail)
    with pytest.raises(ZeroDivisionError):
        restore(filled, file, replace=True)
    assert list(Ledger(filled).everything()) == before


def test_what_is_no_backup_is_refused_and_changes_nothing(filled: Engine, tmp_path: Path) -> None:
    whole = tmp_path / "backup.db"
    backup(filled, whole)
    with pytest.raises(DataError, match="there already"):
        backup(filled, whole)
    with pytest.raises(DataError, match="cannot write"):
        backup(filled, Path("/dev/null/backup.db"))
    damaged, cut, newer = (tmp_path / name for name in ("text.db", "cut.db", "newer.db"))
    damaged.write_text("no database")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    newer.write_bytes(whole.read_bytes())
    copy = open_database(f"sqlite:///{newer}")
    with copy.begin() as connection:
        connection.execute(text("UPDATE ledger_version SET version_num = '9999'"))
    copy.dispose()
    empty = tmp_path / "empty.db"
    empty.touch()
    for file in (damaged, cut, newer, empty, tmp_path / "nothing.db"):
        with pytest.raises((DataError, LedgerError), match="9999" if file == newer else file.name):
            restore(filled, file, replace=True)
        assert len(list(Ledger(filled).everything())) == len(EVENTS)
