"""Owns the mixing of two slates into one, so that whoever clicks compares what made them. Knows no clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from convrec.types import Slate


def team_draft(first: Sequence[str], second: Sequence[str], k: int, random: Random) -> list[tuple[str, int]]:
    """Mix two rankings as captains choose teams: in each round a coin says who goes first, and both take their
    best item that is still free.

    Args:
        first, second: item_ids, best first, none twice.
        k: Length of the mix; less where both rankings end.
        random: The coin.

    Returns:
        Each item with the ranking that put it there, 0 or 1. As long as neither ranking ends, no ranking has more
        than one item more than the other.

    Source: Radlinski, Kurup and Joachims 2008, "How does clickthrough data reflect retrieval quality?",
        algorithm 2.
    """
    mixed: dict[str, int] = {}
    taken = [0, 0]
    while len(mixed) < k:
        free = [next((i for i in ranking if i not in mixed), None) for ranking in (first, second)]
        if free == [None, None]:
            break
        team = int(taken[1] < taken[0]) if taken[0] != taken[1] else random.randrange(2)
        chosen = free[team]
        if chosen is None:  # it has ended; the other goes on alone
            team = 1 - team
            chosen = free[team]
        assert chosen is not None
        mixed[chosen] = team
        taken[team] += 1
    return list(mixed.items())


def interleaved(first: Slate, second: Slate, k: int, random: Random) -> Slate:
    """One slate of two, each item as the version that put it there scored it.

    Args:
        first, second: Of the same candidates.
        k: Length of the mix.
        random: The coin.

    Returns:
        `scored` and `prompt_hash` are the first's. No adapter: it is of two versions. Degraded where one is.
    """
    sides = (first, second)
    of = [{r.item.item_id: r for r in side.recommendations} for side in sides]
    mixed = team_draft(list(of[0]), list(of[1]), k, random)
    return Slate(
        recommendations=tuple(
            replace(of[team][item_id], rank=rank) for rank, (item_id, team) in enumerate(mixed, start=1)
        ),
        scored=first.scored,
        degraded=first.degraded or second.degraded,
        reason=first.reason or second.reason,
        prompt_hash=first.prompt_hash,
        teams=tuple(team for _, team in mixed),
    )
