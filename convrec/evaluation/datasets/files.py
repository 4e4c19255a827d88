"""Owns reading the operator's own files as a data set."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from convrec.data.catalogue import Catalogue, read_items
from convrec.data.interactions import read_interactions
from convrec.data.tables import RowError
from convrec.errors import DataError
from convrec.evaluation.datasets.base import Dataset
from convrec.types import Domain, FeedbackEvent

_RowT = TypeVar("_RowT")


def read_files(catalogue_file: Path, interactions_file: Path, domain: Domain, name: str = "files") -> Dataset:
    """A catalogue and its interactions, as `convrec ingest` reads them.

    Bad rows, and rows whose event_id an earlier one has, are left out and counted in the notes.

    Args:
        catalogue_file, interactions_file: CSV, TSV, JSONL or Parquet.
        domain: Gives the rating scale and what is shown of an item.
        name: Of the data set.

    Raises:
        DataError: A file cannot be used, or has no sound row.
    """
    items, bad_items = _sound(read_items(catalogue_file), catalogue_file)
    catalogue = Catalogue(items, domain)
    rows, bad_rows = _sound(read_interactions(interactions_file, domain, catalogue), interactions_file)
    events: dict[str, FeedbackEvent] = {}
    for row in rows:
        events.setdefault(row.event.event_id, row.event)
    notes = [
        f"{len(bad)} bad rows of {file.name} left out, the first: {bad[0]}"
        for bad, file in ((bad_items, catalogue_file), (bad_rows, interactions_file))
        if bad
    ]
    if len(events) < len(rows):
        notes.append(f"{len(rows) - len(events)} rows of {interactions_file.name} repeat an event and count once")
    return Dataset(name, catalogue, tuple(events.values()), notes=tuple(notes))


def _sound(rows: Iterable[_RowT | RowError], file: Path) -> tuple[list[_RowT], list[RowError]]:
    sound: list[_RowT] = []
    bad: list[RowError] = []
    for row in rows:
        if isinstance(row, RowError):
            bad.append(row)
        else:
            sound.append(row)
    if not sound:
        raise DataError(f"{file} has no sound row" + (f"; the first: {bad[0]}" if bad else ""))
    return sound, bad
