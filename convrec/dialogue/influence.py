"""Owns how much each item of a history carries a retrieval score: by leaving it out, or as a Shapley value.

Both ask the retriever what it would score for the same request by a person without some items, among the same
candidates. What is left out stays barred: only what is known of the person changes.

Left out one by one, MovieLens-100K, 200 people, one of the first five films of each: see scripts/check_reasons.py,
which leaves items out of the served system instead and counts how often the cited one costs more than another.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal

from convrec.retrieval.base import Retriever
from convrec.types import RetrievalQuery

Method = Literal["leave-one-out", "shapley"]
Effects = Mapping[str, float]
"""item_id of the history or of the conversation -> how much of the score it carries; negative speaks against."""

_EXACT = 8
_PERMUTATIONS = 20


def effects(
    method: Method, retriever: Retriever, query: RetrievalQuery, item_ids: Sequence[str], others: Sequence[str]
) -> list[Effects]:
    """What each of `others` carries of the retrieval score of each item.

    Args:
        query: That the items are scored for.
        item_ids: Of the catalogue.
        others: Items of the history or named; the rest of the history stays as it is.
    """
    if not item_ids or not others:
        return [{} for _ in item_ids]
    measure = shapley if method == "shapley" else leave_one_out
    return measure(retriever, query, item_ids, others)


def without(query: RetrievalQuery, left_out: Collection[str]) -> RetrievalQuery:
    """The query of the same person if they had never met some items."""
    return replace(
        query,
        history=tuple(entry for entry in query.history if entry.item_id not in left_out),
        seeds={item_id: weight for item_id, weight in query.seeds.items() if item_id not in left_out},
        now=query.now if query.now is not None else max((e.timestamp for e in query.history), default=None),
    )


def leave_one_out(
    retriever: Retriever, query: RetrievalQuery, item_ids: Sequence[str], others: Sequence[str]
) -> list[Effects]:
    """How far each item's score falls when one of `others` is left out."""
    whole, *rest = retriever.rescore(query, item_ids, [query, *(without(query, {other}) for other in others)])
    return [
        {other: whole[n] - scores[n] for other, scores in zip(others, rest, strict=True)}
        for n in range(len(item_ids))
    ]


def shapley(
    retriever: Retriever,
    query: RetrievalQuery,
    item_ids: Sequence[str],
    others: Sequence[str],
    permutations: int = _PERMUTATIONS,
    seed: int = 0,
) -> list[Effects]:
    """Shapley values of `others`: exact up to 8 of them, by sampled permutations beyond.

    Either way they add up to the score with all of them minus the score with none.

    Source: Castro, Gomez & Tejada 2009, "Polynomial calculation of the Shapley value based on sampling".
    """
    if len(others) <= _EXACT:
        weights = _exact(others)
    else:
        rng = random.Random(seed)
        orders = [rng.sample(others, len(others)) for _ in range(permutations)]
        weights = _sampled(orders)
    coalitions = list(dict.fromkeys(c for terms in weights.values() for c in terms))
    scores = retriever.rescore(query, item_ids, [without(query, set(others) - c) for c in coalitions])
    value = dict(zip(coalitions, scores, strict=True))
    return [
        {other: math.fsum(w * value[c][n] for c, w in weights[other].items()) for other in others}
        for n in range(len(item_ids))
    ]


_Terms = Mapping[str, Mapping[frozenset[str], float]]
"""Of each player, the weight with which the value of each coalition enters."""


def _exact(players: Sequence[str]) -> _Terms:
    n = len(players)
    terms: dict[str, dict[frozenset[str], float]] = {player: {} for player in players}
    for player in players:
        rest = [other for other in players if other != player]
        for size in range(n):
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for coalition in map(frozenset, combinations(rest, size)):
                terms[player][coalition] = -weight
                terms[player][coalition | {player}] = weight
    return terms


def _sampled(orders: Sequence[Sequence[str]]) -> _Terms:
    terms: dict[str, dict[frozenset[str], float]] = {player: {} for player in orders[0]}
    for order in orders:
        before: frozenset[str] = frozenset()
        for player in order:
            after = before | {player}
            own = terms[player]
            own[before] = own.get(before, 0.0) - 1 / len(orders)
            own[after] = own.get(after, 0.0) + 1 / len(orders)
            before = after
    return terms
