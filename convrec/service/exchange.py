"""Owns the ledger as a file of JSON lines, one an event, whatever its kind: written whole, read line by line.

    {"kind": "feedback", "timestamp": 1767225600.0, "event_id": "app-7", "user_id": "ann", "type": "like", ...}

Kind and timestamp, and the event's body as the ledger spells it. A line that is there already is passed over, so
that a file may be read again, or into a ledger that has gone on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from convrec.data.tables import RowError, count_lines
from convrec.durable import publish
from convrec.errors import ConvRecError, DataError
from convrec.ledger.ledger import Ledger
from convrec.ledger.schema import from_body, to_row
from convrec.progress import Progress, silent
from convrec.service.rejects import Rejects, append_good, batches
from convrec.types import Event


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Args:
        read: Lines that were sound.
        new: Events of them that were not stored already.
        error_count: Lines that were left out.
        errors: The first 1,000 of these, in the order they were met.
    """

    read: int
    new: int
    error_count: int
    errors: tuple[RowError, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    line: int
    event: Event


def export_events(ledger: Ledger, out: Path) -> int:
    """Write every event of the ledger as it is at one moment, in the order of appending.

    Args:
        out: There in one rename, when it is whole.

    Returns:
        How many events.

    Raises:
        DataError: The file cannot be written.
        LedgerError: The database failed.
    """
    staging, count = out.with_name(f"{out.name}.staging"), 0
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with staging.open("w", encoding="utf-8") as stream:
            for event in ledger.everything():
                stream.write(json.dumps(event, separators=(",", ":")) + "\n")
                count += 1
        publish(staging, out)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}; name another --out") from error
    return count


def import_events(ledger: Ledger, path: Path, progress: Progress = silent) -> ImportReport:
    """Store the events of a file that are not stored yet; bad lines are left out and told by number.

    What was said by people who were erased since is left out too.

    Args:
        path: As `export_events` writes it.
        progress: Called after each batch of up to 5,000 lines is durable.

    Raises:
        DataError: The file cannot be read.
        LedgerError: The database failed; what was told to `progress` is stored.
    """
    rejects, erased, lines = Rejects(), ledger.erasures(), count_lines(path)
    read = new = 0
    for batch in batches(_lines(path), rejects):
        before = rejects.count
        new += append_good(ledger, batch, rejects, path.name, erased)
        read += len(batch) - (rejects.count - before)
        progress(min(1.0, batch[-1].line / max(lines, 1)), f"{read:,} events")
    return ImportReport(read, new, rejects.count, tuple(rejects.kept))


def _lines(path: Path) -> Iterator[_Line | RowError]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                try:
                    yield _Line(number, _event(line))
                except ConvRecError as error:
                    yield RowError(number, str(error), path.name)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; name a file that convrec export wrote") from error


def _event(line: bytes) -> Event:
    """The event of a line, every value of it checked.

    Raises:
        DataError: It is none.
    """
    try:
        told: Any = json.loads(line)
        body = {name: value for name, value in dict(told).items() if name not in ("kind", "timestamp")}
        made = from_body(told["kind"], told["timestamp"], body)
        event = _CHECKS[type(made)].validate_python(asdict(made))
        to_row(event)
    except KeyError as error:
        raise DataError(f"{error} is missing") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{name}: {first['msg']}") from error
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"no event ({error})") from error
    return event


_CHECKS: dict[type[Event], TypeAdapter[Event]] = {kind: TypeAdapter(kind) for kind in Event.__args__}
