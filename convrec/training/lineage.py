"""Owns what an adapter version keeps of the events it learned from: enough to tell whose they were, no names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from convrec.ledger.marks import mark
from convrec.training.manifest import AdapterManifest
from convrec.types import FeedbackEvent


def lineage(events: Sequence[FeedbackEvent]) -> dict[str, Any]:
    """Of the events that were read, for a manifest's `data`.

    Args:
        events: At least one, by time.

    Returns:
        events: How many. from, until: Their times. hash: Over all event_ids, sha256 (hex). salt, users: A mark of
        everybody who had one; neither their ids nor those of events, in which clients may put them.
    """
    digest = hashlib.sha256()
    for event in events:
        digest.update(event.event_id.encode() + b"\n")
    # Of the events themselves: a training that was killed goes on only with the same lineage.
    salt = hashlib.sha256(digest.digest() + b"salt").hexdigest()[:32]
    return {
        "events": len(events),
        "from": events[0].timestamp,
        "until": events[-1].timestamp,
        "hash": digest.hexdigest(),
        "salt": salt,
        "users": sorted({mark(user_id, salt) for user_id in {event.user_id for event in events}}),
    }


def learned_from(manifest: AdapterManifest, user_id: str, *, heard: bool) -> bool:
    """Whether a version learned from a user.

    Args:
        heard: Whether the ledger holds feedback of theirs: the answer for a version that learned from a ledger and
            cannot tell from whom.
    """
    data = manifest.data
    if "users" in data:
        return mark(user_id, str(data["salt"])) in data["users"]
    return heard and "events" in data and "task" not in data
