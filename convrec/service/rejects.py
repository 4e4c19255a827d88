"""Owns what becomes of a file's lines on their way into the ledger: good ones are stored, bad ones told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from convrec.data.tables import RowError
from convrec.errors import ConvRecError
from convrec.ledger.ledger import Ledger
from convrec.ledger.marks import Erasures
from convrec.service.feedback import append_each
from convrec.types import ErasureEvent, Event

_BATCH = 5_000
_KEPT_ERRORS = 1_000

_RowT = TypeVar("_RowT")


class Told(Protocol):
    """An event and the line (from 1) that it comes from."""

    @property
    def line(self) -> int:
        """Of the file."""

    @property
    def event(self) -> Event:
        """What it says."""


class Rejects:
    """Counts every rejected line and keeps the first 1,000 of them."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[RowError] = []

    def add(self, error: RowError) -> None:
        """One more."""
        self.count += 1
        if len(self.kept) < _KEPT_ERRORS:
            self.kept.append(error)


def batches(rows: Iterator[_RowT | RowError], rejects: Rejects) -> Iterator[list[_RowT]]:
    """The good rows in batches of up to 5,000."""
    batch: list[_RowT] = []
    for row in rows:
        if isinstance(row, RowError):
            rejects.add(row)
            continue
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def append_good(ledger: Ledger, batch: Sequence[Told], rejects: Rejects, file: str, erased: Erasures) -> int:
    """Store a batch but for what conflicts with other events, and what was said by users who were erased since.

    Args:
        file: Name of the file that is read.
        erased: Of the ledger.

    Returns:
        How many events were not there yet.
    """
    at = {user_id: erased.at(user_id) for user_id in {_user(told.event) for told in batch}}
    alive = []
    for told in batch:
        since = at[_user(told.event)]
        if since is not None and told.event.timestamp <= since:
            rejects.add(RowError(told.line, "its user was erased after that", file))
        else:
            alive.append(told)
    return _append(ledger, alive, rejects, file)


def _append(ledger: Ledger, batch: Sequence[Told], rejects: Rejects, file: str) -> int:
    """Append a batch but for those lines that conflict, which are rejected; the number new."""
    outcomes = append_each(ledger, [told.event for told in batch])
    for told, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, ConvRecError):
            reason = f"event_id {told.event.event_id!r} is already that of another event"
            rejects.add(RowError(told.line, reason, file))
    return outcomes.count(True)


def _user(event: Event) -> str:
    """The marks of erasures are nobody's ids."""
    return "" if isinstance(event, ErasureEvent) else event.user_id
