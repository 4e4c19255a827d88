import numpy as np
import pytest

from convrec.retrieval.behaviour import BehaviourConfig, ease_weights, factorise, recency_weights
from convrec.types import HistoryEntry

PAIRS = [("ann", 0), ("ann", 1), ("bob", 0), ("bob", 1), ("bob", 2), ("eve", 2), ("eve", 3), ("dan", 3)]


def test_weights_minimise_the_regularised_error_under_a_zero_diagonal() -> None:
    x = np.zeros((4, 4))
    for row, user in enumerate(("ann", "bob", "eve", "dan")):
        x[row, [item for name, item in PAIRS if name == user]] = 1.0
    weights = ease_weights(PAIRS, 4, 2.0).astype(np.float64)
    assert np.diag(weights) == pytest.approx(0.0, abs=0)
    # Steck 2019, eq. 4-5: each column is the ridge regression of its item on all others.
    for item in range(4):
        others = [n for n in range(4) if n != item]
        a = x[:, others]
        expected = np.linalg.solve(a.T @ a + 2.0 * np.eye(3), a.T @ x[:, item])
        assert weights[others, item] == pytest.approx(expected, abs=1e-6)


def test_repeated_pairs_count_once_and_order_does_not_matter() -> None:
    once = ease_weights(PAIRS, 4, 2.0)
    assert np.array_equal(once, ease_weights([*PAIRS[::-1], *PAIRS], 4, 2.0))


def test_items_without_interactions_are_related_to_nothing() -> None:
    weights = ease_weights(PAIRS, 6, 2.0)
    assert not weights[4:].any()
    assert not weights[:, 4:].any()
    assert weights[:4, :4].any()


def test_no_interactions_at_all() -> None:
    weights = ease_weights([], 3, 2.0)
    left, right = factorise(weights, 256)
    assert not weights.any()
    assert left.shape == right.shape == (3, 3)
    assert not (left @ right.T).any()


def test_factors_of_full_rank_are_the_weights() -> None:
    weights = ease_weights(PAIRS, 4, 2.0)
    left, right = factorise(weights, 256)
    assert left.dtype == right.dtype == np.float32
    assert left @ right.T == pytest.approx(weights, abs=1e-6)


def test_factors_of_low_rank_are_the_best_ones() -> None:
    weights = ease_weights(PAIRS, 4, 2.0)
    left, right = factorise(weights, 2)
    assert left.shape == right.shape == (4, 2)
    # Eckart and Young 1936: no matrix of rank 2 is nearer than what the first two singular values make.
    lost = np.linalg.svd(weights, compute_uv=False)[2:]
    assert np.linalg.norm(weights - left @ right.T) == pytest.approx(np.linalg.norm(lost), rel=1e-4)


def test_recency_weights_decay_from_the_youngest_within_the_window() -> None:
    history = [HistoryEntry(f"i{n}", signal, float(n)) for n, signal in enumerate((1.0, 0.5, -1.0))]
    assert recency_weights(history, BehaviourConfig(decay=0.5, window=2)) == {"i2": -1.0, "i1": 0.25}
    assert recency_weights(history, BehaviourConfig(decay=0.5, window=9))["i0"] == 0.25
    assert recency_weights([], BehaviourConfig()) == {}
