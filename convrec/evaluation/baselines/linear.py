"""Owns the linear item-item baselines: neighbours by cosine, EASE, and EASE over a decaying history."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convrec.evaluation.base import Task
from convrec.evaluation.baselines.dense import DenseSystem, Scores, choices, dense_system, matrix
from convrec.progress import Progress
from convrec.retrieval.behaviour import ease_weights
from convrec.retrieval.sequences import Rows


class ItemKnnSystem:
    """The sum of shrunk cosines between an item and a history, over each history item's nearest neighbours.

    Args:
        neighbours: Of each item.
        shrinkage: Added to the product of norms; what little data says counts less.

    Source: Sarwar et al. 2001, "Item-based Collaborative Filtering Recommendation Algorithms"; shrinkage as in
    Ferrari Dacrema et al. 2019, "Are We Really Making Much Progress?", sec. 3.2.
    """

    name = "item-knn"
    stochastic = False

    def __init__(self, neighbours: int = 50, shrinkage: float = 0.0) -> None:
        self._neighbours, self._shrinkage = neighbours, shrinkage
        self.settings = f"cosine, {neighbours} neighbours, shrinkage {shrinkage:g}"

    def fit(self, task: Task, seed: int, progress: Progress) -> DenseSystem:  # noqa: ARG002
        """Cosines of all pairs."""
        sequences = choices(task)
        x_U_N = matrix(sequences, len(task.catalogue.ids))
        together_N_N = (x_U_N.T @ x_U_N).toarray().astype(np.float64)
        norms_N = np.sqrt(np.diag(together_N_N))
        cosines_N_N = together_N_N / np.maximum(np.outer(norms_N, norms_N) + self._shrinkage, 1e-9)
        np.fill_diagonal(cosines_N_N, 0.0)
        if self._neighbours < len(cosines_N_N):
            least_N = np.partition(cosines_N_N, -self._neighbours, axis=1)[:, -self._neighbours]
            cosines_N_N[cosines_N_N < least_N[:, None]] = 0.0
        return dense_system(task, sequences, lambda rows: cosines_N_N[rows].sum(axis=0))


class EaseSystem:
    """EASE; with a decay, over the last entries of the history.

    Args:
        strength: lambda.
        decay: Weight of an entry relative to the next younger one; None weighs all alike.
        window: How many of the latest entries count with a decay.

    Source: Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", eq. 8.
    """

    stochastic = False

    def __init__(self, strength: float = 500.0, decay: float | None = None, window: int = 30) -> None:
        self.name = "ease" if decay is None else "recency-ease"
        self._strength, self._decay, self._window = strength, decay, window
        self.settings = f"lambda {strength:g}" + (f", {decay:g}^age over {window}" if decay is not None else "")

    def fit(self, task: Task, seed: int, progress: Progress) -> DenseSystem:  # noqa: ARG002
        """Invert the gram matrix."""
        sequences = choices(task)
        x_U_N = matrix(sequences, len(task.catalogue.ids))
        weights_N_N = ease_weights((x_U_N.T @ x_U_N).toarray().astype(np.float64), self._strength)
        return dense_system(task, sequences, self._score(weights_N_N))

    def _score(self, weights_N_N: NDArray[np.float32]) -> Callable[[Rows], Scores]:
        def score(rows: Rows) -> Scores:
            if self._decay is None:
                total: Scores = weights_N_N[rows].sum(axis=0, dtype=np.float64)
                return total
            recent = rows[-self._window :]
            ages = np.arange(len(recent) - 1, -1, -1)
            weighted: Scores = (self._decay**ages) @ weights_N_N[recent]
            return weighted

        return score
