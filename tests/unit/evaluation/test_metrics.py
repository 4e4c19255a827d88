import math

import numpy as np
import pytest

from convrec.evaluation.metrics import estimate, ndcg, recall, reciprocal_rank

RANKS = np.array([1.0, 2.0, 10.0, 11.0, math.inf])


def test_recall_counts_the_first_k() -> None:
    assert recall(RANKS, 10).tolist() == [1, 1, 1, 0, 0]
    assert recall(RANKS, 1).tolist() == [1, 0, 0, 0, 0]


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    assert ndcg(RANKS, 10) == pytest.approx([1.0, 1 / math.log2(3), 1 / math.log2(11), 0.0, 0.0])


def test_reciprocal_rank_stops_at_k() -> None:
    assert reciprocal_rank(RANKS, 10) == pytest.approx([1.0, 0.5, 0.1, 0.0, 0.0])


def test_an_estimate_is_the_mean_with_an_interval_around_it() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    found = estimate(values)
    assert found.mean == pytest.approx(values.mean())
    # The normal interval of a mean: 1.96 standard errors to each side.
    error = 1.96 * values.std() / math.sqrt(400)
    assert found.low == pytest.approx(found.mean - error, abs=0.04)
    assert found.high == pytest.approx(found.mean + error, abs=0.04)


def test_an_estimate_is_reproducible_and_the_seed_matters() -> None:
    values = np.random.default_rng(1).normal(size=50)
    assert estimate(values) == estimate(values)
    assert estimate(values, seed=1) != estimate(values, seed=2)
    assert estimate(np.ones(3)).low == estimate(np.ones(3)).high == 1.0


def test_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        found = estimate((random.random(100) < 0.3).astype(float), samples=200)
        covered += found.low <= 0.3 <= found.high
    assert 180 <= covered <= 199
