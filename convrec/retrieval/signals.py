"""Owns what a history says of items, as numbers: the features of the learned combination. Owns no weights.

Of every candidate, each standardised over the candidates of the query:

    ease_short, ease_long   behaviour.py with decay .5 and .95
    next_1, _10, _30        transitions.py: what follows the history at three time scales, decay .3, .8, .9
    popularity              log(1 + choices), ever, and in the last 30 and 180 days

Only what was chosen predicts what follows; rejections count in `ease` alone, with their sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convrec.retrieval.base import Floats
from convrec.retrieval.behaviour import Behaviour, BehaviourConfig, fit_behaviour
from convrec.retrieval.popularity import Popularity, popularity_keys
from convrec.retrieval.sequences import Rows, Sequences
from convrec.retrieval.transitions import TransitionConfig, Transitions, count_transitions

Features = NDArray[np.float64]

_LONG_DECAY = 0.95
_EASE_DECAYS = {"ease_short": 0.5, "ease_long": _LONG_DECAY}
_NEXT_DECAYS = {"next_1": 0.3, "next_10": 0.8, "next_30": 0.9}
_DAYS = {"popularity_30d": 30.0, "popularity_180d": 180.0}
FEATURES = (*_EASE_DECAYS, *_NEXT_DECAYS, "popularity", *_DAYS)


@dataclass(frozen=True, slots=True)
class Past:
    """What a person did, oldest first, as far as it counts.

    Args:
        rows_H: item_idx, the latest `window` of them.
        signals_H: In [-1, 1]; negative is rejected.
        now: Seconds since the epoch.
    """

    rows_H: Rows
    signals_H: NDArray[np.float32]
    now: float

    def weights(self, decay: float, rejections: bool = True) -> NDArray[np.float64]:
        """signal * decay^age per entry; without rejections they are 0."""
        signals_H = self.signals_H if rejections else np.maximum(self.signals_H, 0.0)
        return signals_H * decay ** np.arange(len(self.rows_H) - 1, -1, -1)


@dataclass(frozen=True, slots=True)
class Links:
    """What history items say of candidates, before it is weighed: for many histories made of the same items.

    Args:
        place: item_idx of a history item -> its row in the tables.
        behaviour_H_C: Weights of behaviour.py.
        transitions: By name, those of transitions.py, H x C each.
    """

    place: Mapping[int, int]
    behaviour_H_C: Features
    transitions: Mapping[str, Features]

    def rows(self, rows_H: Rows) -> Rows:
        """The rows of the tables for a history."""
        return np.array([self.place[row] for row in rows_H.tolist()], np.int64)


@dataclass(frozen=True)
class Signals:
    """Everything that behaviour says, fitted: see the module.

    Args:
        behaviour: Which items are chosen together.
        transitions: Which follow which, by name.
        popularity: How often each is chosen.
    """

    behaviour: Behaviour
    transitions: Mapping[str, Transitions]
    popularity: Popularity

    def links(self, rows_H: Rows, columns_C: Rows) -> Links:
        """What some history items, each once, say of candidates."""
        return Links(
            {int(row): place for place, row in enumerate(rows_H)},
            self.behaviour.links(rows_H, columns_C),
            {name: self.transitions[name].links(rows_H, columns_C) for name in _NEXT_DECAYS},
        )

    def features(self, past: Past, columns_C: Rows, links: Links | None = None) -> Features:
        """features_C_F of candidates in the order of FEATURES, standardised over them.

        Args:
            links: Of these candidates, with all of the history in them: the same result, sooner.
        """
        columns = self._said(past, columns_C) if links is None else self._said_by(past, links)
        columns.append(np.log1p(self.popularity.counts_N[columns_C]))
        columns += [self.popularity.lately(days, past.now, columns_C) for days in _DAYS.values()]
        raw_C_F = np.stack(columns, axis=1)
        spread_F = raw_C_F.std(axis=0)
        standard_C_F: Features = (raw_C_F - raw_C_F.mean(axis=0)) / np.where(spread_F > 1e-9, spread_F, np.inf)
        return standard_C_F

    def _said(self, past: Past, columns_C: Rows) -> list[Features]:
        said = [
            self.behaviour.scores(past.rows_H, past.weights(decay), columns_C) for decay in _EASE_DECAYS.values()
        ]
        return said + [
            self.transitions[name].scores(past.rows_H, past.weights(decay, rejections=False))[columns_C]
            for name, decay in _NEXT_DECAYS.items()
        ]

    def _said_by(self, past: Past, links: Links) -> list[Features]:
        rows = links.rows(past.rows_H)
        said = [
            np.einsum("h,hc->c", past.weights(decay), links.behaviour_H_C[rows]) for decay in _EASE_DECAYS.values()
        ]
        return said + [
            np.einsum("h,hc->c", past.weights(decay, rejections=False), links.transitions[name][rows])
            for name, decay in _NEXT_DECAYS.items()
        ]

    def asked(self, past: Past, decay: float, pool: int) -> tuple[tuple[Floats, int], ...]:
        """The vectors that a history asks for candidates with, and how many each: of late, and of all along."""
        return tuple(
            (self.behaviour.vector(past.rows_H, past.weights(d)), n)
            for d, n in ((decay, pool), (_LONG_DECAY, pool // 3))
        )

    def followers(self, past: Past, n: int) -> Rows:
        """The up to n items that most often follow what the history ends with, best first."""
        weights_H = past.weights(_NEXT_DECAYS["next_10"], rejections=False)
        scores_N = self.transitions["next_10"].scores(past.rows_H, weights_H)
        return top(scores_N, n, positive=True)


def fit_signals(
    sequences: Sequences, items: int, behaviour: BehaviourConfig, transitions: TransitionConfig
) -> Signals:
    """Signals from everybody's choices.

    Args:
        sequences: Who chose what, in which order.
        items: N.
        behaviour, transitions: How.
    """
    return Signals(
        fit_behaviour(sequences, items, behaviour),
        count_transitions(sequences, items, transitions),
        Popularity(*popularity_keys(sequences), items),
    )


def top(scores_N: NDArray[np.floating], n: int, positive: bool = False) -> Rows:
    """The n largest, best first, equal ones by index; only those above 0 where `positive`."""
    n = min(n, len(scores_N))
    if n == 0:
        return np.zeros(0, np.int64)
    least = np.partition(scores_N, len(scores_N) - n)[len(scores_N) - n]
    rows = np.flatnonzero((scores_N >= least) & (scores_N > 0) if positive else scores_N >= least)
    best: Rows = rows[np.lexsort((rows, -scores_N[rows]))][:n]
    return best
