"""Marks that stand for users who must not be named: what tells that somebody was here, and not who.

A mark is found again by whoever has the user_id, and by guessing: short ids can be tried out. It keeps an id out
of files; it does not hide one from those who hold the files and know how ids look.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

from convrec.types import ErasureEvent

_BYTES = 8


def new_salt() -> str:
    """A salt of its own for a set of marks."""
    return secrets.token_hex(16)


def mark(user_id: str, salt: str) -> str:
    """The mark of a user under a salt: 16 hexadecimal digits."""
    return hashlib.blake2b(user_id.encode(), key=salt.encode(), digest_size=_BYTES).hexdigest()


class Erasures:
    """Who was erased, and when.

    Args:
        events: All erasures of a ledger, in the order of appending.
    """

    def __init__(self, events: Iterable[ErasureEvent]) -> None:
        self.events = tuple(events)
        self._at: dict[str, dict[str, float]] = {}
        for event in self.events:
            marks = self._at.setdefault(event.salt, {})
            marks[event.user_id] = max(event.timestamp, marks.get(event.user_id, event.timestamp))

    @property
    def salt(self) -> str:
        """For the next erasure: one for all, so that looking a user up is one mark and not one per erasure."""
        return self.events[-1].salt if self.events else new_salt()

    def at(self, user_id: str) -> float | None:
        """When a user was erased last, in seconds since the epoch; None for one who was not."""
        found = [at for salt, marks in self._at.items() if (at := marks.get(mark(user_id, salt))) is not None]
        return max(found, default=None)
