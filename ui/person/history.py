"""Reads a file of a person's history into rows for the API. Owns what a file may be, not what its rows mean."""

from __future__ import annotations

import csv
from pathlib import Path

MAX_ROWS = 5_000
_COLUMNS = ("item_id", "type", "rating", "timestamp", "text", "event_id")


class HistoryError(Exception):
    """The file cannot be used; `key` is of the words that say why."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def read_history(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line; columns that the API does not take and blank cells are left out.

    Raises:
        HistoryError: It is not CSV in UTF-8, has no rows, or more than MAX_ROWS.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines)
            if "item_id" not in (table.fieldnames or ()):
                raise HistoryError("person.no_rows")
            rows = [{name: row[name] for name in _COLUMNS if row.get(name)} for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise HistoryError("person.unreadable") from error
    rows = [{"item_id": "", **row} for row in rows if row]
    if not rows:
        raise HistoryError("person.no_rows")
    if len(rows) > MAX_ROWS:
        raise HistoryError("person.too_many")
    return rows
