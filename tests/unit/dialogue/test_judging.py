"""The learned judge of kinds: it has a say, and none where it was fitted to another embedder."""

import numpy as np
import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.judging import LearnedKinds, learned_kinds
from convrec.dialogue.understanding import Understanding
from convrec.testing.retriever import HashEmbedder
from convrec.training.kinds import KindLesson, as_json, fit_kinds
from convrec.types import IntentKind, SessionState

LESSONS = [
    KindLesson(f"{kind}:{n}", f"{words} {n}", kind)
    for kind, words in zip(
        IntentKind,
        (
            "find a film",
            "make it newer",
            "loved [title]",
            "who made [title]",
            "why that",
            "which one",
            "hello",
            "cook rice",
        ),
        strict=True,
    )
    for n in range(3)
]


class Always:
    def __init__(self, kind: IntentKind) -> None:
        self.answer = kind
        self.asked: list[str] = []

    def kind(self, message: str, by_rule: IntentKind) -> IntentKind:
        self.asked.append(message)
        return self.answer


def test_a_fitted_judge_knows_its_lessons_and_its_embedder() -> None:
    embedder = HashEmbedder()
    fitted = fit_kinds(LESSONS, embedder)
    judge = LearnedKinds(embedder, fitted.weights_K_D, fitted.bias_K, rules=0.1)
    assert all(judge.kind(lesson.message, IntentKind.RECOMMEND) is lesson.kind for lesson in LESSONS)
    trusting = LearnedKinds(embedder, fitted.weights_K_D, fitted.bias_K, rules=50.0)
    assert trusting.kind("hello 1", IntentKind.WHY) is IntentKind.WHY
    told = as_json(fitted, embedder)
    assert np.shape(told["weights"]) == (8, embedder.dimension)


def test_the_shipped_judge_is_for_the_embedder_that_it_was_fitted_to() -> None:
    assert learned_kinds(HashEmbedder()) is None


def test_titles_are_masked_and_the_judges_kind_counts(movies: Catalogue) -> None:
    judge = Always(IntentKind.COMPARE)
    intent = Understanding(movies, judge).understand("so, Alien, then Fargo", SessionState())
    assert intent.kind is IntentKind.COMPARE
    assert judge.asked == ["so, [title], then [title]"]


@pytest.mark.parametrize("message", ["", "🎬"])
def test_nothing_is_not_judged(movies: Catalogue, message: str) -> None:
    judge = Always(IntentKind.WHY)
    assert Understanding(movies, judge).understand(message, SessionState()).kind is IntentKind.SMALL_TALK


def test_what_names_an_item_is_not_off_topic_unless_the_rules_say_so(movies: Catalogue) -> None:
    judge = Always(IntentKind.OUT_OF_SCOPE)
    intent = Understanding(movies, judge).understand("something like Alien", SessionState())
    assert intent.kind is IntentKind.RECOMMEND
