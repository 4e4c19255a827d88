"""Interactions: the operator's file of them as feedback events, and histories split by time. Stores nothing."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from convrec.data.tables import Row, RowError, read_rows
from convrec.errors import DataError
from convrec.types import Domain, FeedbackEvent, FeedbackType

_REQUIRED = (("user_id",), ("item_id",), ("rating", "type"))
# These need the id of an event that is already in a ledger; a file of interactions has none to give.
_OF_A_LEDGER = (FeedbackType.RETRACTION, FeedbackType.PREFER, FeedbackType.TIE)
_TYPES = tuple(kind for kind in FeedbackType if kind not in _OF_A_LEDGER)
_YEAR_10000 = datetime(9999, 12, 31, tzinfo=UTC).timestamp() + 86_400

Histories = dict[str, tuple[FeedbackEvent, ...]]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One well-formed row: the event and the line (from 1) it comes from."""

    line: int
    event: FeedbackEvent


def read_interactions(path: Path, domain: Domain, known: Container[str]) -> Iterator[Interaction | RowError]:
    """Stream a file of interactions as feedback events, bad rows as errors in their place.

    Columns: user_id and item_id; `type` (a FeedbackType, RATING where it is absent) or `rating` (on the domain's
    scale); optionally `text` (of a comment), `timestamp` (seconds since 1970 or ISO 8601, UTC unless it says
    otherwise; 0 where absent) and `event_id`. Other columns are ignored. Without an event_id, one is derived from
    the row's content, so that rows that agree in everything are one event however often they are read.

    Args:
        path: A CSV, TSV, JSONL or Parquet file.
        domain: Gives the rating scale.
        known: The catalogue's item_ids; a row about another item is an error.

    Raises:
        DataError: The file as a whole cannot be used.
    """
    return interactions_of(read_rows(path, _REQUIRED), path.name, domain, known)


def interactions_of(
    rows: Iterable[Row | RowError], source: str, domain: Domain, known: Container[str]
) -> Iterator[Interaction | RowError]:
    """Rows from anywhere as feedback events, bad ones as errors in their place; see read_interactions.

    Args:
        source: What errors call the place that the rows come from.
    """
    for row in rows:
        if isinstance(row, RowError):
            yield row
            continue
        try:
            yield Interaction(row.line, _event(row, domain, known))
        except DataError as error:
            yield RowError(row.line, str(error), source)


def leave_last_out(events: Iterable[FeedbackEvent], hold: int = 1) -> tuple[Histories, Histories]:
    """Split each user's events in time: the last `hold` are held out, all earlier ones are for training.

    Args:
        events: Of any users, in any order; equal timestamps keep the order given.
        hold: How many to hold out per user, at least 1.

    Returns:
        (train, held): user_id -> events, oldest first. Users with `hold` events or fewer are in train only.
    """
    by_user: defaultdict[str, list[FeedbackEvent]] = defaultdict(list)
    for event in events:
        by_user[event.user_id].append(event)
    train: Histories = {}
    held: Histories = {}
    for user_id, own in by_user.items():
        history = tuple(sorted(own, key=lambda event: event.timestamp))
        split = len(history) - hold
        train[user_id] = history[:split] if split > 0 else history
        if split > 0:
            held[user_id] = history[split:]
    return train, held


def _event(row: Row, domain: Domain, known: Container[str]) -> FeedbackEvent:
    user_id, item_id = row.identifier("user_id"), row.identifier("item_id")
    if item_id not in known:
        raise DataError(f"item {item_id!r} is not in the catalogue")
    kind, rating = _kind(row), _rating(row, domain)
    if (rating is None) == (kind is FeedbackType.RATING):
        raise DataError("a rating needs a number" if rating is None else f"a {kind} carries no rating")
    text = row.text("text") if kind is FeedbackType.COMMENT else None
    if text == "":
        raise DataError("a comment needs text")
    timestamp = _timestamp(row)
    if row.text("event_id"):
        event_id = row.identifier("event_id")
    else:
        content = json.dumps([user_id, item_id, kind, timestamp, rating, text])
        event_id = f"imp-{hashlib.sha256(content.encode()).hexdigest()[:32]}"
    return FeedbackEvent(event_id, user_id, kind, timestamp, item_id=item_id, rating=rating, text=text)


def _kind(row: Row) -> FeedbackType:
    name = row.text("type").lower() or FeedbackType.RATING
    if name not in _TYPES:
        raise DataError(f"type {name!r} is not one of {', '.join(_TYPES)}")
    return FeedbackType(name)


def _rating(row: Row, domain: Domain) -> float | None:
    rating = row.number("rating")
    low, high = domain.rating_scale
    if rating is not None and not low <= rating <= high:
        raise DataError(f"rating {rating:g} is not within {low:g} to {high:g}, the scale of {domain.name!r}")
    return rating


def _timestamp(row: Row) -> float:
    cell = row.cells.get("timestamp")
    if isinstance(cell, date):
        moment = cell if isinstance(cell, datetime) else datetime.combine(cell, time())
    else:
        try:
            seconds = row.number("timestamp") or 0.0
        except DataError:
            moment = _iso(row.text("timestamp"))
        else:
            if abs(seconds) >= _YEAR_10000:
                raise DataError(f"timestamp {seconds:g} is past the year 9999; are these milliseconds?")
            return seconds
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"timestamp {text[:40]!r} is neither seconds since 1970 nor ISO 8601") from error
