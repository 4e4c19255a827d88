import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from sqlalchemy import text

from convrec.database import open_database
from convrec.ledger.ledger import Ledger
from convrec.types import FeedbackEvent, FeedbackType

KILLS = 20
BATCH = 7

# Three threads append one by one, one in batches; an event is acknowledged in one write once append has returned.
WRITER = """
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


def _kill_a_writer(url: str, life: int, after_s: float, wait_for_work: bool) -> list[str]:
    """The event_ids that a writer acknowledged before it was killed."""
    command = [sys.executable, "-c", WRITER, url, str(life), str(BATCH)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = writer.stdout.readline() if wait_for_work else ""
    # Drained while it works: a full pipe would hold the writer back.
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(writer.stdout))
    reader.start()
    time.sleep(after_s)
    os.kill(writer.pid, signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL, writer.stderr.read()
    reader.join()
    writer.stdout.close()
    writer.stderr.close()
    return [line.strip() for line in [first, *lines] if line.endswith("\n")]


def _verify(url: str, acknowledged: list[str]) -> None:
    database = open_database(url)
    with database.connect() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        stored = Counter(connection.scalars(text("SELECT event_id FROM events")))
    assert set(stored.values()) <= {1}
    assert not set(acknowledged) - set(stored)
    batches = Counter(event_id.rpartition("/")[0] for event_id in stored if "/batch/" in event_id)
    assert set(batches.values()) <= {BATCH}
    ledger = Ledger(database)
    assert len(ledger.feedback("ann")) == sum("/" in event_id for event_id in stored)
    after = FeedbackEvent(f"after-{len(stored)}", "bob", FeedbackType.LIKE, 2.0, "i1")
    assert ledger.append(after) is True
    assert ledger.get(after.event_id) == after
    database.dispose()


def test_nothing_acknowledged_is_lost_under_kill_9(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    random = Random(7)
    acknowledged: list[str] = []
    for life in range(KILLS):
        # Every fifth dies between start and first work; after every second the next writer recovers alone.
        working = life % 5 != 0
        acknowledged += _kill_a_writer(url, life, random.uniform(0.0, 0.25 if working else 0.9), working)
        if life % 2:
            _verify(url, acknowledged)
    assert len({event_id.partition("/")[0] for event_id in acknowledged}) >= KILLS * 4 // 5
    assert any("/batch/" in event_id for event_id in acknowledged)
