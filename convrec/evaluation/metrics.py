"""Owns the metrics of a ranking with one held-out item per query, and how sure they are. Knows no ranker.

Ranks are floats: 1 is best, infinity means that the item was not retrieved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries with its 95 % interval."""

    mean: float
    low: float
    high: float


def recall(ranks_Q: Values, k: int) -> Values:
    """1 where the held-out item is among the first k, else 0, per query."""
    return (ranks_Q <= k).astype(np.float64)


def ndcg(ranks_Q: Values, k: int) -> Values:
    """1 / log2(1 + rank) where the held-out item is among the first k, else 0, per query.

    With a single relevant item the ideal gain is 1.

    Source: Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with base 2.
    """
    return np.where(ranks_Q <= k, 1.0 / np.log2(1.0 + ranks_Q), 0.0)


def reciprocal_rank(ranks_Q: Values, k: int) -> Values:
    """1 / rank where the held-out item is among the first k, else 0, per query; its mean is MRR@k."""
    return np.where(ranks_Q <= k, 1.0 / ranks_Q, 0.0)


def estimate(values_Q: Values, samples: int = 2000, seed: int = 0) -> Estimate:
    """The mean over queries with a percentile bootstrap interval.

    Args:
        values_Q: One value per query, at least one.
        samples: Bootstrap samples.
        seed: The same seed gives the same interval.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    random = np.random.default_rng(seed)
    means = [values_Q[random.integers(len(values_Q), size=len(values_Q))].mean() for _ in range(samples)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values_Q.mean()), float(low), float(high))
