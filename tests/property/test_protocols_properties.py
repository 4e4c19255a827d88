"""What no split may do, on random interactions: leak what comes later, exclude a target, forget a user."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from convrec.data.catalogue import Catalogue
from convrec.evaluation.base import Task
from convrec.evaluation.datasets.base import Dataset
from convrec.evaluation.protocols import leave_one_out, like_dislike, time_sliced
from convrec.types import Domain, FeedbackEvent, FeedbackType, Item

DOMAIN = Domain("things", "thing", "things", "use", "used", (), (), (1.0, 5.0))
CATALOGUE = Catalogue([Item(f"i{n}", f"thing {n}") for n in range(8)], DOMAIN)

row = st.tuples(st.sampled_from("abcd"), st.integers(0, 7), st.integers(0, 9), st.integers(1, 5))
rows = st.lists(row, min_size=6, max_size=60)


def dataset(drawn: list[tuple[str, int, int, int]]) -> Dataset:
    events = [
        FeedbackEvent(f"e{n}", user, FeedbackType.RATING, float(moment), f"i{item}", rating=float(stars))
        for n, (user, item, moment, stars) in enumerate(drawn)
    ]
    return Dataset("drawn", CATALOGUE, events)


def place(event: FeedbackEvent) -> tuple[float, int]:
    """When an event happened; equal timestamps keep the order of the file."""
    return event.timestamp, int(event.event_id[1:])


def assert_sound(data: Dataset, task: Task) -> None:
    trained = {event.event_id for event in task.train}
    assert len({case.case_id for case in task.cases}) == len(task.cases)
    for case in task.cases:
        (target,) = case.targets
        assert target not in case.query.exclude
        assert {entry.item_id for entry in case.query.history} <= {event.item_id for event in case.events}
        newest = max(place(event) for event in case.events)
        later = [e for e in data.events if e.user_id == case.unit and place(e) > newest]
        # The target is the user's next event on an item they had not had, and nothing of it was trained on.
        assert target in {event.item_id for event in later}
        assert not trained & {event.event_id for event in later}


@settings(max_examples=150, deadline=None)
@given(drawn=rows)
def test_leave_one_out_leaks_nothing(drawn: list[tuple[str, int, int, int]]) -> None:
    data = dataset(drawn)
    for split, hold in (("test", 1), ("valid", 2)):
        task = leave_one_out(data, split)  # type: ignore[arg-type]
        assert_sound(data, task)
        assert task == leave_one_out(data, split)  # type: ignore[arg-type]
        own = {user: [e for e in data.events if e.user_id == user] for user in {row[0] for row in drawn}}
        able = {user for user, events in own.items() if len(events) > hold}
        dropped = sum(int(note.split()[0]) for note in task.notes)
        assert len(task.cases) + dropped == len(able)


@settings(max_examples=150, deadline=None)
@given(drawn=rows, slices=st.integers(2, 5))
def test_time_slices_leak_nothing(drawn: list[tuple[str, int, int, int]], slices: int) -> None:
    data = dataset(drawn)
    tasks = time_sliced(data, slices)
    assert len(tasks) == slices - 1
    for earlier, later in pairwise(tasks):
        assert {event.event_id for event in earlier.train} < {event.event_id for event in later.train}
    for task in tasks:
        newest = max(place(event) for event in task.train)
        for case in task.cases:
            (target,) = case.targets
            assert target not in case.query.exclude
            mine = [event for event in data.events if event.user_id == case.unit]
            # The history is all that the user had done by then, what came since the fit included.
            seen = max(place(event) for event in case.events)
            assert {e.event_id for e in case.events} == {e.event_id for e in mine if place(e) <= seen}
            following = min((e for e in mine if place(e) > seen), key=place)
            assert following.item_id == target
            assert place(following) > newest


@settings(max_examples=100, deadline=None)
@given(drawn=rows)
def test_opinions_are_later_than_what_is_learned_from(drawn: list[tuple[str, int, int, int]]) -> None:
    data = dataset(drawn)
    task = like_dislike(data)
    trained = {event.event_id for event in task.train}
    for judgement in task.judgements:
        assert len(set(judgement.item_ids)) == len(judgement.item_ids) == len(judgement.liked)
        assert len(set(judgement.liked)) == 2
        newest = max(place(event) for event in judgement.events)
        later = [e for e in data.events if e.user_id == judgement.unit and place(e) > newest]
        assert set(judgement.item_ids) <= {event.item_id for event in later}
        assert not trained & {event.event_id for event in later}
