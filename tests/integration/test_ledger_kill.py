"""Kill -9 of writers: a few here; scripts/kill_ledger.py kills a hundred on each database."""

import pytest
from sqlalchemy import text

from convrec.database import open_database
from convrec.testing.kill import KillFigures, kill_writers

KILLS = 6


def test_nothing_acknowledged_is_lost_under_kill_9(database_url: str, request: pytest.FixtureRequest) -> None:
    crash = None
    if database_url.startswith("postgresql"):
        cluster = request.getfixturevalue("postgres")

        def crash() -> None:
            cluster.crash()
            cluster.start()

    found = kill_writers(database_url, KILLS, crash=crash)
    assert found.sound, found
    assert found.acknowledged > 10 * KILLS
    assert found.stored >= found.acknowledged


def test_the_figures_tell_what_was_lost(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"

    def lose() -> None:
        database = open_database(url)
        with database.begin() as connection:
            connection.execute(text("DELETE FROM events WHERE seq % 5 = 0"))
        database.dispose()

    found = kill_writers(url, 5, crash=lose)
    assert found.lost > 0
    assert found.torn > 0
    assert not found.sound
    assert KillFigures(1, 2, 2, 0, 0, 0).sound
    assert not KillFigures(1, 2, 2, 0, 1, 0).sound
