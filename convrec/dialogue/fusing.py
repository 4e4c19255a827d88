"""Owns the weighing of a language model's answers against rules and judges. Asks and reads nothing.

Every decision takes the option with the highest sum of log probabilities: the model's, what the rules' own option
gains, and for kinds and wishes their judge's, by its weight (that of wishes knows what rules say). So rules keep
the last word where they are sure, and the model has it where they are silent. The weights are fitted on messages
of templates that neither the model nor the judges had seen (training/fusion.py) and belong to the adapter, in
whose manifest they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log

from convrec.dialogue.questions import NONE, OPTIONS, Subject
from convrec.dialogue.wishes import DIRECTIONS

TITLE = "title"
"""The decision whether words are a title; `named` and `doubtful` are what rules say of it."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """The weights.

    Args:
        gains: By decision (a Subject or TITLE) and what rules say: log odds that this gains over all else.
        gain: Where `gains` has none. The default is a guess for models that no weights were fitted for.
        judge, wishes: How much the log probabilities of the judges count, that of kinds and that of wishes.
    """

    gains: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    gain: float = 2.0
    judge: float = 1.0
    wishes: float = 1.0

    def gained(self, decision: str, by_rule: str) -> float:
        """What the rules' say gains."""
        return self.gains.get(decision, {}).get(by_rule, self.gain)

    def option(
        self, subject: Subject, by_rule: str, logs: Sequence[float], judged: Sequence[float] | None = None
    ) -> str:
        """What holds of the options of a question.

        Args:
            logs: The model's, in the order of OPTIONS.
            judged: The judge's of kinds.
        """
        scores = dict(zip(OPTIONS[subject], logs, strict=True))
        if subject is Subject.ITEM:
            del scores[NONE]
        for option, weighed in zip(OPTIONS[subject], judged or (), strict=False):
            scores[option] += self.judge * weighed
        if by_rule in scores:
            scores[by_rule] += self.gained(subject, by_rule)
        return max(scores, key=lambda option: scores[option])

    def wish(self, subject: Subject, judged: Sequence[float], logs: Sequence[float] | None = None) -> str:
        """What holds of the options of a wish.

        Args:
            judged: The judge's of a wish on a set, in the order of OPTIONS; it knows what rules say.
            logs: The model's, in the same order. It has a say in the direction only: how strongly something is
                wished is said by a few words, which the judge knows better.
        """
        scores = {o: self.wishes * own for o, own in zip(OPTIONS[Subject.SET], judged, strict=True)}
        if logs is not None:
            heard = directed(logs)
            scores = {option: score + heard[DIRECTIONS[option]] for option, score in scores.items()}
        return max(OPTIONS[subject], key=lambda option: scores[option])

    def is_title(self, named: bool, logs: Sequence[float]) -> bool:
        """Whether words are a title.

        Args:
            named: Whether rules say so.
            logs: The model's, of an item's question.
        """
        none = min(exp(logs[-1]), 1 - 1e-9)
        odds = log(1 - none) - max(logs[-1], log(1e-9))
        gained = self.gained(TITLE, "named" if named else "doubtful")
        return odds + (gained if named else -gained) > 0


def directed(logs: Sequence[float]) -> dict[str, float]:
    """Log probabilities of the options of a wish as those of its directions."""
    sums: dict[str, float] = {}
    for option, told in zip(OPTIONS[Subject.SET], logs, strict=True):
        direction = DIRECTIONS[option]
        sums[direction] = sums.get(direction, 0.0) + exp(told)
    return {direction: log(max(total, 1e-9)) for direction, total in sums.items()}
