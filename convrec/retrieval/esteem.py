"""Owns what people thought of each item, R in [0, 1], in the mean: near everybody's where few have said."""

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
        self._mean = float(totals_N.sum() / max(counts_N.sum(), 1.0))

    def save(self, folder: Path) -> None:
        """Write it into an index's folder."""
        np.savez(folder / _FILE, totals=self.totals_N, counts=self.counts_N)

    def of(self, row: int) -> float | None:
        """(total + 5 mean) / (count + 5) of an item; None where nobody has said."""
        count = float(self.counts_N[row])
        if not count:
            return None
        return (float(self.totals_N[row]) + _PSEUDO_OPINIONS * self._mean) / (count + _PSEUDO_OPINIONS)


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
