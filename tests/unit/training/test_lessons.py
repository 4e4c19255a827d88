import random

import pytest

from convrec.errors import DataError
from convrec.progress import silent
from convrec.ranking.examples import Example
from convrec.retrieval import hybrid
from convrec.testing.recommender import wine_list
from convrec.training.lessons import LessonsConfig, make_lessons
from convrec.types import FeedbackEvent, FeedbackType, ImpressionEvent, ScoredCandidate

CATALOGUE = wine_list()
CONFIG = LessonsConfig(choose=0.2, judge=0.3, learn_examples=40, choose_examples=20, judge_examples=20)


def drinkers(n: int = 40, each: int = 8) -> list[FeedbackEvent]:
    """People who like eight wines each, one after the other, everybody in their own time."""
    dice = random.Random(0)
    events = [
        FeedbackEvent(f"{user}-{step}", f"u{user}", FeedbackType.LIKE, 100.0 * step + user, item_id)
        for user in range(n)
        for step, item_id in enumerate(dice.sample(CATALOGUE.ids, each))
    ]
    return sorted(events, key=lambda event: event.timestamp)


def slate(moment: float) -> ImpressionEvent:
    ids = CATALOGUE.ids[:3]
    scored = tuple(ScoredCandidate(i, 0.5, None, 0.5) for i in ids)
    return ImpressionEvent(f"imp-{moment}", "u1", None, None, moment, ids, scored, "", "fake", None, False, 0.1)


def on(shown: ImpressionEvent, delay: float) -> FeedbackEvent:
    return FeedbackEvent(
        f"fb-{shown.event_id}",
        "u1",
        FeedbackType.DISLIKE,
        shown.timestamp + delay,
        shown.slate[0],
        impression_id=shown.event_id,
    )


def chosen_at(example: Example, events: list[FeedbackEvent]) -> float:
    item_id = example.item_ids[example.chosen]
    return next(e.timestamp for e in events if e.user_id == example.user_id and e.item_id == item_id)


def test_no_part_knows_what_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    events = drinkers()
    fitted: list[float] = []
    build = hybrid.build_index

    def spy(folder, catalogue, seen, embedder, **options):
        fitted.append(max(event.timestamp for event in seen))
        return build(folder, catalogue, seen, embedder, **options)

    monkeypatch.setattr(hybrid, "build_index", spy)
    found = make_lessons(events, (), lambda _: (), CATALOGUE, CONFIG, silent)
    to_choose, to_judge = found.lineage["choose_from"], found.lineage["judge_from"]
    assert found.learn
    assert found.choose
    assert found.judge
    assert max(chosen_at(example, events) for example in found.learn) < to_choose
    assert all(to_choose <= chosen_at(example, events) < to_judge for example in found.choose)
    assert all(to_judge <= chosen_at(example, events) for example in found.judge)
    *folds, middle, last = fitted
    assert max(folds) < to_choose
    assert middle < to_choose
    assert last < to_judge
    for example in (*found.learn, *found.choose, *found.judge):
        history = example.context.profile.history
        assert max(entry.timestamp for entry in history) < chosen_at(example, events)


def test_slates_go_to_the_part_they_were_shown_in_with_the_feedback_of_that_time() -> None:
    events = drinkers()
    bounds = make_lessons(events, (), lambda _: (), CATALOGUE, CONFIG, silent).lineage
    to_choose, to_judge = bounds["choose_from"], bounds["judge_from"]
    early, middle, late = slate(50.0), slate(to_choose + 1), slate(to_judge + 1)
    answered_late = slate(60.0)
    feedback = [on(early, 1.0), on(middle, 1.0), on(late, 1.0), on(answered_late, to_choose)]
    all_events = sorted([*events, *feedback], key=lambda event: event.timestamp)
    found = make_lessons(all_events, (early, middle, late, answered_late), lambda _: (), CATALOGUE, CONFIG, silent)

    def shown(part: list[Example]) -> set[str]:
        return {example.event_ids[0] for example in part} & {
            impression.event_id for impression in (early, middle, late, answered_late)
        }

    assert shown(found.learn) == {early.event_id}
    assert shown(found.choose) == {middle.event_id}
    assert shown(found.judge) == {late.event_id}


def test_the_lineage_names_what_was_read() -> None:
    events = drinkers()
    found = make_lessons(events, (), lambda _: (), CATALOGUE, CONFIG, silent)
    assert found.lineage["events"] == len(events)
    assert (found.lineage["from"], found.lineage["until"]) == (events[0].timestamp, events[-1].timestamp)
    without = [event for event in events if event.user_id != "u3"]
    erased = make_lessons(without, (), lambda _: (), CATALOGUE, CONFIG, silent)
    assert erased.lineage["hash"] != found.lineage["hash"]
    assert all(example.user_id != "u3" for part in (erased.learn, erased.choose, erased.judge) for example in part)
    assert make_lessons(events, (), lambda _: (), CATALOGUE, CONFIG, silent) == found


def test_what_is_screened_out_neither_teaches_nor_judges_and_is_counted() -> None:
    events = drinkers()
    last = max(event.timestamp for event in events)
    item = CATALOGUE.ids[0]
    crowd = [FeedbackEvent(f"f{n}", f"fake{n}", FeedbackType.LIKE, last + 1e6 + n, item) for n in range(25)]
    plain = make_lessons(events, (), lambda _: (), CATALOGUE, CONFIG, silent)
    assert plain.lineage["left_out"] == {}
    pushed = make_lessons([*events, *crowd], (), lambda _: (), CATALOGUE, CONFIG, silent)
    assert pushed.lineage["left_out"] == {"item burst": 25}
    assert (pushed.learn, pushed.choose, pushed.judge) == (plain.learn, plain.choose, plain.judge)
    assert pushed.lineage["users"] == plain.lineage["users"]


def test_a_ledger_without_choices_is_too_young() -> None:
    with pytest.raises(DataError, match="collect more feedback"):
        make_lessons([], (), lambda _: (), CATALOGUE, CONFIG, silent)
