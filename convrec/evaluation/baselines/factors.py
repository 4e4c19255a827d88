"""Owns the matrix factorisation baselines, ALS and BPR, of the implicit library."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from convrec.evaluation.base import Task
from convrec.evaluation.baselines.dense import DenseSystem, Scores, choices, dense_system, matrix
from convrec.evaluation.extra import extra
from convrec.progress import Progress
from convrec.retrieval.sequences import Rows


class AlsSystem:
    """Weighted matrix factorisation by alternating least squares; a user's factors are solved from the history.

    Source: Hu, Koren and Volinsky 2008, "Collaborative Filtering for Implicit Feedback Datasets".
    """

    name = "als"
    stochastic = True

    def __init__(
        self, factors: int = 128, regularisation: float = 10.0, alpha: float = 1.0, iterations: int = 15
    ) -> None:
        self._factors, self._regularisation = factors, regularisation
        self._alpha, self._iterations = alpha, iterations
        self.settings = (
            f"implicit, {factors} factors, regularisation {regularisation:g}, alpha {alpha:g}, "
            f"{iterations} iterations"
        )

    def fit(self, task: Task, seed: int, progress: Progress) -> DenseSystem:
        """Alternate.

        Raises:
            SettingsError: The implicit library is not installed.
        """
        als: Any = extra("implicit.als")
        sequences, items = choices(task), len(task.catalogue.ids)
        # implicit warns of BLAS threads beside its own, and with one of its own there is nothing for them to do.
        with extra("threadpoolctl").threadpool_limits(1, "blas"):
            model = self._train(als, matrix(sequences, items), seed, progress)
        item_factors_N_F = np.asarray(model.item_factors)

        def score(rows: Rows) -> Scores:
            history = sparse.csr_matrix(
                (np.ones(len(rows), np.float32), (np.zeros(len(rows), np.int64), rows)), shape=(1, items)
            )
            user_F = np.asarray(model.recalculate_user(0, history)).reshape(-1)
            scores: Scores = (item_factors_N_F @ user_F).astype(np.float64)
            return scores

        return dense_system(task, sequences, score)

    def _train(self, als: Any, x_U_N: sparse.csr_matrix, seed: int, progress: Progress) -> Any:
        model = als.AlternatingLeastSquares(
            factors=self._factors,
            regularization=self._regularisation,
            alpha=self._alpha,
            iterations=self._iterations,
            random_state=seed,
            num_threads=1,
        )
        model.fit(
            x_U_N,
            show_progress=False,
            callback=lambda done, *_: progress(done / self._iterations, "ALS"),
        )
        return model


class BprSystem:
    """Bayesian personalised ranking.

    A history that was trained on has factors of its own; any other takes the mean of those of its items.

    Source: Rendle et al. 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback".
    """

    name = "bpr"
    stochastic = True

    def __init__(
        self,
        factors: int = 32,
        learning_rate: float = 0.02,
        regularisation: float = 0.03,
        iterations: int = 100,
    ) -> None:
        self._factors, self._learning_rate = factors, learning_rate
        self._regularisation, self._iterations = regularisation, iterations
        self.settings = (
            f"implicit, {factors} factors, learning rate {learning_rate:g}, regularisation {regularisation:g}, "
            f"{iterations} iterations"
        )

    def fit(self, task: Task, seed: int, progress: Progress) -> DenseSystem:
        """Descend.

        Raises:
            SettingsError: The implicit library is not installed.
        """
        bpr: Any = extra("implicit.bpr")
        sequences, items = choices(task), len(task.catalogue.ids)
        model = bpr.BayesianPersonalizedRanking(
            factors=self._factors,
            learning_rate=self._learning_rate,
            regularization=self._regularisation,
            iterations=self._iterations,
            random_state=seed,
            num_threads=1,
        )
        progress(0.0, "BPR")
        model.fit(matrix(sequences, items), show_progress=False)
        # The last column of implicit's item factors is the item's bias, whose user side is 1.
        item_factors_N_F = np.asarray(model.item_factors)
        vectors_N_F, biases_N = item_factors_N_F[:, :-1], item_factors_N_F[:, -1]
        users = {tuple(sequences.items_E[sequences.of(user)].tolist()): user for user in range(sequences.users)}
        user_factors_U_F = np.asarray(model.user_factors)

        def score(rows: Rows) -> Scores:
            user = users.get(tuple(rows.tolist()))
            known_F = user_factors_U_F[user, :-1] if user is not None else vectors_N_F[rows].mean(axis=0)
            scores: Scores = (vectors_N_F @ known_F + biases_N).astype(np.float64)
            return scores

        return dense_system(task, sequences, score)
