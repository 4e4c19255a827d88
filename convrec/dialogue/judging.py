"""Owns the learned judge of kinds: a logistic regression over the text embedder's vector of a message.

Rules know what they were told; a message of a kind that they have no words for they call a wish. The judge has
seen some 1,100 messages and weighs against the rules' own answer. On 148 messages that neither had seen, the rules
alone were right in .71, the judge alone in .85, both together in .89; on the 200 held-out ones .85, .89 and .89.

It is fitted to one embedder (`scripts/train_understanding.py`); with any other the rules stand alone.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Protocol

import numpy as np

from convrec.retrieval.base import Embedder, Floats
from convrec.types import IntentKind

PROBE = "Is this the embedder that the judge was fitted to?"

FILE = "kind_judge.json"
_SAME = 0.999
SCALE = 3.0
"""Unit vectors are stretched by so much before they are weighed."""


class KindJudge(Protocol):
    """Anything that says of which kind a message is."""

    def kind(self, message: str, by_rule: IntentKind) -> IntentKind:
        """The kind of a message, its titles masked, where rules call it `by_rule`."""
        ...

    def logs(self, message: str) -> tuple[float, ...]:
        """Natural logarithms of the probabilities of the kinds of a message, its titles masked."""
        ...


class LearnedKinds:
    """The judge.

    Args:
        embedder: The one it was fitted to.
        weights_K_D, bias_K: Of the regression, kinds in the order of IntentKind.
        rules: Log odds that the rules' answer has over any other.
    """

    def __init__(self, embedder: Embedder, weights_K_D: Floats, bias_K: Floats, rules: float = 1.0) -> None:
        self._embedder = embedder
        self._weights_K_D, self._bias_K, self._rules = weights_K_D, bias_K, rules

    def kind(self, message: str, by_rule: IntentKind) -> IntentKind:
        """The likeliest kind."""
        kinds = list(IntentKind)
        score_K = self._scores(message)
        score_K[kinds.index(by_rule)] += self._rules
        return kinds[int(score_K.argmax())]

    def logs(self, message: str) -> tuple[float, ...]:
        """Natural logarithms of the probabilities of the kinds, in their order; rules have no say."""
        score_K = self._scores(message)
        return tuple((score_K - np.logaddexp.reduce(score_K)).tolist())

    def _scores(self, message: str) -> Floats:
        scores_K: Floats = self._weights_K_D @ (SCALE * self._embedder.embed([message])[0]) + self._bias_K
        return scores_K


def learned_kinds(embedder: Embedder) -> LearnedKinds | None:
    """The shipped judge; None where it was fitted to another embedder."""
    told = json.loads(files("convrec.dialogue").joinpath(FILE).read_text(encoding="utf-8"))
    probe_D = np.array(told["probe"], np.float32)
    if embedder.dimension != len(probe_D) or float(embedder.embed([PROBE])[0] @ probe_D) < _SAME:
        return None
    return LearnedKinds(embedder, np.array(told["weights"], np.float32), np.array(told["bias"], np.float32))
