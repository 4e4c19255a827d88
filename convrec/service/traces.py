"""Owns what files of the data folder say of a person, and how they lose it. Touches no ledger, index or model.

| file | what it loses |
| --- | --- |
| JSON lines (exports, batches), CSV, TSV, Parquet | rows whose user_id it is |
| SQLite (backups) | the person's events, and their bytes |
| logs | the id, wherever it stands alone: overwritten in place, for a server may be writing |

A file is replaced in one rename, and only where it says anything of the person.
"""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars
from polars.exceptions import PolarsError
from sqlalchemy import make_url

from convrec.database import open_database
from convrec.durable import publish
from convrec.errors import DataError
from convrec.ledger.ledger import Ledger
from convrec.settings import Settings

_LINES = (".jsonl", ".part", ".staging")
_TABLES = {".csv": ",", ".tsv": "\t"}
_SQLITE = b"SQLite format 3\0"


def remove_traces(user_id: str, settings: Settings) -> list[Path]:
    """Remove a person from the files of the data folder.

    Returns:
        The files that were changed.

    Raises:
        DataError: A file cannot be read or written.
    """
    changed = []
    for path in _files(settings):
        try:
            if _clean(path, user_id):
                changed.append(path)
        except (OSError, ValueError, sqlite3.Error, PolarsError) as error:
            raise DataError(f"{path} may still name them ({error}); remove it, and erase again") from error
    return changed


def _files(settings: Settings) -> Iterator[Path]:
    """Of the data folder, but what holds no user_ids, and the ledger. Links lead elsewhere."""
    own = {settings.index_dir, settings.models_dir}
    ledger = Path(make_url(settings.url).database or "").resolve()
    ledgers = {ledger.with_name(f"{ledger.name}{end}") for end in ("", "-wal", "-shm")}
    for path in sorted(settings.data_dir.rglob("*")):
        kept = not own.isdisjoint(path.parents) or path.resolve() in ledgers
        if path.is_file() and not path.is_symlink() and not kept:
            yield path


def _clean(path: Path, user_id: str) -> bool:
    if path.suffix in _LINES:
        return _rewrite(path, _without(path, user_id))
    if path.suffix in _TABLES:
        return _clean_table(path, user_id)
    if path.suffix == ".parquet":
        return _clean_parquet(path, user_id)
    if path.suffix == ".log":
        return _mask(path, user_id)
    with path.open("rb") as stream:
        is_database = stream.read(len(_SQLITE)) == _SQLITE
    return is_database and _clean_backup(path, user_id)


def _without(path: Path, user_id: str) -> list[bytes]:
    with path.open("rb") as stream:
        return [line for line in stream if not _names(line, user_id)]


def _names(line: bytes, user_id: str) -> bool:
    """Whether a line of JSON has, at any depth, this user_id; other lines are no rows."""
    try:
        return _has(json.loads(line), user_id)
    except (ValueError, RecursionError):
        return False


def _has(value: Any, user_id: str) -> bool:
    if isinstance(value, dict):
        return value.get("user_id") == user_id or any(_has(part, user_id) for part in value.values())
    return isinstance(value, list) and any(_has(part, user_id) for part in value)


def _rewrite(path: Path, lines: list[bytes]) -> bool:
    kept = b"".join(lines)
    if len(kept) == path.stat().st_size:
        return False
    staging = path.with_name(f"{path.name}.erasing")
    staging.write_bytes(kept)
    publish(staging, path)
    return True


def _clean_table(path: Path, user_id: str) -> bool:
    staging = path.with_name(f"{path.name}.erasing")
    removed = 0
    with (
        path.open(encoding="utf-8-sig", newline="") as stream,
        staging.open("w", encoding="utf-8", newline="") as out,
    ):
        rows = csv.reader(stream, delimiter=_TABLES[path.suffix])
        writer = csv.writer(out, delimiter=_TABLES[path.suffix])
        header = next(rows, [])
        writer.writerow(header)
        place = header.index("user_id") if "user_id" in header else -1
        for row in rows:
            if 0 <= place < len(row) and row[place] == user_id:
                removed += 1
            else:
                writer.writerow(row)
    if removed:
        publish(staging, path)
    else:
        staging.unlink()
    return removed > 0


def _clean_parquet(path: Path, user_id: str) -> bool:
    rows = polars.read_parquet(path)
    if "user_id" not in rows.columns:
        return False
    kept = rows.filter(polars.col("user_id").cast(polars.String) != user_id)
    if len(kept) == len(rows):
        return False
    staging = path.with_name(f"{path.name}.erasing")
    kept.write_parquet(staging)
    publish(staging, path)
    return True


def _mask(path: Path, user_id: str) -> bool:
    """Overwrite the id with asterisks, as it is written in text and in JSON."""
    forms = {user_id.encode(), json.dumps(user_id)[1:-1].encode()}
    alone = re.compile(rb"(?<![\w-])(?:" + b"|".join(map(re.escape, sorted(forms, key=len))) + rb")(?![\w-])")
    with path.open("rb+") as stream:
        found = [match.span() for match in alone.finditer(stream.read())]
        for start, end in found:
            stream.seek(start)
            stream.write(b"*" * (end - start))
    return bool(found)


def _clean_backup(path: Path, user_id: str) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        query = "SELECT count(*) FROM events WHERE user_id = ?"
        if "events" not in tables or not connection.execute(query, (user_id,)).fetchone()[0]:
            return False
    database = open_database(f"sqlite:///{path}")
    try:
        Ledger(database).erase(user_id)
        with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    finally:
        database.dispose()
    return True
