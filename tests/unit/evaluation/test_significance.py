import math

import numpy as np
import pytest

from convrec.evaluation.significance import estimate, paired


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
        found = estimate((random.random(100) < 0.3).astype(float))
        covered += found.low <= 0.3 <= found.high
    assert 180 <= covered <= 199


def test_what_comes_in_units_is_as_sure_as_the_units() -> None:
    random = np.random.default_rng(3)
    per_unit = random.normal(size=50)
    repeated, unit = np.repeat(per_unit, 20), np.repeat(np.arange(50), 20)
    clustered, naive, once = estimate(repeated, unit), estimate(repeated), estimate(per_unit)
    assert clustered.high - clustered.low == pytest.approx(once.high - once.low, rel=0.15)
    assert naive.high - naive.low < 0.4 * (clustered.high - clustered.low)


def test_a_paired_difference_is_surer_than_the_figures_it_is_made_of() -> None:
    random = np.random.default_rng(4)
    b = random.normal(1.0, 1.0, 300)
    a = b + random.normal(0.1, 0.1, 300)
    found = paired(a, b)
    assert found.difference == pytest.approx((a - b).mean())
    assert found.low > 0
    assert found.high - found.low < 0.2 * (estimate(a).high - estimate(a).low)
    assert found.relative == pytest.approx((a.mean() - b.mean()) / b.mean())
    assert found.p == 1 / 2000


def test_no_difference_is_told_as_such() -> None:
    b = np.random.default_rng(5).random(100)
    same = paired(b, b)
    assert (same.difference, same.low, same.high, same.relative, same.p) == (0.0, 0.0, 0.0, 0.0, 1.0)
    assert paired(np.ones(4), np.zeros(4)).relative == math.inf


def test_p_values_of_equal_systems_are_spread_evenly() -> None:
    random = np.random.default_rng(6)
    small = sum(paired(random.normal(size=60), random.normal(size=60)).p < 0.1 for _ in range(200))
    assert 8 <= small <= 35
