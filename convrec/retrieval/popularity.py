"""Owns how much each item was turned to, ever and lately, as of any moment. Knows no user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convrec.retrieval.sequences import Rows, Sequences

_DAY_S = 86_400
_SPAN_S = 2**36
"""More than the seconds of two thousand years: item_idx * _SPAN_S + time orders choices by item, then time."""


class Popularity:
    """Counts of choices per item.

    Args:
        keys_E: item_idx * 2^36 + seconds since the earliest choice, ascending (see `popularity_keys`).
        origin: Time of the earliest choice, seconds since the epoch.
        items: N.
    """

    def __init__(self, keys_E: NDArray[np.int64], origin: float, items: int) -> None:
        self.keys_E = keys_E
        self.origin = origin
        self._newest = int((keys_E % _SPAN_S).max(initial=0))
        self.counts_N: NDArray[np.int64] = np.bincount(keys_E // _SPAN_S, minlength=items)

    def lately(self, days: float, now: float, columns_C: Rows) -> NDArray[np.float64]:
        """log(1 + choices of each item in the `days` before `now`), counts_C.

        A `now` later than the newest choice known is taken to be that: an index that is a week old knows what was
        popular a week ago.
        """
        end = min(int(now - self.origin), self._newest + 1)
        begin = end - int(days * _DAY_S)
        base_C = columns_C * _SPAN_S
        low_C = np.searchsorted(self.keys_E, base_C + max(begin, 0))
        high_C = np.searchsorted(self.keys_E, base_C + max(end, 0))
        logs_C: NDArray[np.float64] = np.log1p(high_C - low_C)
        return logs_C


def popularity_keys(sequences: Sequences) -> tuple[NDArray[np.int64], float]:
    """The sorted keys of all choices, and the time of the earliest."""
    origin = float(sequences.times_E.min(initial=np.inf)) if len(sequences.times_E) else 0.0
    seconds_E = np.clip(sequences.times_E - origin, 0, _SPAN_S - 1).astype(np.int64)
    return np.sort(sequences.items_E * _SPAN_S + seconds_E), origin
