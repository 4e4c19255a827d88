import numpy as np
import pytest

from convrec.evaluation.beyond import (
    average_popularity,
    catalogue_coverage,
    gini,
    intra_list_diversity,
    novelty,
)

LISTS = [np.array([0, 1]), np.array([0, 2]), np.zeros(0, np.int64)]
USERS = np.array([8, 4, 0, 1])


def test_coverage_is_the_share_of_items_shown() -> None:
    assert catalogue_coverage(LISTS, 4) == 0.75
    assert catalogue_coverage([], 4) == 0.0


def test_gini_is_zero_for_equality_and_near_one_for_a_monopoly() -> None:
    assert gini([np.arange(4)], 4) == pytest.approx(0.0)
    assert gini([np.array([2])] * 5, 100) == pytest.approx(0.99)
    assert gini([], 4) == 0.0
    # Half the sum of absolute differences over n^2 times the mean (Gini 1912).
    counts = np.array([2, 1, 1, 0])
    expected = np.abs(counts[:, None] - counts).sum() / (2 * 16 * counts.mean())
    assert gini(LISTS, 4) == pytest.approx(expected)


def test_popularity_and_novelty_are_means_per_list() -> None:
    assert average_popularity(LISTS, USERS).tolist() == [6.0, 4.0, 0.0]
    assert novelty(LISTS, USERS, 8).tolist() == [0.5, 1.5, 0.0]


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]])
    lists = [np.array([0, 1]), np.array([0, 2]), np.array([0, 1, 2]), np.array([1]), np.array([0, 3])]
    assert intra_list_diversity(lists, vectors) == pytest.approx([1.0, 0.0, 2 / 3, 0.0, 1.0])
