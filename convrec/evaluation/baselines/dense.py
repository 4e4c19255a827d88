"""Owns what all baselines share: training data as a matrix, and ranking by one score per item. Owns no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from convrec.evaluation.base import Case, Judgement, Task
from convrec.retrieval.sequences import Rows, Sequences, read_histories, sequences_of
from convrec.types import RetrievalQuery

Scores = NDArray[np.float64]
Score = Callable[[Rows], Scores]
"""From a history (item_idx, oldest first, without rejections and what nobody was trained on) to scores_N."""


class DenseSystem:
    """A fitted system that scores every item; equal scores are ordered by item_id.

    Args:
        item_ids: N, sorted; the order of the scores.
        score: Gives scores_N for a history. Items that no user of the training data has are left out of it, for
            no model knows them; a history of nothing else is scored by popularity.
        popularity_N: Users per item.
    """

    def __init__(self, item_ids: Sequence[str], score: Score, popularity_N: Scores) -> None:
        self._item_ids = item_ids
        self._row = {item_id: idx for idx, item_id in enumerate(item_ids)}
        self._trained_N = popularity_N > 0
        self._score = score
        self._popularity_N = popularity_N

    def recommend(self, case: Case, k: int) -> Sequence[str]:
        """The k best items that the case does not exclude."""
        scores_N = self._scores(case.query).copy()
        barred = [self._row[item_id] for item_id in case.query.exclude if item_id in self._row]
        scores_N[barred] = -np.inf
        order = np.lexsort((np.arange(len(scores_N)), -scores_N))[: max(0, min(k, len(scores_N) - len(barred)))]
        return [self._item_ids[idx] for idx in order]

    def score(self, judgement: Judgement) -> Sequence[float]:
        """The scores of a judgement's items."""
        scores_N = self._scores(judgement.query)
        return [float(scores_N[self._row[item_id]]) for item_id in judgement.item_ids]

    def close(self) -> None:
        """Nothing to let go of."""

    def _scores(self, query: RetrievalQuery) -> Scores:
        named = [item_id for item_id, weight in query.seeds.items() if weight > 0]
        chosen = [*(entry.item_id for entry in query.history if entry.signal > 0), *named]
        known = np.array([self._row[item_id] for item_id in chosen if item_id in self._row], np.int64)
        rows = known[self._trained_N[known]]
        return self._score(rows) if len(rows) else self._popularity_N


def choices(task: Task) -> Sequences:
    """A task's training data as sequences over the rows of its catalogue."""
    row = {item_id: idx for idx, item_id in enumerate(task.catalogue.ids)}
    return sequences_of(read_histories(task.train, task.catalogue.domain.rating_scale), row)


def matrix(sequences: Sequences, items: int) -> sparse.csr_matrix:
    """x_U_N in {0, 1}."""
    ones = np.ones(len(sequences.items_E), np.float32)
    return sparse.csr_matrix((ones, (sequences.user_E, sequences.items_E)), shape=(sequences.users, items))


def dense_system(task: Task, sequences: Sequences, score: Score) -> DenseSystem:
    """A fitted system on a task's catalogue."""
    counts_N = np.bincount(sequences.items_E, minlength=len(task.catalogue.ids))
    return DenseSystem(task.catalogue.ids, score, counts_N.astype(np.float64))
