import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_mock_engine, event, text

from convrec.database import open_database
from convrec.errors import EventConflictError, LedgerError
from convrec.ledger.ledger import Ledger
from convrec.testing.ledger import COMMENT, EVENTS, LIKE, RATING, LedgerConformance
from convrec.types import FeedbackEvent, FeedbackType


@pytest.fixture
def database(tmp_path: Path) -> Engine:
    engine = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(database: Engine) -> Ledger:
    return Ledger(database)


class TestLedger(LedgerConformance):
    """On both databases."""

    @pytest.fixture
    def ledger(self, database_url: str) -> Iterator[Ledger]:
        database = open_database(database_url)
        yield Ledger(database)
        database.dispose()


def test_what_is_stored_outlives_the_connection(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'ledger.db'}"
    first = open_database(url)
    Ledger(first).append_many(EVENTS)
    first.dispose()
    second = open_database(url)
    reopened = Ledger(second)
    assert tuple(reopened.get(e.event_id) for e in EVENTS) == EVENTS
    assert reopened.append_many(EVENTS) == 0
    second.dispose()


def test_two_ledgers_on_one_file_see_and_wait_for_each_other(tmp_path: Path, ledger: Ledger) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")
    other = Ledger(engine)
    assert other.append(LIKE) is True
    assert ledger.append(LIKE) is False
    assert ledger.append(RATING) is True
    assert other.feedback() == (RATING, LIKE)
    engine.dispose()


def test_the_body_is_the_whole_event_but_its_timestamp(database: Engine, ledger: Ledger) -> None:
    ledger.append(replace(RATING, rating=4))
    with database.connect() as connection:
        body, timestamp = connection.execute(text("SELECT body, timestamp FROM events")).one()
    expected = {"event_id": "rating-1", "user_id": "ann", "type": "rating", "item_id": "i2", "rating": 4.0}
    assert (json.loads(body), timestamp) == (expected, RATING.timestamp)


def test_a_rating_sent_as_an_integer_is_the_same_event(ledger: Ledger) -> None:
    ledger.append(replace(RATING, rating=4))
    assert ledger.append(replace(RATING, rating=4.0)) is False


@pytest.mark.parametrize("place", [0, 1234, 2499])
def test_a_conflict_is_found_anywhere_in_a_long_batch(ledger: Ledger, place: int) -> None:
    events = [replace(LIKE, event_id=f"e{n:04}") for n in range(2500)]
    ledger.append_many(events)
    events[place] = replace(events[place], item_id="i9")
    with pytest.raises(EventConflictError, match=f"e{place:04}"):
        ledger.append_many(events)


def test_an_event_of_a_later_version_is_refused_by_name(database: Engine, ledger: Ledger) -> None:
    ledger.append(LIKE)
    for column, value in (("body", '{"event_id": "like-1", "novelty": 1}'), ("kind", "novelty")):
        with database.begin() as connection:
            connection.execute(text(f"UPDATE events SET {column} = :value"), {"value": value})
        with pytest.raises(LedgerError, match="novelty"):
            ledger.get("like-1")


def test_a_failing_database_is_a_ledger_error_that_shows_no_words_of_a_user(
    database: Engine, ledger: Ledger
) -> None:
    with database.begin() as connection:
        connection.execute(text("DROP TABLE events"))
    for act in (lambda: ledger.append(COMMENT), ledger.feedback, ledger.users, ledger.counts, ledger.position):
        with pytest.raises(LedgerError, match="no such table") as caught:
            act()
        assert "laut" not in f"{caught.value} {caught.value.__cause__}"


def test_a_full_disk_stores_nothing_and_the_ledger_goes_on(database: Engine, ledger: Ledger) -> None:
    ledger.append(LIKE)
    with database.connect() as connection:
        pages = connection.scalar(text("PRAGMA page_count"))

    @event.listens_for(database, "checkout")
    def limit(connection, _record, _proxy) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    many = [replace(COMMENT, event_id=f"c{n}", text="x" * 1000) for n in range(1000)]
    with pytest.raises(LedgerError, match="full"):
        ledger.append_many([RATING, *many])
    event.remove(database, "checkout", limit)
    with database.connect() as connection:
        connection.scalar(text("PRAGMA max_page_count = 1000000"))
    assert ledger.counts() == {"feedback": 1}
    assert ledger.append_many([RATING, *many]) == 1001


def test_a_database_of_another_kind_is_refused() -> None:
    with pytest.raises(LedgerError, match="mysql"):
        Ledger(create_mock_engine("mysql+pymysql://", executor=None))


def test_an_event_that_an_earlier_version_spelled_otherwise_is_still_the_same(
    database: Engine, ledger: Ledger
) -> None:
    ledger.append(RATING)
    with database.begin() as connection:
        connection.execute(text("UPDATE events SET body = replace(body, '3.5', '3.50')"))
    assert ledger.append(RATING) is False
    with pytest.raises(EventConflictError):
        ledger.append(replace(RATING, rating=3.0))


def test_5000_events_take_well_under_a_second_and_one_users_feedback_is_found_among_many(ledger: Ledger) -> None:
    events = [
        FeedbackEvent(f"e{n}", f"u{n % 500}", FeedbackType.RATING, float(n), f"i{n % 97}", rating=3.0)
        for n in range(5000)
    ]
    started = time.perf_counter()
    assert ledger.append_many(events) == 5000
    assert ledger.append_many(events) == 0
    assert ledger.feedback() == tuple(events)
    assert time.perf_counter() - started < 2.0  # about 0.2 s on two quiet cores
    assert ledger.feedback("u7") == tuple(events[7::500])
