"""Owns the baselines by name, with the settings that were chosen for them on validation.

NDCG@10 on validation of MovieLens-100K (leave-one-out) / latest-small (LlamaRec's split), with what was tried
beside it; a standard error is about .007, of recency-ease about .009:

    item-knn       50 neighbours, no shrinkage       .0705 / .0283    (10: .0740 / .0327; 200, 20: .0672 / .0240)
    ease           lambda 100                        .0878 / .0459    (50: .0858 / .0478; 500: .0792 / .0446)
    recency-ease   lambda 500, decay .8              .1214            (decay .9: .1244; lambda 100: .1048)
                   lambda 100, decay .8, last 50              .0827   (lambda 200: .0818; 500: .0720)
    als            128 factors, 10, alpha 1          .0839 / .0394    (32, 10, alpha 3: .0783 / .0415)
    bpr            32 factors, rate .02, .03, 100    .0580 / .0367    (64, .05, .01, 200: .0546 / .0265)

als and bpr are means over two and three seeds (two for the last figure). sasrec has no finished trial on
validation: after twelve epochs the held-out loss was 6.106 with the last 100 events and 6.032 with the last 200.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convrec.evaluation.base import System
from convrec.evaluation.baselines.factors import AlsSystem, BprSystem
from convrec.evaluation.baselines.linear import EaseSystem, ItemKnnSystem
from convrec.evaluation.baselines.popularity import PopularitySystem
from convrec.evaluation.baselines.sasrec import SasrecSystem

BASELINES: Mapping[str, Callable[[], System]] = {
    "popularity": PopularitySystem,
    "item-knn": ItemKnnSystem,
    "ease": lambda: EaseSystem(100.0),
    "recency-ease": lambda: EaseSystem(500.0, decay=0.8),
    "als": AlsSystem,
    "bpr": BprSystem,
    "sasrec": SasrecSystem,
}


def baseline(name: str, dataset: str) -> System:
    """A baseline with the settings chosen for a data set.

    Args:
        name: Of BASELINES.
        dataset: Another one gets those of MovieLens-100K.
    """
    if name == "recency-ease" and dataset == "movielens-latest-small":
        return EaseSystem(100.0, decay=0.8, window=50)
    return BASELINES[name]()
