from collections.abc import Sequence
from dataclasses import replace

import pytest

from convrec.evaluation.base import Case
from convrec.progress import silent
from convrec.ranking.examples import Example
from convrec.retrieval import hybrid
from convrec.retrieval.embedding import NoText
from convrec.retrieval.hybrid import HybridRetriever
from convrec.testing.recommender import wine_list
from convrec.training.examples import ExamplesConfig, choice_cases, cross_fitted, matched, offered, received
from convrec.types import Candidate, FeedbackEvent, FeedbackType, RetrievalQuery

CATALOGUE = wine_list()


def likes(user: str, *items: int, start: float = 0.0) -> list[FeedbackEvent]:
    return [
        FeedbackEvent(f"{user}-{n}", user, FeedbackType.LIKE, start + n, CATALOGUE.ids[item])
        for n, item in enumerate(items)
    ]


class Fixed:
    """Offers the same four wines to everybody."""

    def retrieve(self, query: RetrievalQuery, k: int) -> list[Candidate]:
        ids = [i for i in CATALOGUE.ids[:4] if i not in query.exclude]
        return [Candidate(item_id, 1.0 - n / 10) for n, item_id in enumerate(ids)][:k]

    def assess(self, query: RetrievalQuery, item_ids: Sequence[str]) -> list[Candidate]:
        return [Candidate(i, 0.0, expected=int(i[1:]) / 100 + len(query.history)) for i in item_ids]


def test_the_last_choices_are_predicted_from_what_was_before_them() -> None:
    cases = choice_cases([*likes("a", 5, 6, 7, 8), *likes("b", 1)], CATALOGUE, cuts=2)
    assert [(c.unit, c.targets) for c in cases] == [("a", ("w07",)), ("a", ("w08",))]
    assert [len(c.events) for c in cases] == [2, 3]
    assert cases[1].query.exclude == {"w05", "w06", "w07"}


def test_a_choice_was_wanted_as_much_as_it_was_rated() -> None:
    rated = FeedbackEvent("r", "a", FeedbackType.RATING, 8.0, "w07", 2.0)
    seen = FeedbackEvent("s", "a", FeedbackType.SEEN, 9.0, "w01")
    first, second = choice_cases([*likes("a", 5, 6)[:1], rated, seen], CATALOGUE, cuts=2)
    assert (first.wanted, second.wanted) == ((0.25,), (1.0,))
    (example,) = offered([second], Fixed(), CATALOGUE, 4)
    assert example.labels[example.chosen] == 1.0
    (example,) = offered([replace(second, wanted=(0.25,))], Fixed(), CATALOGUE, 4)
    assert example.labels == (0.0, 0.25, 0.0, 0.0)


def test_what_was_taken_back_is_no_choice() -> None:
    back = FeedbackEvent("back", "a", FeedbackType.RETRACTION, 9.0, retracts="a-2")
    cases = choice_cases([*likes("a", 5, 6, 7), back], CATALOGUE, cuts=5)
    assert [case.targets for case in cases] == [("w06",)]


def test_a_dislike_is_no_choice() -> None:
    events = [*likes("a", 5, 6), FeedbackEvent("x", "a", FeedbackType.DISLIKE, 9.0, "w07")]
    assert [c.targets for c in choice_cases(events, CATALOGUE, cuts=5)] == [("w06",)]


def test_what_was_not_offered_makes_no_example_and_other_targets_are_no_negatives() -> None:
    case = Case("c", "u", RetrievalQuery(text="red"), ("w01", "w02", "w20"))
    first, second = offered([case], Fixed(), CATALOGUE, 4)
    assert first.item_ids == ("w00", "w01", "w03")
    assert first.labels == (0.0, 1.0, 0.0)
    assert first.retrieval == pytest.approx((1.0, 0.9, 0.7))
    assert second.item_ids == ("w00", "w02", "w03")
    assert first.context.message == "red"
    assert offered([case], Fixed(), CATALOGUE, 1) == []


def test_a_target_is_matched_against_other_peoples_targets() -> None:
    cases = [Case(f"c{n}", f"u{n}", RetrievalQuery(text="red"), (CATALOGUE.ids[n],)) for n in range(8)]
    cases.append(Case("c8", "u8", RetrievalQuery(exclude=frozenset({"w00"})), ("w20", "w21")))
    found = matched(cases, CATALOGUE, 6, seed=3)
    assert len(found) >= 9, "a draw of nothing but the own target makes none"
    others = {item_id for example in found for item_id in example.item_ids}
    assert others <= {target for case in cases for target in case.targets}
    for example in found:
        assert sum(example.labels) == 1
        assert len(set(example.item_ids)) == len(example.item_ids) <= 6
        assert set(example.retrieval) == {0.0}
    last = [example for example in found if example.user_id == "u8"]
    assert not any({"w00"} & set(example.item_ids) for example in last)
    assert not any({"w20", "w21"} <= set(example.item_ids) for example in last)
    assert len({example.chosen for example in found}) > 1
    assert matched(cases, CATALOGUE, 6, seed=3) == found


def test_what_was_not_retrieved_is_told_of_and_keeps_its_scores() -> None:
    (case,) = choice_cases(likes("a", 5, 6, 7), CATALOGUE, cuts=1)
    (example,) = offered([replace(case, targets=("w01",))], Fixed(), CATALOGUE, 4)
    assert example.expected == (None,) * 4
    (told,) = received([example], Fixed())
    assert told.expected[:2] == (2.0, 2.01)
    assert told.retrieval == example.retrieval
    assert [c.expected for c in told.candidates] == list(told.expected)


def test_each_person_is_offered_items_by_an_index_without_them(monkeypatch) -> None:
    people = [event for n in range(12) for event in likes(f"u{n}", n, n + 1, n + 2, n + 3)]
    cases = choice_cases(people, CATALOGUE, cuts=1)
    seen: list[set[str]] = []
    asked: list[frozenset[str]] = []

    def embedder(left_out: frozenset[str]) -> NoText:
        asked.append(left_out)
        return NoText()

    build = hybrid.build_index

    def spy(folder, catalogue, events, eyes, **options):
        seen.append({event.user_id for event in events})
        return build(folder, catalogue, events, eyes, **options)

    monkeypatch.setattr(hybrid, "build_index", spy)
    config = ExamplesConfig(candidates=20, folds=3)
    units = [case.unit for case in cases]

    def make(own: frozenset[str], retriever: HybridRetriever) -> list[Example]:
        return offered((case for case in cases if case.unit in own), retriever, CATALOGUE, config.candidates)

    def none(own: frozenset[str], retriever: HybridRetriever) -> list[Example]:
        return []

    found, nothing = cross_fitted(units, (make, none), people, CATALOGUE, embedder, None, config, silent)
    assert not nothing
    everybody = {event.user_id for event in people}
    assert set.union(*map(set, asked)) == everybody
    assert [sorted(own) for own in seen] == [sorted(everybody - left) for left in asked]
    assert found
    assert all(example.item_ids[example.chosen] in case_targets(cases, example.user_id) for example in found)
    assert cross_fitted(units, (make,), people, CATALOGUE, embedder, None, config, silent) == [found]
    assert cross_fitted([], (make,), people, CATALOGUE, embedder, None, config, silent) == [[]]


def case_targets(cases: list[Case], unit: str) -> set[str]:
    return {target for case in cases if case.unit == unit for target in case.targets}
