"""Owns the accuracy of rankings and scores, per prediction, and calibration. Knows no ranker and no interval.

Ranks are floats: 1 is best, infinity means that the item was not among what was ranked. A prediction with several
held-out items counts as one for each of them ("per target"), except in `hit`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


def recall(ranks_T: Values, k: int) -> Values:
    """1 where the held-out item is among the first k, else 0, per target.

    At the number of candidates that a retriever hands to a ranker this is the coverage: the ranker's ceiling.
    """
    return (ranks_T <= k).astype(np.float64)


def hit(ranks_T: Values, case_T: NDArray[np.int64], k: int) -> Values:
    """1 where any held-out item of a case is among the first k, else 0, per case in the order of their numbers.

    Args:
        ranks_T: Of all targets.
        case_T: The case of each target, numbered from 0.
        k: Cut-off.
    """
    best_Q = np.full(int(case_T.max(initial=-1)) + 1, np.inf)
    np.minimum.at(best_Q, case_T, ranks_T)
    return recall(best_Q, k)


def ndcg(ranks_T: Values, k: int) -> Values:
    """1 / log2(1 + rank) where the held-out item is among the first k, else 0, per target.

    With a single relevant item the ideal gain is 1.

    Source: Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with base 2.
    """
    return np.where(ranks_T <= k, 1.0 / np.log2(1.0 + ranks_T), 0.0)


def graded_ndcg(scores_I: Values, gains_I: Values, k: int) -> float:
    """The discounted gain of the first k items by score over that of the best order, ties against the better item.

    Args:
        scores_I: Of the items.
        gains_I: How much each is wanted, >= 0, at least one of them more than 0.

    Source: as for `ndcg`, which it is where one item is wanted.
    """
    order = np.lexsort((gains_I, -scores_I))[:k]
    best = np.sort(gains_I)[::-1][:k]
    discounts = 1.0 / np.log2(2.0 + np.arange(len(best)))
    return float((gains_I[order] @ discounts) / (best @ discounts))


def reciprocal_rank(ranks_T: Values, k: int) -> Values:
    """1 / rank where the held-out item is among the first k, else 0, per target; its mean is MRR@k."""
    return np.where(ranks_T <= k, 1.0 / ranks_T, 0.0)


def auc(scores_I: Values, liked_I: Flags) -> float:
    """The probability that a liked item scores above a disliked one, ties counting half.

    Args:
        scores_I, liked_I: Of the items, at least one liked and one disliked.

    Source: Fawcett 2006, "An introduction to ROC analysis", sec. 7; by ranks, as in the Mann-Whitney statistic.
    """
    _, inverse_I, counts = np.unique(scores_I, return_inverse=True, return_counts=True)
    ranks_I = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse_I]
    liked, disliked = int(liked_I.sum()), int((~liked_I).sum())
    return float((ranks_I[liked_I].sum() - liked * (liked + 1) / 2.0) / (liked * disliked))


def calibration_error(probabilities_I: Values, happened_I: Flags, bins: int = 10) -> float:
    """How far probabilities are from frequencies: the mean distance over bins of equally many predictions.

    Args:
        probabilities_I: In [0, 1], at least one.
        happened_I: What came true.
        bins: At most one per prediction.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3; equal-mass bins as in Nguyen and
    O'Connor 2015, "Posterior calibration and exploratory analysis for natural language processing models".
    """
    order = np.argsort(probabilities_I, kind="stable")
    error = 0.0
    for part in np.array_split(order, min(bins, len(order))):
        error += len(part) * abs(probabilities_I[part].mean() - happened_I[part].mean())
    return float(error / len(order))


def brier(probabilities_I: Values, happened_I: Flags) -> float:
    """The mean squared distance of probabilities from what came true, in [0, 1]; 0 is best.

    Unlike the calibration error it cannot be made small by predicting the base rate for everything.

    Args:
        probabilities_I: In [0, 1], at least one.
        happened_I: What came true.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability", for one of two outcomes.
    """
    return float(np.mean((probabilities_I - happened_I) ** 2))
