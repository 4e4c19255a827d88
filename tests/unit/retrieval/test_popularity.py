import numpy as np
import pytest

from convrec.retrieval.popularity import Popularity, popularity_keys
from convrec.retrieval.sequences import Sequences

DAY = 86_400.0


@pytest.fixture
def popularity() -> Popularity:
    """Item 0 is chosen on days 0, 1 and 2, item 1 on day 10."""
    chosen = Sequences(
        np.array([0, 2, 4]),
        np.array([0, 1, 0, 0]),
        1e9 + DAY * np.array([0.0, 10.0, 1.0, 2.0]),
        np.ones(4, np.float32),
    )
    return Popularity(*popularity_keys(chosen), items=3)


def test_counts_of_all_time(popularity: Popularity) -> None:
    assert popularity.counts_N.tolist() == [3, 1, 0]


@pytest.mark.parametrize(
    ("days", "day", "expected"),
    [
        (2, 2, [2, 0, 0]),  # what happens at that very moment is not before it
        (2, 2.1, [2, 0, 0]),
        (1, 3, [1, 0, 0]),
        (30, 10.5, [3, 1, 0]),
        (1, 11.5, [0, 1, 0]),
        (1, 900, [0, 1, 0]),  # later than anything known
        (5, -3, [0, 0, 0]),
    ],
)
def test_lately_is_before_now(popularity: Popularity, days: float, day: float, expected: list[int]) -> None:
    found = popularity.lately(days, 1e9 + DAY * day, np.array([0, 1, 2]))
    assert np.expm1(found) == pytest.approx(expected)
    assert popularity.lately(days, 1e9 + DAY * day, np.array([1])) == pytest.approx(found[1:2])


def test_nobody_chose_anything() -> None:
    empty = Sequences(np.array([0]), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float32))
    popularity = Popularity(*popularity_keys(empty), items=2)
    assert popularity.counts_N.tolist() == [0, 0]
    assert popularity.lately(30, 5.0, np.array([0, 1])).tolist() == [0.0, 0.0]
