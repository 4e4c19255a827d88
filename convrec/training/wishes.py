"""Owns the fitting of the judge of wishes (dialogue/wishes.py) to questions about wishes and their answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convrec.dialogue.language import tokenise
from convrec.dialogue.questions import NONE, OPTIONS, Questions, Subject
from convrec.dialogue.wishes import WISH, Place, WishJudge, surroundings
from convrec.training.message_examples import MessageExample
from convrec.types import IntentKind

_STRENGTH = 0.5
"""Inverse of the ridge's weight; 0.2 to 1.5 are as good on 339 wishes of other authors."""
_LEAST = 0.05
WISHES = (Subject.SET, Subject.RANGE)
WISHING = (IntentKind.RECOMMEND, IntentKind.REFINE)


@dataclass(frozen=True, slots=True)
class WishLesson:
    """One wish that rules found.

    Args:
        unit: The template or message it comes from.
        features: Of its surroundings.
        by_rule, option: What rules say, and what is right.
    """

    unit: str
    features: Mapping[str, float]
    by_rule: str
    option: str


def wish_lessons(examples: Iterable[MessageExample]) -> list[WishLesson]:
    """The wishes that rules found in messages that ask for something."""
    lessons = []
    for example in examples:
        if OPTIONS[Subject.KIND][example.answers[0]] not in WISHING:
            continue
        around = wish_features(example.questions)
        for question, answer in zip(example.questions.asked, example.answers, strict=True):
            if question.subject in WISHES and (features := around.get((question.first, question.last))):
                right = OPTIONS[question.subject][answer]
                lessons.append(WishLesson(example.unit, features, str(question.by_rule), right))
    return lessons


def judged_wishes(judge: WishJudge, questions: Questions) -> dict[Place, tuple[float, ...]]:
    """What a judge makes of the wishes that rules found, by place."""
    found = _found(questions)
    return {place: judge.logs(features, found[place]) for place, features in wish_features(questions).items()}


def wish_features(questions: Questions) -> dict[Place, dict[str, float]]:
    """The surroundings of the wishes that rules found, by place."""
    tokens = tokenise(questions.message)
    titles = [(q.first, q.last) for q in questions.asked if q.subject is Subject.ITEM and q.by_rule != NONE]
    found = _found(questions)
    return {place: surroundings(tokens, place, list(found), titles, by_rule) for place, by_rule in found.items()}


def _found(questions: Questions) -> dict[Place, str]:
    """What rules take for the wishes that they found; what only a template knows has no values."""
    return {(q.first, q.last): str(q.by_rule) for q in questions.asked if q.subject in WISHES and q.values}


def fit_wishes(lessons: Sequence[WishLesson]) -> dict[str, list[float]]:
    """Multinomial logistic regression: what `WishJudge` takes, without the features that say next to nothing.

    Args:
        lessons: At least one of every option.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = DictVectorizer()
    rows_N_F = vectors.fit_transform([dict(lesson.features) for lesson in lessons])
    labels_N = [WISH.index(lesson.option) for lesson in lessons]
    fitted: Any = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(rows_N_F, labels_N)
    weights = {"": [round(float(x), 2) for x in fitted.intercept_]}
    for name, own_O in zip(vectors.get_feature_names_out(), fitted.coef_.T, strict=True):
        if np.abs(own_O).max() >= _LEAST:
            weights[str(name)] = [round(float(x), 2) for x in own_O]
    return weights
