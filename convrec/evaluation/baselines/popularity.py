"""Owns the baseline that knows nobody: the number of users per item."""

from __future__ import annotations

import numpy as np

from convrec.evaluation.base import Task
from convrec.evaluation.baselines.dense import DenseSystem, choices, dense_system
from convrec.progress import Progress


class PopularitySystem:
    """Most users first."""

    name = "popularity"
    settings = "users per item"
    stochastic = False

    def fit(self, task: Task, seed: int, progress: Progress) -> DenseSystem:  # noqa: ARG002
        """Count."""
        sequences = choices(task)
        counts_N = np.bincount(sequences.items_E, minlength=len(task.catalogue.ids)).astype(np.float64)
        return dense_system(task, sequences, lambda _: counts_N)
