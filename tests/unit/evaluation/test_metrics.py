import math

import numpy as np
import pytest

from convrec.evaluation.metrics import (
    auc,
    brier,
    calibration_error,
    graded_ndcg,
    hit,
    ndcg,
    recall,
    reciprocal_rank,
)

RANKS = np.array([1.0, 2.0, 10.0, 11.0, math.inf])


def test_recall_counts_the_first_k() -> None:
    assert recall(RANKS, 10).tolist() == [1, 1, 1, 0, 0]
    assert recall(RANKS, 1).tolist() == [1, 0, 0, 0, 0]


def test_a_case_is_hit_when_any_of_its_targets_is() -> None:
    assert hit(RANKS, np.array([0, 1, 1, 2, 2]), 2).tolist() == [1, 1, 0]
    assert hit(np.zeros(0), np.zeros(0, np.int64), 2).tolist() == []


def test_graded_ndcg_is_ndcg_where_one_item_is_wanted_and_ties_go_against_it() -> None:
    scores, wanted = np.array([0.9, 0.5, 0.5, 0.1]), np.array([0.0, 1.0, 0.0, 0.0])
    assert graded_ndcg(scores, wanted, 10) == pytest.approx(ndcg(np.array([3.0]), 10)[0])
    assert graded_ndcg(scores, wanted, 2) == 0.0
    assert graded_ndcg(scores, 0.5 * wanted, 10) == graded_ndcg(scores, wanted, 10)


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    assert ndcg(RANKS, 10) == pytest.approx([1.0, 1 / math.log2(3), 1 / math.log2(11), 0.0, 0.0])


def test_reciprocal_rank_stops_at_k() -> None:
    assert reciprocal_rank(RANKS, 10) == pytest.approx([1.0, 0.5, 0.1, 0.0, 0.0])


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    liked = np.array([True, False, True, False])
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), liked) == 0.75
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), liked) == 0.5
    assert auc(np.array([0.0, 1.0, 0.0, 1.0]), liked) == 0.0


def test_calibration_error_is_the_distance_of_probabilities_from_frequencies() -> None:
    happened = np.array([True] * 30 + [False] * 70)
    assert calibration_error(np.full(100, 0.3), happened, bins=1) == pytest.approx(0.0)
    assert calibration_error(np.full(100, 0.8), happened, bins=1) == pytest.approx(0.5)
    assert calibration_error(happened.astype(float), happened) == 0.0
    assert calibration_error(1.0 - happened, happened) == 1.0


def test_probabilities_that_come_true_as_often_as_they_say_are_calibrated() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random(20_000)
    happened = random.random(20_000) < probabilities
    # What is left is the noise of 2,000 draws a bin: about sqrt(p (1 - p) / 2000), 0.01 at most.
    assert calibration_error(probabilities, happened) < 0.015
    assert calibration_error(probabilities**2, happened) > 0.1


def test_the_brier_score_tells_knowledge_from_a_base_rate() -> None:
    happened = np.array([True] * 30 + [False] * 70)
    assert brier(happened.astype(float), happened) == 0.0
    assert brier(1.0 - happened, happened) == 1.0
    # Calibrated, and worth p (1 - p).
    assert brier(np.full(100, 0.3), happened) == pytest.approx(0.21)
    assert calibration_error(np.full(100, 0.3), happened, bins=1) == pytest.approx(0.0)
