"""Kill -9 of writers of a ledger, and what must hold then: what was acknowledged is stored, nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sqlalchemy import text

from convrec.database import open_database
from convrec.ledger.ledger import Ledger
from convrec.types import FeedbackEvent, FeedbackType

_BATCH = 7

# Three threads append one by one, one in batches; an event is acknowledged in one write once append has returned.
_WRITER = """
import itertools, os, sys, threading
from convrec.database import open_database
from convrec.ledger.ledger import Ledger
from convrec.types import FeedbackEvent, FeedbackType

url, life, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
ledger = Ledger(open_database(url))

def event(event_id):
    return FeedbackEvent(event_id, "ann", FeedbackType.COMMENT, 1.0, text="x" * 500)

def acknowledge(ids):
    os.write(1, "".join(f"{event_id}\\n" for event_id in ids).encode())

def one_by_one(thread):
    for n in itertools.count():
        ledger.append(event(f"{life}/{thread}/{n}"))
        acknowledge([f"{life}/{thread}/{n}"])

def in_batches():
    for n in itertools.count():
        ids = [f"{life}/batch/{n}/{k}" for k in range(size)]
        ledger.append_many([event(event_id) for event_id in ids])
        acknowledge(ids)

for thread in range(3):
    threading.Thread(target=one_by_one, args=(thread,), daemon=True).start()
in_batches()
"""


@dataclass(frozen=True, slots=True)
class KillFigures:
    """What a series of kills found.

    Args:
        kills: Of writers; every fifth came with a crash of the database, where that is a process of its own.
        acknowledged, stored: Events; those that were stored when the writer died, but not yet told, are the rest.
        lost: Acknowledged and not stored.
        doubled: event_ids stored more than once.
        torn: Batches stored in part.
    """

    kills: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    torn: int

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled or torn."""
        return not (self.lost or self.doubled or self.torn)


def kill_writers(url: str, kills: int, seed: int = 7, crash: Callable[[], None] | None = None) -> KillFigures:
    """Start writers of one ledger and kill them, one after the other.

    Args:
        url: Of the database.
        crash: Ends the database itself and brings it up again.
    """
    dice = Random(seed)
    acknowledged: list[str] = []
    for life in range(kills):
        # Every fifth dies between start and first work; after every second the next writer recovers alone.
        working = life % 5 != 0
        acknowledged += _kill_a_writer(
            url, life, dice.uniform(0.0, 0.25 if working else 0.9), working, crash if life % 5 == 4 else None
        )
        if life % 2:
            _use(url)
    return _figures(url, kills, acknowledged)


def _kill_a_writer(
    url: str, life: int, after_s: float, wait_for_work: bool, crash: Callable[[], None] | None
) -> list[str]:
    """The event_ids that a writer acknowledged before it was killed."""
    command = [sys.executable, "-c", _WRITER, url, str(life), str(_BATCH)]
    # With the database gone, the writer's last words are no news.
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert writer.stdout is not None
    output = writer.stdout
    first = output.readline() if wait_for_work else ""
    # Drained while it works: a full pipe would hold the writer back.
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(output))
    reader.start()
    time.sleep(after_s)
    if crash is not None:
        crash()
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    reader.join()
    output.close()
    return [line.strip() for line in [first, *lines] if line.endswith("\n")]


def _use(url: str) -> None:
    """The ledger goes on."""
    database = open_database(url)
    ledger = Ledger(database)
    after = FeedbackEvent(f"after-{ledger.position()}", "bob", FeedbackType.LIKE, 2.0, "i1")
    assert ledger.append(after)
    assert ledger.get(after.event_id) == after
    database.dispose()


def _figures(url: str, kills: int, acknowledged: list[str]) -> KillFigures:
    database = open_database(url)
    with database.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        stored = Counter(connection.scalars(text("SELECT event_id FROM events WHERE user_id = 'ann'")))
    assert len(Ledger(database).feedback("ann")) == stored.total()
    database.dispose()
    batches = Counter(event_id.rpartition("/")[0] for event_id in stored if "/batch/" in event_id)
    return KillFigures(
        kills=kills,
        acknowledged=len(acknowledged),
        stored=stored.total(),
        lost=len(set(acknowledged) - set(stored)),
        doubled=sum(n > 1 for n in stored.values()),
        torn=sum(n != _BATCH for n in batches.values()),
    )
