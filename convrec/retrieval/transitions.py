"""Owns what follows what: sparse item-item matrices of ordered co-occurrence, at several scales. Knows no user.

    next_tau[i, j] = log(1 + 50 n_tau[i, j] / sqrt((n_i + 5)(n_j + 5)))
        n_tau[i, j]  sum over the users who chose i before j of exp(-(positions between them) / tau)
        n_i          how many users chose i

Only choices at most `reach` positions apart are paired, and of each row the largest entries are kept (300 of
1,682: no loss on MovieLens-100K).

Source: the transition counts of Rendle et al. 2010, "Factorizing Personalized Markov Chains for Next-Basket
Recommendation", sec. 3.1, over a decaying window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from convrec.retrieval.base import Floats
from convrec.retrieval.sequences import Rows, Sequences

_PAIRS = 60_000_000
"""At most so many pairs are counted; with more choices the reach is shorter. 1 GiB while they are summed."""
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class TransitionConfig:
    """What is counted.

    Args:
        scales: tau of each matrix, in positions.
        reach: How many positions apart two choices may be.
        entries: How many entries of a row are kept.
    """

    scales: tuple[int, ...] = (1, 10, 30)
    reach: int = 50
    entries: int = 300


class Transitions:
    """One sparse matrix, N x N, by rows.

    Args:
        indptr_N1, indices_Z, data_Z: Of a scipy csr_array.
    """

    def __init__(self, indptr_N1: Rows, indices_Z: NDArray[np.int32], data_Z: Floats) -> None:
        self._indptr_N1, self._indices_Z, self._data_Z = indptr_N1, indices_Z, data_Z

    @property
    def arrays(self) -> tuple[Rows, NDArray[np.int32], Floats]:
        """indptr_N1, indices_Z, data_Z."""
        return self._indptr_N1, self._indices_Z, self._data_Z

    def scores(self, rows_H: Rows, weights_H: NDArray[np.floating]) -> NDArray[np.float64]:
        """scores_N: the weighted sum of some rows."""
        parts = [slice(int(self._indptr_N1[row]), int(self._indptr_N1[row + 1])) for row in rows_H]
        columns = np.concatenate([self._indices_Z[part] for part in parts] or [np.zeros(0, np.int32)])
        values = [self._data_Z[part] * weight for part, weight in zip(parts, weights_H, strict=True)]
        items = len(self._indptr_N1) - 1
        weights = np.concatenate(values or [np.zeros(0)]).astype(np.float64)
        return np.bincount(columns, weights=weights, minlength=items).astype(np.float64, copy=False)

    def links(self, rows_H: Rows, columns_C: Rows) -> NDArray[np.float64]:
        """links_H_C: the entries of some rows and columns."""
        links_H_C = np.zeros((len(rows_H), len(columns_C)))
        row_N = np.zeros(len(self._indptr_N1) - 1)
        for place, row in enumerate(rows_H):
            part = slice(int(self._indptr_N1[row]), int(self._indptr_N1[row + 1]))
            row_N[self._indices_Z[part]] = self._data_Z[part]
            links_H_C[place] = row_N[columns_C]
            row_N[self._indices_Z[part]] = 0.0
        return links_H_C


def count_transitions(sequences: Sequences, items: int, config: TransitionConfig) -> Mapping[str, Transitions]:
    """The matrices of everybody's choices, `next_<scale>` each.

    Args:
        sequences: Who chose what, in which order.
        items: N.
        config: What is counted.
    """
    reach = max(1, min(config.reach, _PAIRS // max(len(sequences.items_E), 1)))
    counts_N = np.bincount(sequences.items_E, minlength=items)
    totals = [sparse.csr_array((items, items), dtype=np.float32) for _ in config.scales]
    pending: list[tuple[int, NDArray[np.bool_]]] = []
    held = 0
    for lag in range(1, reach + 1):
        same_P = sequences.user_E[lag:] == sequences.user_E[:-lag]
        if not same_P.any():
            break
        pending.append((lag, same_P))
        held += int(same_P.sum())
        if held > _CHUNK:
            totals = _add(totals, sequences, pending, config)
            pending, held = [], 0
    totals = _add(totals, sequences, pending, config)
    return {
        f"next_{scale}": Transitions(*_largest(_associate(counted, counts_N), config.entries))
        for scale, counted in zip(config.scales, totals, strict=True)
    }


def _add(
    totals: Sequence[sparse.csr_array],
    sequences: Sequences,
    lags: Sequence[tuple[int, NDArray[np.bool_]]],
    config: TransitionConfig,
) -> list[sparse.csr_array]:
    if not lags:
        return list(totals)
    items_E = sequences.items_E.astype(np.int32)
    before = np.concatenate([items_E[:-lag][same_P] for lag, same_P in lags])
    after = np.concatenate([items_E[lag:][same_P] for lag, same_P in lags])
    gaps = np.concatenate([np.full(int(same_P.sum()), lag - 1, np.float32) for lag, same_P in lags])
    return [
        total + sparse.csr_array((np.exp(-gaps / scale), (before, after)), shape=total.shape)
        for total, scale in zip(totals, config.scales, strict=True)
    ]


def _associate(counted: sparse.csr_array, counts_N: NDArray[np.int64]) -> sparse.csr_array:
    root = sparse.diags_array(1.0 / np.sqrt(counts_N + 5.0))
    scaled = sparse.csr_array(root @ counted @ root)
    scaled.data = np.log1p(50.0 * scaled.data)
    return scaled


def _largest(matrix: sparse.csr_array, entries: int) -> tuple[Rows, NDArray[np.int32], Floats]:
    """The matrix with at most `entries` of each row: those largest by absolute value, the first among equals."""
    row_Z = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order_Z = np.lexsort((matrix.indices, -np.abs(matrix.data), row_Z))
    place_Z = np.arange(len(order_Z)) - matrix.indptr[row_Z]
    kept = np.sort(order_Z[(place_Z < entries) & (matrix.data[order_Z] != 0)])
    indptr_N1 = np.concatenate([[0], np.cumsum(np.bincount(row_Z[kept], minlength=matrix.shape[0]))])
    return indptr_N1.astype(np.int64), matrix.indices[kept].astype(np.int32), matrix.data[kept].astype(np.float32)
