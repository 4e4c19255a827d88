from datetime import UTC, datetime

import pytest

from convrec.errors import DataError
from convrec.service.stats import moment

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("since", "meant"),
    [
        ("7", "2026-11-03T12:00:00+00:00"),
        ("0", "2026-11-10T12:00:00+00:00"),
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T08:00", "2026-11-01T08:00:00+00:00"),
        ("2026-11-01T08:00+01:00", "2026-11-01T07:00:00+00:00"),
    ],
)
def test_a_moment_is_a_date_a_time_or_days_ago(since: str, meant: str) -> None:
    assert datetime.fromtimestamp(moment(since, NOW), UTC).isoformat() == meant


@pytest.mark.parametrize("since", ["", "-1", "soon", "2026-13-01", "999999999", "²"])
def test_what_is_no_moment_is_refused(since: str) -> None:
    with pytest.raises(DataError, match="number of days"):
        moment(since, NOW)
