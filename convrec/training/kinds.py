"""Owns the fitting of the judge of kinds (dialogue/judging.py) to an embedder and labelled messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convrec.dialogue.judging import PROBE, SCALE
from convrec.dialogue.questions import OPTIONS, Subject
from convrec.retrieval.base import Embedder, Floats
from convrec.training.message_examples import MessageExample, masked_titles
from convrec.types import IntentKind

_STRENGTH = 1.0
"""Inverse of the ridge's weight; 3 is worse by .02 on 300 messages of other authors."""


@dataclass(frozen=True, slots=True)
class KindLesson:
    """A message, its titles masked, and its kind.

    Args:
        unit: The template or message it comes from.
        by_rule: What rules call it, where they were asked.
    """

    unit: str
    message: str
    kind: IntentKind
    by_rule: IntentKind | None = None


@dataclass(frozen=True, slots=True)
class FittedKinds:
    """A judge: weights (K, D) and bias (K), kinds in the order of IntentKind."""

    weights_K_D: Floats
    bias_K: Floats


def kind_lesson(example: MessageExample) -> KindLesson:
    """A message whose questions are known, the one about its kind first."""
    kind, by_rule = IntentKind(OPTIONS[Subject.KIND][example.answers[0]]), example.questions.asked[0].by_rule
    return KindLesson(example.unit, masked_titles(example.questions), kind, IntentKind(by_rule))


def fit_kinds(lessons: Sequence[KindLesson], embedder: Embedder) -> FittedKinds:
    """Multinomial logistic regression.

    Args:
        lessons: At least one of every kind.
    """
    from sklearn.linear_model import LogisticRegression

    vectors_N_D = SCALE * embedder.embed([lesson.message for lesson in lessons])
    labels_N = [list(IntentKind).index(lesson.kind) for lesson in lessons]
    fitted: Any = LogisticRegression(C=_STRENGTH, max_iter=3000).fit(vectors_N_D, labels_N)
    return FittedKinds(fitted.coef_.astype(np.float32), fitted.intercept_.astype(np.float32))


def as_json(fitted: FittedKinds, embedder: Embedder) -> dict[str, Any]:
    """What `learned_kinds` reads."""
    return {
        "probe": [round(float(x), 5) for x in embedder.embed([PROBE])[0]],
        "bias": [round(float(x), 4) for x in fitted.bias_K],
        "weights": [[round(float(x), 3) for x in row] for row in fitted.weights_K_D],
    }
