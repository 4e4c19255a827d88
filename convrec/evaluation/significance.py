"""Owns how sure a figure is: bootstrap over units (users, conversations) of means and of paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convrec.evaluation.metrics import Values

_SAMPLES = 2000
_BLOCK = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """System a less system b on the same predictions.

    Args:
        difference: Of the means.
        low, high: Its 95 % interval.
        relative: The difference over b's mean; infinite where that is 0.
        p: Two-sided: twice the smaller share of bootstrap differences on either side of 0, at least 1 / samples.
    """

    difference: float
    low: float
    high: float
    relative: float
    p: float


def numbered(units_T: Sequence[str]) -> NDArray[np.int64]:
    """Units as numbers from 0, in the order in which they first occur."""
    number = {unit: n for n, unit in enumerate(dict.fromkeys(units_T))}
    return np.array([number[unit] for unit in units_T], np.int64)


def estimate(values_T: Values, unit_T: NDArray[np.int64] | None = None, seed: int = 0) -> Estimate:
    """The mean over targets with a percentile bootstrap interval.

    Args:
        values_T: One value per target, at least one.
        unit_T: The unit of each, numbered from 0: whole units are resampled. None: each value is one.
        seed: The same seed gives the same interval.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife"; resampling of whole units as in
    Field and Welsh 2007, "Bootstrapping clustered data".
    """
    means = _means(values_T, unit_T, seed)
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values_T.mean()), float(low), float(high))


def paired(a_T: Values, b_T: Values, unit_T: NDArray[np.int64] | None = None, seed: int = 0) -> Difference:
    """How much better a is than b on the same targets.

    Args:
        a_T, b_T: One value per target of each system.
        unit_T, seed: As for `estimate`.
    """
    means = _means(a_T - b_T, unit_T, seed)
    low, high = np.quantile(means, [0.025, 0.975])
    difference, base = float((a_T - b_T).mean()), float(b_T.mean())
    beyond = min(float((means <= 0).mean()), float((means >= 0).mean()))
    return Difference(
        difference,
        float(low),
        float(high),
        difference / base if base else float("inf") * np.sign(difference) if difference else 0.0,
        min(1.0, max(2.0 * beyond, 1.0 / _SAMPLES)),
    )


def _means(values_T: Values, unit_T: NDArray[np.int64] | None, seed: int) -> Values:
    unit_T = np.arange(len(values_T)) if unit_T is None else unit_T
    sizes_U = np.bincount(unit_T).astype(np.float64)
    sums_U = np.bincount(unit_T, weights=values_T)
    random = np.random.default_rng(seed)
    units = len(sizes_U)
    parts = []
    for start in range(0, _SAMPLES, _BLOCK):
        drawn = random.integers(units, size=(min(_BLOCK, _SAMPLES - start), units))
        parts.append(sums_U[drawn].sum(axis=1) / sizes_U[drawn].sum(axis=1))
    return np.concatenate(parts)
