"""Owns a file of results that grows line by line: JSON, a header first. Knows not what the rows say.

A run that was killed goes on where the file ends; a torn last line is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from convrec.errors import DataError

Row = dict[str, Any]


class RowsFile:
    """Rows of one run on disk; none is kept in memory.

    Args:
        path: Made where it is missing.
        header: What the rows depend on; a file with another one is refused.

    Raises:
        DataError: The file is of another run, or damaged.
    """

    def __init__(self, path: Path, header: Row) -> None:
        self._path = path
        self._stream: TextIO | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted: Row = json.loads(json.dumps(header))
        if path.exists():
            found: Row | None = None
            length = 0
            for row, end in _whole_lines(path):
                found, length = (row if found is None else found), end
            if found is not None and found != wanted:
                names = ", ".join(sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n)))
                raise DataError(
                    f"{path} is of another run (its {names} differ); start that again as it was to go on, delete "
                    "the file, or name another --out"
                )
            with path.open("rb+") as stream:
                stream.truncate(length)
            if found is not None:
                return
        path.write_text(json.dumps(wanted) + "\n", encoding="utf-8")

    def append(self, row: Row) -> None:
        """Add a row; it is in the file when this returns."""
        if self._stream is None:
            self._stream = self._path.open("a", encoding="utf-8")
        self._stream.write(json.dumps(row) + "\n")
        self._stream.flush()

    def rows(self) -> Iterator[Row]:
        """The rows on disk, oldest first, read as they are asked for.

        Raises:
            DataError: The file is damaged.
        """
        return (row for row, _ in islice(_whole_lines(self._path), 1, None))

    def close(self) -> None:
        """Close the file for writing. Idempotent."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def read_rows_file(path: Path) -> tuple[Row, list[Row]]:
    """Header and rows of a file.

    Raises:
        DataError: It has no header, or is damaged.
    """
    lines = [row for row, _ in _whole_lines(path)]
    if not lines:
        raise DataError(f"{path} has no header; it is no file of results")
    return lines[0], lines[1:]


def _whole_lines(path: Path) -> Iterator[tuple[Row, int]]:
    """Every line, the header first, and how many bytes the file has up to its end; a torn last one is left out."""
    length = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                row = dict(json.loads(line))
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}, line {number} is damaged ({error}); delete the file") from error
            length += len(line)
            yield row, length
