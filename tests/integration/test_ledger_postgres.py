"""The ledger on PostgreSQL. TEST_POSTGRES_URL names a database that may lose its events.

The name lacks the prefix CONVREC_, under which Settings refuse variables that are not settings.
"""

import os

import pytest
from sqlalchemy import text

from convrec.database import open_database
from convrec.ledger.ledger import Ledger
from convrec.testing.ledger import LedgerConformance

URL = os.environ.get("TEST_POSTGRES_URL")


@pytest.mark.skipif(URL is None, reason="PostgreSQL: TEST_POSTGRES_URL is not set")
class TestLedgerOnPostgres(LedgerConformance):
    @pytest.fixture
    def ledger(self) -> Ledger:
        database = open_database(URL)
        with database.begin() as connection:
            connection.execute(text("DROP TABLE IF EXISTS events"))
        yield Ledger(database)
        database.dispose()
