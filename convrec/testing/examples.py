"""Examples that a small model can learn from, over the wine list of recommender.py."""

from __future__ import annotations

import random

from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.testing.recommender import wine_list
from convrec.training.objective import fit_offset
from convrec.types import Profile, SessionState


def riesling_examples(n: int) -> list[Example]:
    """n people; among six wines each wants the one Riesling, of which retrieval knows nothing."""
    dice = random.Random(0)
    catalogue = wine_list()
    grape = {item_id: item.values("grape")[0] for item_id, item in catalogue.items()}
    wanted = [i for i in catalogue.ids if grape[i] == "Riesling"]
    others = [i for i in catalogue.ids if grape[i] != "Riesling"]
    examples = []
    for number in range(n):
        target = dice.choice(wanted)
        offered = [target, *dice.sample(others, 5)]
        dice.shuffle(offered)
        user = f"u{number}"
        context = RankingContext(
            Profile(user, excluded=frozenset(others[:9])), SessionState(), "what would you drink?"
        )
        labels = tuple(float(i == target) for i in offered)
        scores = tuple(dice.random() for _ in offered)
        examples.append(
            Example(user, float(number), context, tuple(offered), scores, labels, (1.0,) * 6, (f"e{number}",))
        )
    return fit_offset(examples).on(examples)
