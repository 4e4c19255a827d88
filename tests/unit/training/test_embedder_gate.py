import numpy as np
import pytest

from convrec.training.embedder_gate import Weighed, judge

UNITS = np.repeat(np.arange(100), 3)


def weighed(ranks: np.ndarray) -> Weighed:
    return Weighed({"text": 5.0}, ranks, UNITS, 0.5)


@pytest.fixture
def base() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 200, 300).astype(float)


def test_a_version_that_ranks_better_is_accepted(base: np.ndarray) -> None:
    verdict = judge(weighed(base), weighed(np.ceil(base / 2)))
    assert verdict.accepted
    assert verdict.reasons[0].startswith("NDCG@10 +")


def test_one_that_is_the_same_or_worse_is_not(base: np.ndarray) -> None:
    same = judge(weighed(base), weighed(base))
    assert not same.accepted
    assert same.reasons[-1] == "no figure rises for sure"
    worse = judge(weighed(base), weighed(base * 3))
    assert not worse.accepted
    assert worse.reasons[-1] == "a figure may fall"


def test_a_gain_that_may_be_luck_is_not_enough(base: np.ndarray) -> None:
    lucky = base.copy()
    lucky[5] = 1.0
    assert not judge(weighed(base), weighed(lucky)).accepted


def test_a_gain_at_the_top_that_costs_depth_is_not_accepted(base: np.ndarray) -> None:
    # Better in the first ten, but everything between 11 and 50 is lost.
    traded = np.where(base <= 30, np.minimum(base, 1.0), base + 100)
    assert not judge(weighed(base), weighed(traded)).accepted


def test_figures_come_with_intervals(base: np.ndarray) -> None:
    figures = weighed(base).figures()
    assert set(figures) == {"recall@1", "recall@10", "recall@50", "ndcg@10"}
    assert figures["recall@50"].low < np.mean(base <= 50) < figures["recall@50"].high
