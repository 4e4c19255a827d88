"""Owns the choice of a few unlike items among well retrieved ones, for people of whom nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

from convrec.data.catalogue import Catalogue, written
from convrec.types import Candidate, FacetType, Item

_UNLIKE = 0.7
"""How much being unlike the others counts, and 1 less it the score."""


def varied(candidates: Sequence[Candidate], catalogue: Catalogue, k: int) -> tuple[Item, ...]:
    """k of the candidates, one by one the best of score and difference to those chosen before.

    Two items are as alike as the share of their set facets' values that both have; items without any are as alike
    as items can be that share half.

    Args:
        candidates: Best first, all in the catalogue.

    Returns:
        In the order of choosing; fewer where there are fewer candidates.

    Source: maximal marginal relevance (Carbonell & Goldstein 1998).
    """
    sets = [facet.name for facet in catalogue.facets if facet.type is FacetType.SET]
    values = {
        c.item_id: {(name, written(v)) for name in sets for v in catalogue[c.item_id].values(name)}
        for c in candidates
    }
    # By place, not by score: scores of a stranger's candidates lie too close together to be weighed.
    worth = {c.item_id: 1.0 - place / len(candidates) for place, c in enumerate(candidates)}
    nearest = dict.fromkeys(worth, 0.0)
    chosen: list[str] = []
    while len(chosen) < min(k, len(candidates)):
        best = max(nearest, key=lambda i: ((1.0 - _UNLIKE) * worth[i] - _UNLIKE * nearest[i], worth[i]))
        chosen.append(best)
        del nearest[best]
        for item_id, near in nearest.items():
            nearest[item_id] = max(near, _alike(values[best], values[item_id]))
    return tuple(catalogue[item_id] for item_id in chosen)


def _alike(one: set[tuple[str, str]], other: set[tuple[str, str]]) -> float:
    union = one | other
    return len(one & other) / len(union) if union else 0.5
