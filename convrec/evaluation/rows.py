"""Owns a file of results that grows line by line: JSON, a header first. Knows not what the rows say.

A run that was killed goes on where the file ends; a torn last line is dropped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from convrec.errors import DataError

Row = dict[str, Any]


class RowsFile:
    """Rows of one run on disk.

    Args:
        path: Made where it is missing.
        header: What the rows depend on; a file with another one is refused.

    Attributes:
        rows: Those on disk.

    Raises:
        DataError: The file is of another run, or damaged.
    """

    def __init__(self, path: Path, header: Row) -> None:
        self._path = path
        self._stream: TextIO | None = None
        self.rows: list[Row] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted: Row = json.loads(json.dumps(header))
        if path.exists():
            found, self.rows, length = _read(path)
            if found is not None and found != wanted:
                names = ", ".join(sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n)))
                raise DataError(f"{path} is of another run (its {names} differ); delete it or name another --out")
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
        self.rows.append(row)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def read_rows_file(path: Path) -> tuple[Row, list[Row]]:
    """Header and rows of a file.

    Raises:
        DataError: It has no header, or is damaged.
    """
    header, rows, _ = _read(path)
    if header is None:
        raise DataError(f"{path} has no header; it is no file of results")
    return header, rows


def _read(path: Path) -> tuple[Row | None, list[Row], int]:
    """Header, rows, and how many bytes of the file are whole lines."""
    found: list[Row] = []
    length = 0
    with path.open("rb") as stream:
        for line in stream:
            if not line.endswith(b"\n"):
                break
            try:
                found.append(dict(json.loads(line)))
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}, line {len(found) + 1} is damaged ({error}); delete the file") from error
            length += len(line)
    return (found[0], found[1:], length) if found else (None, [], length)
