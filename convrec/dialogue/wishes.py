"""Owns the learned judge of wishes: how strongly something is asked for or refused, by the words around it.

A hedge can be any words ("wouldn't go amiss", "if you've got one", "in a perfect world"). Rules know the usual
ones; the judge has read some thousand ways to say it (scripts/data/understanding) and weighs what the rules say
among the words. It is a logistic regression over words and pairs of neighbours, those farther off counting less.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

import numpy as np

from convrec.dialogue.language import Token
from convrec.dialogue.questions import NONE, OPTIONS, Subject

FILE = "wish_judge.json"
WISH = OPTIONS[Subject.SET]
_REACH = 9
_FADING = 0.25
_UNLIKELY = -4.0
DIRECTIONS = {"must": "include", "prefer": "include", "exclude": "exclude", "avoid": "exclude", NONE: NONE}
"""What options of a wish have in common."""
_TURNING = {"include": 2.0, "exclude": 2.0, NONE: 1.0}
"""Log odds against what turns a wish round. Without them one in sixteen plain hard wishes was lost."""

Place = tuple[int, int]


class WishJudge:
    """The judge.

    Args:
        weights: What each feature of `surroundings` adds to the options of WISH, and "" whatever is said.
    """

    def __init__(self, weights: Mapping[str, Sequence[float]]) -> None:
        self._weights = weights

    def logs(self, features: Mapping[str, float], by_rule: str) -> tuple[float, ...]:
        """Natural logarithms of the probabilities of the options, in the order of WISH.

        Args:
            by_rule: The option that rules take; what turns it round needs more than words that may mean another.
        """
        score_O = np.array(self._weights[""], np.float64)
        for name, value in features.items():
            if (weight_O := self._weights.get(name)) is not None:
                score_O += value * np.array(weight_O)
        score_O -= [_TURNING[DIRECTIONS[option]] * (DIRECTIONS[option] != DIRECTIONS[by_rule]) for option in WISH]
        return tuple((score_O - np.logaddexp.reduce(score_O)).tolist())


@cache
def learned_wishes() -> WishJudge:
    """The shipped judge."""
    return WishJudge(json.loads(files("convrec.dialogue").joinpath(FILE).read_text(encoding="utf-8")))


def certain(option: str) -> tuple[float, ...]:
    """What is as good as certain, as natural logarithms in the order of WISH."""
    return tuple(0.0 if one == option else _UNLIKELY for one in WISH)


def surroundings(
    tokens: Sequence[Token], place: Place, wishes: Sequence[Place], titles: Sequence[Place], by_rule: str
) -> dict[str, float]:
    """What is said around a wish, as features and how much each is there.

    Args:
        place: The tokens that name what is wished for, first <= i < last.
        wishes, titles: All such places of the message, and those of titles: their own words are no hedges.
        by_rule: The option that rules take.
    """
    found = {f"rule {by_rule}": 1.0}
    before, after = _around(tokens, place, wishes, titles)
    for side, said in (("<", before[::-1]), (">", after)):
        for away, word in enumerate(said[:_REACH]):
            near = 1.0 / (1.0 + _FADING * away)
            pair = said[away : away + 2] if side == ">" else said[away : away + 2][::-1]
            names = [f"{side} {word}", word, *([f"{side} {' '.join(pair)}"] if len(pair) == 2 else [])]
            if away == 0:
                names += [f"{side}{name}" for name in (names[0], names[-1])]
            for name in names:
                found[name] = max(found.get(name, 0.0), near)
    return found


def _around(
    tokens: Sequence[Token], place: Place, wishes: Sequence[Place], titles: Sequence[Place]
) -> tuple[list[str], list[str]]:
    """The words before and after a place; other wishes, titles and the ends of clauses as a sign each."""
    signs = {i: "*" for own in wishes for i in range(*own)} | {i: "#" for own in titles for i in range(*own)}
    return list(_said(tokens, signs, range(place[0]))), list(_said(tokens, signs, range(place[1], len(tokens))))


def _said(tokens: Sequence[Token], signs: Mapping[int, str], some: range) -> Iterator[str]:
    latest = ""
    for i in some:
        if i and tokens[i].clause != tokens[i - 1].clause:
            yield "."
        elif "," in tokens[i].gap:
            yield ","
        word = signs.get(i, tokens[i].word)
        if word not in "*#" or word != latest:
            yield word
        latest = word
