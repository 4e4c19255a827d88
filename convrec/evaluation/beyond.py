"""Owns what a ranking is like besides right: whom it serves, how much of the catalogue, how varied. Per system."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convrec.evaluation.metrics import Values

Lists = Sequence[NDArray[np.int64]]
"""One list of item_idx per case, best first."""


def catalogue_coverage(lists: Lists, items: int) -> float:
    """The share of the catalogue that is in some list, in [0, 1].

    Source: Ge et al. 2010, "Beyond Accuracy: Evaluating Recommender Systems by Coverage and Serendipity".
    """
    return len(np.unique(_joined(lists))) / items


def gini(lists: Lists, items: int) -> float:
    """How unequally items are shown: 0 where all equally often, near 1 where a few alone.

    Source: Fleder and Hosanagar 2009, "Blockbuster Culture's Next Rise or Fall", over the whole catalogue.
    """
    shown_N = np.sort(np.bincount(_joined(lists), minlength=items)).astype(np.float64)
    if not shown_N.any():
        return 0.0
    weights_N = 2.0 * np.arange(1, items + 1) - items - 1
    return float(weights_N @ shown_N / (items * shown_N.sum()))


def average_popularity(lists: Lists, users_N: NDArray[np.int64]) -> Values:
    """Users of the items shown, mean per list.

    Source: Yin et al. 2012, "Challenging the Long Tail Recommendation"; ARP in Abdollahpouri et al. 2019.
    """
    return np.array([users_N[shown].mean() if len(shown) else 0.0 for shown in lists], np.float64)


def novelty(lists: Lists, users_N: NDArray[np.int64], users: int) -> Values:
    """-log2 of the share of users who know the items shown, mean per list; what nobody knows counts as one user.

    Source: Castells, Vargas and Wang 2011, "Novelty and Diversity Metrics for Recommender Systems" (mean inverse
    user frequency).
    """
    surprise_N = -np.log2(np.maximum(users_N, 1) / max(users, 1))
    return np.array([surprise_N[shown].mean() if len(shown) else 0.0 for shown in lists], np.float64)


def intra_list_diversity(lists: Lists, vectors_N_D: NDArray[np.floating]) -> Values:
    """1 - cosine of the items of a list, mean over its pairs; 0 for lists of fewer than two.

    Args:
        lists: Item_idx per case.
        vectors_N_D: Of every item; rows need no unit length.

    Source: Ziegler et al. 2005, "Improving Recommendation Lists Through Topic Diversification", eq. 5, normalised.
    """
    norms_N = np.linalg.norm(vectors_N_D, axis=1, keepdims=True)
    unit_N_D = vectors_N_D / np.where(norms_N > 0, norms_N, 1.0)
    found = np.zeros(len(lists))
    for place, shown in enumerate(lists):
        if len(shown) > 1:
            cosines = unit_N_D[shown] @ unit_N_D[shown].T
            upper = np.triu_indices(len(shown), 1)
            found[place] = 1.0 - float(cosines[upper].mean())
    return found


def _joined(lists: Lists) -> NDArray[np.int64]:
    joined: NDArray[np.int64] = np.concatenate([*lists, np.zeros(0, np.int64)]).astype(np.int64)
    return joined
