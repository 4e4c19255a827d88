"""Owns how high people hold each item: where its mean opinion, R in [0, 1], stands among those of the others.

    mean(i) = (sum of R + 5 m) / (number of opinions + 5), with m everybody's mean
    of(i)   = share of all opinions that lie on items of a lower mean; half of those on items of the same

A place among the others needs no scale: where people only ever like, a mean of .9 may be a low one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convrec.retrieval.sequences import Rows
from convrec.types import HistoryEntry

_FILE = "esteem.npz"
_PSEUDO_OPINIONS = 5
"""Opinions of everybody's mean that every item is taken to have besides its own."""


class Esteem:
    """Opinions per item.

    Args:
        totals_N: Sum of the opinions of each item, each in [0, 1].
        counts_N: How many there are.
    """

    def __init__(self, totals_N: NDArray[np.float64], counts_N: NDArray[np.float64]) -> None:
        self.totals_N, self.counts_N = totals_N, counts_N
        everybody = totals_N.sum() / max(counts_N.sum(), 1.0)
        mean_N = (totals_N + _PSEUDO_OPINIONS * everybody) / (counts_N + _PSEUDO_OPINIONS)
        _, place_N = np.unique(mean_N, return_inverse=True)
        mass_P = np.bincount(place_N, counts_N)
        self._place_N = ((np.cumsum(mass_P) - mass_P / 2) / max(counts_N.sum(), 1.0))[place_N]

    def save(self, folder: Path) -> None:
        """Write it into an index's folder."""
        np.savez(folder / _FILE, totals=self.totals_N, counts=self.counts_N)

    def of(self, row: int) -> float | None:
        """Where an item stands, in [0, 1]; None where nobody has said."""
        return float(self._place_N[row]) if self.counts_N[row] else None


def fit_esteem(histories: Iterable[Sequence[HistoryEntry]], row: Mapping[str, int], items: int) -> Esteem:
    """Esteem from everybody's histories.

    Args:
        row: item_id -> item_idx; other items are passed over.
        items: N.
    """
    told = [
        (row[entry.item_id], entry.opinion)
        for history in histories
        for entry in history
        if entry.opinion is not None and entry.item_id in row
    ]
    rows_E: Rows = np.array([idx for idx, _ in told], np.int64)
    opinions_E = np.array([opinion for _, opinion in told], np.float64)
    return Esteem(
        np.bincount(rows_E, opinions_E, minlength=items).astype(np.float64),
        np.bincount(rows_E, minlength=items).astype(np.float64),
    )


def load_esteem(folder: Path) -> Esteem:
    """Read what `save` wrote; the index has checked the file."""
    stored = np.load(folder / _FILE)
    return Esteem(stored["totals"], stored["counts"])
