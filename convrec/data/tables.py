"""Rows of the operator's CSV, JSONL and Parquet files and the cells in them; not what a row stands for.

A file that cannot be used at all raises DataError; a row that cannot be used becomes a RowError and the file is
read on. Files are streamed: memory does not grow with their length. Lines are counted from 1 as an editor does (a
CSV's header is line 1, a row of several lines is named by its first); in Parquet, rows are counted.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from convrec.errors import DataError
from convrec.types import AttributeValue

if TYPE_CHECKING:
    from polars import LazyFrame

Required = Sequence[Collection[str]]

_DELIMITERS = (",", ";", "\t")
_PARQUET_BATCH = 65_536
_CHUNK_BYTES = 1 << 20
# At 4 bytes a character, what fits into PostgreSQL's index entries of 2,704 bytes.
_MAX_ID_CHARS = 512
# What neither UTF-8 (lone surrogates, from undecodable bytes or JSON escapes) nor PostgreSQL (NUL) can hold.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# Digits with a leading zero (postcodes) or more than 18 of them (barcodes) are identifiers, not numbers.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)?(\.[0-9]+|(\.[0-9]+)?[eE][+-]?[0-9]+)")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was left out: the file's name, its line (from 1) and why."""

    line: int
    reason: str
    file: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read.

    Args:
        line: Where it starts, from 1.
        cells: Column -> value as the file's format gives it.
        typed: False where the format knows only text (CSV), so that numbers and lists are read out of it.
    """

    line: int
    cells: Mapping[str, object]
    typed: bool

    def text(self, column: str) -> str:
        """A cell as stripped text: an integer as its digits, an absent cell as "".

        Raises:
            DataError: The cell is neither, or holds characters that cannot be stored.
        """
        cell = self.cells.get(column)
        if cell is None:
            return ""
        if isinstance(cell, bool) or not isinstance(cell, str | int):
            raise DataError(f"{column} must be text or a whole number, not {type(cell).__name__}")
        return _storable(str(cell), column)

    def identifier(self, column: str) -> str:
        """A cell as an id.

        Raises:
            DataError: It is empty, longer than 512 characters, or not text.
        """
        text = self.text(column)
        if not 0 < len(text) <= _MAX_ID_CHARS:
            raise DataError(f"{column} has more than {_MAX_ID_CHARS} characters" if text else f"{column} is empty")
        return text

    def number(self, column: str) -> float | None:
        """A cell as a finite number; None where it is absent or empty.

        Raises:
            DataError: The cell is not a finite number.
        """
        cell = self.cells.get(column)
        if isinstance(cell, str):
            cell = cell.strip() or None
        if cell is None:
            return None
        if isinstance(cell, bool) or not (
            isinstance(cell, int | float | Decimal) or (isinstance(cell, str) and _NUMBER.fullmatch(cell))
        ):
            raise DataError(f"{column} must be a number, not {str(cell)[:40]!r}")
        return _finite(cell, column)

    def attribute(self, column: str) -> AttributeValue | None:
        """A cell as an item's attribute; None where it is absent or empty.

        Lists become tuples of text, in CSV `a|b|c` does; dates become ISO 8601 text. In CSV, text that spells a
        number becomes one.

        Raises:
            DataError: The cell is a number that is not finite, or nested, or cannot be stored.
        """
        if not column or _UNSTORABLE.search(column):
            raise DataError(f"the attribute name {column!r} cannot be used; name it in plain text")
        cell = self.cells[column]
        if isinstance(cell, str):
            text = _storable(cell, column)
            return text or None if self.typed else _parse(text, column)
        if isinstance(cell, list | tuple):
            return _elements(cell, column) or None
        if cell is None or isinstance(cell, bool):
            return cell
        if isinstance(cell, int):
            if not -(2**63) <= cell < 2**63:
                raise DataError(f"{column} is beyond 64-bit integers; write it as text")
            return cell
        if isinstance(cell, float | Decimal):
            return _finite(cell, column)
        if isinstance(cell, date):
            return cell.isoformat()
        raise DataError(f"{column} must be text, a number, a flag or a list of those, not {type(cell).__name__}")


def read_rows(path: Path, required: Required) -> Iterator[Row | RowError]:
    """Stream the rows of a CSV, TSV, JSONL or Parquet file.

    Args:
        path: Its extension names the format: .csv, .tsv, .jsonl, .ndjson or .parquet. CSV is separated by
            comma, semicolon or tab, whichever finds the required columns.
        required: Columns that the file must have: one at least of every group.

    Returns:
        Rows in file order, with a RowError in the place of each that the format does not allow.

    Raises:
        DataError: The file is missing, empty, of another format or lacks required columns.
    """
    with _opened(path) as stream:
        empty = not stream.read(1)
    if empty:
        raise DataError(f"{path} is empty; it needs {_spell(required)}")
    match path.suffix.lower():
        case ".csv" | ".tsv":
            return _csv_rows(path, required)
        case ".jsonl" | ".ndjson":
            return _json_rows(path, required)
        case ".parquet":
            return _parquet_rows(path, required)
        case other:
            raise DataError(f"{path}: unknown extension {other!r}; use .csv, .tsv, .jsonl, .ndjson or .parquet")


def count_lines(path: Path) -> int:
    """How many lines a file has, for telling progress; in Parquet, how many rows.

    Raises:
        DataError: The file cannot be read.
    """
    with _opened(path) as stream:
        if path.suffix.lower() == ".parquet":
            return _open_parquet(path)[1]
        return sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""))


def _csv_rows(path: Path, required: Required) -> Iterator[Row | RowError]:
    # surrogateescape lets the csv module pass undecodable bytes, which then condemn their row alone.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        try:
            header = stream.readline()
            delimiter = max(
                _DELIMITERS, key=lambda d: len(_met(next(csv.reader([header], delimiter=d)), required))
            )
            stream.seek(0)
            reader = csv.reader(stream, delimiter=delimiter)
            columns = [column.strip() for column in next(reader)]
        except csv.Error as error:
            raise DataError(f"{path}: the header is not CSV ({error}); it needs {_spell(required)}") from error
        _require(path, columns, required)
        if "" in columns or len(set(columns)) < len(columns):
            raise DataError(f"{path}: every column needs a name of its own, but the header is {columns}")
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield RowError(line, f"not CSV ({error}); is a quote left open?", path.name)
                continue
            if not fields:
                continue
            if len(fields) != len(columns):
                reason = f"{len(fields)} columns where the header has {len(columns)}"
                yield RowError(line, reason, path.name)
            elif any(_UNSTORABLE.search(field) for field in fields):
                yield RowError(line, "not UTF-8 text", path.name)
            else:
                yield Row(line, dict(zip(columns, fields, strict=True)), typed=False)


def _json_rows(path: Path, required: Required) -> Iterator[Row | RowError]:
    columns: set[str] = set()
    with path.open("rb") as stream:
        for line, raw in enumerate(stream, 1):
            if not raw.strip():
                continue
            try:
                cells = json.loads(raw.decode("utf-8-sig" if line == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                yield RowError(line, f"not a JSON object in UTF-8 ({error})", path.name)
                continue
            if isinstance(cells, dict):
                columns.update(cells)
                yield Row(line, cells, typed=True)
            else:
                yield RowError(line, f"a JSON object is needed, not {type(cells).__name__}", path.name)
    if columns:
        _require(path, columns, required)


def _parquet_rows(path: Path, required: Required) -> Iterator[Row | RowError]:
    from polars.exceptions import PolarsError

    table, height = _open_parquet(path)
    _require(path, table.collect_schema().names(), required)
    for start in range(0, height, _PARQUET_BATCH):
        try:
            batch = table.slice(start, _PARQUET_BATCH).collect()
        except PolarsError as error:
            raise _unsound(path, error) from error
        for line, cells in enumerate(batch.iter_rows(named=True), start + 1):
            yield Row(line, cells, typed=True)


def _open_parquet(path: Path) -> tuple[LazyFrame, int]:
    import polars

    try:
        table = polars.scan_parquet(path, glob=False)
        return table, int(table.select(polars.len()).collect().item())
    except polars.exceptions.PolarsError as error:
        raise _unsound(path, error) from error


def _unsound(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is not a sound Parquet file ({error}); write it again")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}; name a file that exists and can be read"
        ) from error


def _met(columns: Collection[str], required: Required) -> list[Collection[str]]:
    named = {column.strip() for column in columns}
    return [group for group in required if not named.isdisjoint(group)]


def _require(path: Path, columns: Collection[str], required: Required) -> None:
    if len(_met(columns, required)) < len(required):
        raise DataError(f"{path} needs {_spell(required)}; it has {', '.join(sorted(columns)) or 'none'}")


def _spell(required: Required) -> str:
    return "the columns " + ", ".join(" or ".join(group) for group in required)


def _storable(text: str, column: str) -> str:
    if _UNSTORABLE.search(text):
        raise DataError(f"{column} holds characters that are not UTF-8 text")
    return text.strip()


def _finite(number: float | Decimal | str, column: str) -> float:
    try:
        value = float(number)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise DataError(f"{column} must be a finite number, not {str(number)[:40]}")
    return value


def _parse(text: str, column: str) -> AttributeValue | None:
    if "|" in text:
        return _elements(text.split("|"), column) or None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        return _finite(text, column)
    return text or None


def _elements(cells: Sequence[object], column: str) -> tuple[str, ...]:
    if not all(isinstance(cell, str | int | float) for cell in cells):
        raise DataError(f"{column} must be a flat list of text or numbers")
    return tuple(text for cell in cells if (text := _storable(str(cell), column)))
