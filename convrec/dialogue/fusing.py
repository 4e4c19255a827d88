"""Owns the weighing of a language model's answers against rules and the judge of kinds. Asks and reads nothing.

Every decision takes the option with the highest sum of log probabilities: the model's, what the rules' own option
gains, and for the kind the judge's, by its weight. So rules keep the last word where they are sure, and the model
has it where they are silent. The weights are fitted on messages of templates that neither the model nor the judge
had seen (training/fusion.py) and belong to the adapter, in whose manifest they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log

from convrec.dialogue.questions import NONE, OPTIONS, Subject

DIRECTIONS = {"must": "include", "prefer": "include", "exclude": "exclude", "avoid": "exclude", NONE: NONE}
"""What options of a wish have in common.

The model has a say in the direction only: how strongly something is wished is said by a few words, which rules
know better. Cross-validated on 106 wishes of held-out templates, both together were right in .91, and in .87 where
the model had a say in the strength too (rules .86, model .89; since then rules have learned from these templates
and are right in .92, both in .96). Of intervals rules were right in 22 of 22 and the model in 15: it is not asked.
"""
TITLE = "title"
"""The decision whether words are a title; `named` and `doubtful` are what rules say of it."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """The weights.

    Args:
        gains: By decision (a Subject or TITLE) and what rules say: log odds that this gains over all else.
        gain: Where `gains` has none. The default is a guess for models that no weights were fitted for.
        judge: How much the judge's log probabilities of kinds count.
    """

    gains: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    gain: float = 2.0
    judge: float = 1.0

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

    def wish(self, by_rule: str, logs: Sequence[float]) -> str:
        """What holds of the options of a wish on a set.

        Args:
            logs: The model's, in the order of OPTIONS.
        """
        scores = dict(zip(dict.fromkeys(DIRECTIONS.values()), directed(logs), strict=True))
        own = DIRECTIONS[by_rule]
        scores[own] += self.gained(Subject.SET, own)
        chosen = max(scores, key=lambda direction: scores[direction])
        if chosen == own:
            return by_rule
        options = dict(zip(OPTIONS[Subject.SET], logs, strict=True))
        return max((o for o in options if DIRECTIONS[o] == chosen), key=lambda option: options[option])

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


def directed(logs: Sequence[float]) -> tuple[float, ...]:
    """Log probabilities of the options of a wish as those of its directions, in the order of DIRECTIONS."""
    sums: dict[str, float] = {}
    for option, told in zip(OPTIONS[Subject.SET], logs, strict=True):
        direction = DIRECTIONS[option]
        sums[direction] = sums.get(direction, 0.0) + exp(told)
    return tuple(log(max(total, 1e-9)) for total in sums.values())
