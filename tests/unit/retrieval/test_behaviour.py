import numpy as np
import pytest

from convrec.retrieval.behaviour import BehaviourConfig, ease_weights, factorise, fit_behaviour, local_gram
from convrec.retrieval.sequences import Sequences

ANN, BOB, EVE, DAN = [0, 1], [0, 1, 2], [2, 3], [3]


def sequences(*users: list[int]) -> Sequences:
    items = [item for user in users for item in user]
    starts = np.cumsum([0, *(len(user) for user in users)])
    return Sequences(
        starts, np.array(items, np.int64), np.arange(len(items)) * 1.0, np.ones(len(items), np.float32)
    )


PEOPLE = sequences(ANN, BOB, EVE, DAN)
PLAIN = BehaviourConfig(locality=0.0)


def weights(items: int = 4, strength: float = 2.0) -> np.ndarray:
    return ease_weights(local_gram(PEOPLE, items, PLAIN), strength)


def test_weights_minimise_the_regularised_error_under_a_zero_diagonal() -> None:
    x = np.zeros((4, 4))
    for row, chosen in enumerate((ANN, BOB, EVE, DAN)):
        x[row, chosen] = 1.0
    found = weights().astype(np.float64)
    assert np.diag(found) == pytest.approx(0.0, abs=0)
    # Steck 2019, eq. 4-5: each column is the ridge regression of its item on all others.
    for item in range(4):
        others = [n for n in range(4) if n != item]
        a = x[:, others]
        expected = np.linalg.solve(a.T @ a + 2.0 * np.eye(3), a.T @ x[:, item])
        assert found[others, item] == pytest.approx(expected, abs=1e-6)


def test_locality_weighs_pairs_by_how_near_they_were() -> None:
    gram = local_gram(sequences([2, 0, 1]), 3, BehaviourConfig(locality=0.75, reach=2.0))
    assert np.diag(gram) == pytest.approx(1.0)
    assert gram[2, 0] == gram[0, 1] == pytest.approx(0.75 * np.exp(-0.5) + 0.25)
    assert gram[2, 1] == pytest.approx(0.75 * np.exp(-1.0) + 0.25)
    assert np.array_equal(gram, gram.T)


def test_near_choices_are_related_more_than_far_ones() -> None:
    people = sequences(*([0, 1, 4, 5, 6, 7, 2] for _ in range(5)), *([0, 2] for _ in range(5)), [3])
    near = fit_behaviour(people, 8, BehaviourConfig(locality=0.9, reach=1.0)).exact_N_N
    plain = fit_behaviour(people, 8, BehaviourConfig(locality=0.0)).exact_N_N
    assert near is not None
    assert plain is not None
    assert near[0, 1] / near[0, 2] > plain[0, 1] / plain[0, 2] > 0


def test_items_without_interactions_are_related_to_nothing() -> None:
    found = weights(items=6)
    assert not found[4:].any()
    assert not found[:, 4:].any()
    assert found[:4, :4].any()


def test_no_interactions_at_all() -> None:
    behaviour = fit_behaviour(sequences(), 3, BehaviourConfig())
    assert behaviour.exact_N_N is not None
    assert not behaviour.exact_N_N.any()
    assert behaviour.left_N_F.shape == behaviour.right_N_F.shape == (3, 3)
    assert not (behaviour.left_N_F @ behaviour.right_N_F.T).any()


def test_factors_of_full_rank_are_the_weights() -> None:
    left, right = factorise(weights(), 256)
    assert left.dtype == right.dtype == np.float32
    assert left @ right.T == pytest.approx(weights(), abs=1e-6)


def test_factors_of_low_rank_are_the_best_ones() -> None:
    left, right = factorise(weights(), 2)
    assert left.shape == right.shape == (4, 2)
    # Eckart and Young 1936: no matrix of rank 2 is nearer than what the first two singular values make.
    lost = np.linalg.svd(weights(), compute_uv=False)[2:]
    assert np.linalg.norm(weights() - left @ right.T) == pytest.approx(np.linalg.norm(lost), rel=1e-4)


@pytest.mark.parametrize("dense_items", [4, 3])
def test_scores_are_weighted_rows_without_the_diagonal(dense_items: int) -> None:
    behaviour = fit_behaviour(PEOPLE, 4, BehaviourConfig(locality=0.0, dense_items=dense_items))
    assert (behaviour.exact_N_N is None) == (dense_items == 3)
    full = behaviour.exact_N_N if behaviour.exact_N_N is not None else behaviour.left_N_F @ behaviour.right_N_F.T
    full = full - np.diag(np.diag(full))
    rows, weights_H, columns = np.array([2, 0]), np.array([1.0, -0.5]), np.array([3, 0, 1])
    assert behaviour.scores(rows, weights_H, columns) == pytest.approx((weights_H @ full[rows])[columns], abs=1e-6)


def test_past_the_dense_limit_the_factors_are_the_ridge_regression_of_all_items() -> None:
    x = np.zeros((4, 4))
    for row, chosen in enumerate((ANN, BOB, EVE, DAN)):
        x[row, chosen] = 1.0
    behaviour = fit_behaviour(PEOPLE, 4, BehaviourConfig(dense_items=3))
    strength = 8.0 * len(PEOPLE.items_E) / 4
    expected = np.linalg.solve(x.T @ x + strength * np.eye(4), x.T @ x)
    assert behaviour.left_N_F @ behaviour.right_N_F.T == pytest.approx(expected, abs=1e-5)
