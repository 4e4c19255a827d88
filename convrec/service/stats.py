"""Owns what operators ask of the ledger's slates, and since when; the figures are evaluation/online.py's."""

from __future__ import annotations

from datetime import UTC, datetime

from convrec.errors import DataError
from convrec.evaluation.online import By, Stats, online_stats
from convrec.ledger.ledger import Ledger

_DAY_S = 86_400.0


def ledger_stats(
    ledger: Ledger,
    rating_scale: tuple[float, float],
    by: By = By.ADAPTER,
    since: float | None = None,
    against: str | None = None,
) -> Stats:
    """What the slates of a ledger led to; see online_stats.

    Reads every slate since then with all its scores: 4 s for 10,000 slates of 20 candidates on two busy cores.

    Args:
        since: Seconds since the epoch, of slates and of feedback; None for all.
    """
    return online_stats(ledger.impressions(since=since), ledger.feedback(since=since), rating_scale, by, against)


def moment(since: str, now: float) -> float:
    """What "2026-11-01", "2026-11-01T08:00+01:00" (UTC where it does not say) or "7" (days ago) means.

    Returns:
        Seconds since the epoch.

    Raises:
        DataError: It is none of these.
    """
    try:
        if since.isdecimal():
            datetime.fromtimestamp(then := now - int(since) * _DAY_S, UTC)
            return then
        time = datetime.fromisoformat(since)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise DataError(
            f"since {since[:80]!r} is no time; give a date like 2026-11-01 or a number of days"
        ) from error
