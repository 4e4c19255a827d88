"""Owns who turned to what, in which order: the ledger's feedback as arrays that models are fitted on. No model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from convrec.ledger.profile import build_profile
from convrec.types import FeedbackEvent, HistoryEntry

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """E choices of U users, those of one user together and oldest first; nobody chooses an item twice.

    Args:
        starts_U1: Where each user's choices begin; one more at the end, E.
        items_E: item_idx.
        times_E: Seconds since the epoch.
        signals_E: In (0, 1], see ledger.profile.
    """

    starts_U1: Rows
    items_E: Rows
    times_E: NDArray[np.float64]
    signals_E: NDArray[np.float32]

    @property
    def users(self) -> int:
        """U."""
        return len(self.starts_U1) - 1

    @cached_property
    def user_E(self) -> Rows:
        """The user of each choice, from 0."""
        return np.repeat(np.arange(self.users), np.diff(self.starts_U1))

    def of(self, user: int) -> slice:
        """Where a user's choices are."""
        return slice(int(self.starts_U1[user]), int(self.starts_U1[user + 1]))

    def before_last(self, n: int, keep: int) -> Sequences:
        """Without the last n choices of every user who then still has `keep`; other users stay whole."""
        lengths_U = np.diff(self.starts_U1)
        cut_U = np.where(lengths_U - n >= keep, lengths_U - n, lengths_U)
        age_E = np.arange(len(self.items_E)) - self.starts_U1[self.user_E]
        kept_E = age_E < cut_U[self.user_E]
        return Sequences(
            np.concatenate([[0], np.cumsum(cut_U)]),
            self.items_E[kept_E],
            self.times_E[kept_E],
            self.signals_E[kept_E],
        )


def read_histories(
    events: Iterable[FeedbackEvent], rating_scale: tuple[float, float]
) -> list[tuple[HistoryEntry, ...]]:
    """The history of every user: what stands of their feedback (see build_profile).

    Args:
        events: Of all users; equal timestamps keep the order given.
        rating_scale: Of the ratings.
    """
    by_user: dict[str, list[FeedbackEvent]] = {}
    for event in events:
        by_user.setdefault(event.user_id, []).append(event)
    return [build_profile(user_id, by_user[user_id], rating_scale).history for user_id in sorted(by_user)]


def sequences_of(histories: Iterable[Iterable[HistoryEntry]], row: Mapping[str, int]) -> Sequences:
    """The choices in histories: all but what was rejected.

    Args:
        row: item_id -> item_idx; other items are passed over.
    """
    starts, items, times, signals = [0], [], [], []
    for history in histories:
        for entry in history:
            if entry.signal > 0 and entry.item_id in row:
                items.append(row[entry.item_id])
                times.append(entry.timestamp)
                signals.append(entry.signal)
        if len(items) > starts[-1]:
            starts.append(len(items))
    return Sequences(
        np.array(starts, np.int64), np.array(items, np.int64), np.array(times), np.array(signals, np.float32)
    )
