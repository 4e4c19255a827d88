import numpy as np
import pytest

from convrec.retrieval.sequences import Sequences
from convrec.retrieval.transitions import TransitionConfig, Transitions, count_transitions


def sequences(*users: list[int]) -> Sequences:
    items = [item for user in users for item in user]
    starts = np.cumsum([0, *(len(user) for user in users)])
    return Sequences(
        starts, np.array(items, np.int64), np.arange(len(items)) * 1.0, np.ones(len(items), np.float32)
    )


def dense(matrix: Transitions, items: int) -> np.ndarray:
    return np.stack([matrix.scores(np.array([row]), np.ones(1)) for row in range(items)])


def test_what_follows_counts_by_its_distance_and_never_across_users() -> None:
    found = count_transitions(sequences([0, 1, 2], [0, 2]), 4, TransitionConfig(scales=(2,), reach=5))
    expected = np.zeros((4, 4))
    counts = np.array([2, 1, 2, 0])
    expected[0, 1], expected[1, 2], expected[0, 2] = 1.0, 1.0, np.exp(-0.5) + 1.0
    scaled = np.log1p(50 * expected / np.sqrt(np.outer(counts + 5, counts + 5)))
    assert dense(found["next_2"], 4) == pytest.approx(scaled, rel=1e-5)


def test_nothing_past_the_reach_is_paired() -> None:
    found = dense(count_transitions(sequences([0, 1, 2, 3]), 4, TransitionConfig(reach=2))["next_30"], 4)
    assert found[0, 2] > 0
    assert found[0, 3] == 0


def test_the_largest_entries_of_a_row_are_kept() -> None:
    people = sequences([0, 1], [0, 1], [0, 1], [0, 2], [0, 2], [0, 3])
    whole = dense(count_transitions(people, 4, TransitionConfig(entries=300))["next_1"], 4)
    pruned = dense(count_transitions(people, 4, TransitionConfig(entries=2))["next_1"], 4)
    assert (whole[0] > 0).tolist() == [False, True, True, True]
    assert pruned[0] == pytest.approx([0, whole[0, 1], whole[0, 2], 0])


def test_scores_are_the_weighted_sum_of_rows() -> None:
    matrix = count_transitions(sequences([0, 1, 2], [2, 0]), 3, TransitionConfig())["next_10"]
    whole = dense(matrix, 3)
    assert matrix.scores(np.array([2, 0]), np.array([0.5, 2.0])) == pytest.approx(0.5 * whole[2] + 2 * whole[0])
    assert not matrix.scores(np.zeros(0, np.int64), np.zeros(0)).any()


def test_nobody_chose_anything() -> None:
    found = count_transitions(sequences(), 3, TransitionConfig())
    assert set(found) == {"next_1", "next_10", "next_30"}
    assert not dense(found["next_1"], 3).any()
