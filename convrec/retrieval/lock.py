"""Owns who may use the index folder: one process at a time, which leaves its pid and URL for others to read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from convrec.errors import IndexUnavailableError

_WAIT_S = 1.0
"""How long to try: `index_holder` holds the lock for an instant to see whether anybody else does."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the index: its pid, and its URL where it serves one."""

    pid: int
    url: str | None = None


class IndexLock:
    """The lock of an index folder; a process that holds it may take it again (to rebuild what it serves).

    The operating system lets go of it when the process dies, however it dies.

    Args:
        index_dir: An existing folder.
    """

    def __init__(self, index_dir: Path) -> None:
        self._lock = FileLock(index_dir.resolve() / ".lock", thread_local=False, is_singleton=True)
        self._index_dir = index_dir

    @property
    def sole(self) -> bool:
        """Whether this is the only hold of this process."""
        return self._lock.lock_counter == 1

    def acquire(self, url: str | None = None) -> None:
        """Take the lock and leave a card.

        Args:
            url: Where this process serves, if it does.

        Raises:
            IndexUnavailableError: Another process holds it; the message names its pid.
        """
        try:
            self._lock.acquire(timeout=_WAIT_S, poll_interval=0.02)
        except Timeout as error:
            holder = _card(self._index_dir)
            who = f"process {holder.pid}" + (f" ({holder.url})" if holder.url else "") if holder else "a process"
            raise IndexUnavailableError(
                f"{who} holds the index {self._index_dir}; stop it, or wait until it is done"
            ) from error
        if self.sole or url is not None:
            staging = self._index_dir / "holder.staging"
            staging.write_text(json.dumps(asdict(Holder(os.getpid(), url))))
            staging.replace(self._index_dir / "holder.json")

    def release(self) -> None:
        """Give up one hold; the last takes the card away."""
        if self.sole:
            (self._index_dir / "holder.json").unlink(missing_ok=True)
        self._lock.release()


def index_holder(index_dir: Path) -> Holder | None:
    """The process that holds the index now; None where nobody does.

    Args:
        index_dir: Need not exist.
    """
    if not (index_dir / ".lock").exists():
        return None
    # Not the singleton: within the holding process, too, it must meet a lock that is taken.
    probe = FileLock(index_dir.resolve() / ".lock")
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return _card(index_dir)
    probe.release()
    return None


def _card(index_dir: Path) -> Holder | None:
    try:
        return Holder(**json.loads((index_dir / "holder.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None  # it is just coming or going
