import random

from convrec.evaluation.base import Case, Task
from convrec.progress import silent
from convrec.retrieval.embedding import NoText
from convrec.testing.recommender import wine_list
from convrec.training.examples import ExamplesConfig, choice_cases
from convrec.training.lessons import Lessons, LessonsConfig
from convrec.training.opinions import opinion_groups
from convrec.training.task_lessons import HeldOut, parted, task_lessons
from convrec.types import FeedbackEvent, FeedbackType

CATALOGUE = wine_list()
CONFIG = LessonsConfig(
    learn_examples=30,
    choose_examples=10,
    judge_examples=20,
    opinions=0.4,
    opinion_items=4,
    matched=5,
    offers=ExamplesConfig(candidates=10, folds=2, cuts=3),
)


def tasters(n: int = 40) -> list[FeedbackEvent]:
    """People who rate twelve wines each, one after the other."""
    dice = random.Random(0)
    return [
        FeedbackEvent(
            f"{user}-{step}", f"u{user:02}", FeedbackType.RATING, float(step), item_id, dice.randint(1, 5)
        )
        for user in range(n)
        for step, item_id in enumerate(dice.sample(CATALOGUE.ids, 12))
    ]


def lessons() -> tuple[Lessons, set[str]]:
    events = tasters()
    train = tuple(event for event in events if event.user_id >= "u20" or event.timestamp < 8)
    held = {event.event_id for event in events} - {event.event_id for event in train}
    cases = [case for case in choice_cases(events, CATALOGUE, 4) if case.unit < "u20"]
    groups = [group for group in opinion_groups(events, CATALOGUE, 4, 1) if group.unit < "u20"]
    choosing, judging = parted({f"u{n:02}" for n in range(8)}, cases, groups)
    task = Task("tasting", CATALOGUE, train)
    return task_lessons(task, choosing, judging, NoText(), lambda _: NoText(), None, CONFIG, silent), held


def test_each_part_has_its_share_of_opinions() -> None:
    found, _ = lessons()
    for part, most, least in ((found.learn, 30, 12), (found.choose, 10, 4), (found.judge, 20, 8)):
        assert len(part) == most
        opinions = [example for example in part if not example.offered]
        assert len(opinions) == least + (CONFIG.matched if part is found.learn else 0)
        assert all(example.expected for example in part)
    assert all(example.offset for example in (*found.learn, *found.choose))
    assert 0 < found.coverage < 1


def test_what_is_held_out_is_not_learned_from() -> None:
    found, held = lessons()
    told = {event_id for example in found.learn if not example.offered for event_id in example.event_ids}
    assert not told & held
    assert {e.user_id for e in found.choose} <= {f"u{n:02}" for n in range(8)}
    assert {e.user_id for e in found.judge} <= {f"u{n:02}" for n in range(8, 20)}


def test_the_same_lessons_every_time() -> None:
    assert lessons() == lessons()


def test_recorded_turns_are_learned_from_where_there_are_any() -> None:
    events = tasters()
    (turn,) = choice_cases([event for event in events if event.user_id == "u00"], CATALOGUE, 1)
    turns = [Case(f"{turn.case_id}{n}", f"t{n}", turn.query, (CATALOGUE.ids[n],)) for n in range(20)]
    task = Task("talk", CATALOGUE, tuple(events), examples=tuple(turns))
    found = task_lessons(task, HeldOut(turns), HeldOut(turns), NoText(), lambda _: NoText(), None, CONFIG, silent)
    choices = [example for example in found.learn if example.offered]
    assert choices
    assert {example.user_id for example in choices} <= {f"t{n}" for n in range(20)}
