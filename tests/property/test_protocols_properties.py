"""What no split may do, on random interactions: leak what comes later, exclude a target, forget a user."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError
from convrec.evaluation.base import Task
from convrec.evaluation.datasets.base import ConversationTurn, Dataset
from convrec.evaluation.protocols import conversation, leave_one_out, like_dislike, llamarec, time_sliced
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
    assert len({case.unit for case in task.cases}) == len({case.case_id for case in task.cases}) == len(task.cases)
    for case in task.cases:
        (target,) = case.targets
        assert target not in case.query.exclude
        assert {entry.item_id for entry in case.query.history} <= {event.item_id for event in case.events}
        newest = max(place(event) for event in case.events)
        later = [e for e in data.events if e.user_id == case.unit and place(e) > newest]
        # The history is all that the user had done by then; their next event is the target; neither it nor
        # what follows was trained on.
        assert len(case.events) + len(later) == sum(event.user_id == case.unit for event in data.events)
        assert min(later, key=place).item_id == target
        assert not trained & {event.event_id for event in later}


def is_new(data: Dataset, user: str, hold: int) -> bool:
    """Whether a user has a history, and their `hold`-th last event is on an item outside of it."""
    own = sorted((event for event in data.events if event.user_id == user), key=place)
    return len(own) > hold and own[-hold].item_id not in {event.item_id for event in own[:-hold]}


def turns(prefix: str, drawn: list[tuple[int, list[int], set[int]]]) -> list[ConversationTurn]:
    """Turns of conversations, what was named before left out of what is recommended."""
    return [
        ConversationTurn(
            f"{prefix}{dialog}",
            tuple(f"I liked thing {n}" for n in named),
            tuple(dict.fromkeys(f"i{n}" for n in named)),
            tuple(f"i{n}" for n in sorted(recommended - set(named))),
        )
        for dialog, named, recommended in drawn
    ]


@settings(max_examples=150, deadline=None)
@given(drawn=rows)
def test_leave_one_out_leaks_nothing(drawn: list[tuple[str, int, int, int]]) -> None:
    data = dataset(drawn)
    for split, hold in (("test", 1), ("valid", 2)):
        task = leave_one_out(data, split)  # type: ignore[arg-type]
        assert_sound(data, task)
        assert task == leave_one_out(data, split)  # type: ignore[arg-type]
        users = {user for user, *_ in drawn}
        assert {case.unit for case in task.cases} == {user for user in users if is_new(data, user, hold)}
        # Everybody has a case or is counted among the dropped.
        assert len(task.cases) + sum(int(note.split()[0]) for note in task.notes) == len(users)


@settings(max_examples=100, deadline=None)
@given(drawn=st.lists(row, min_size=25, max_size=80))
def test_the_core_has_five_of_everything(drawn: list[tuple[str, int, int, int]]) -> None:
    data = dataset(drawn)
    try:
        task = llamarec(data, "test")
    except DataError:
        return
    assert_sound(replace(data, events=[e for e in data.events if e.item_id in task.catalogue]), task)
    users = {event.user_id for event in task.train}
    core = [event for event in data.events if event.user_id in users and event.item_id in task.catalogue]
    assert {event.item_id for event in core} == set(task.catalogue)
    assert min(Counter(event.user_id for event in core).values()) >= 5
    assert min(Counter(event.item_id for event in core).values()) >= 5
    assert len(task.train) == len(core) - len(users)
    assert task == llamarec(data, "test")


talk = st.tuples(
    st.integers(0, 5), st.lists(st.integers(0, 7), max_size=4), st.sets(st.integers(0, 7), max_size=3)
)


@settings(max_examples=100, deadline=None)
@given(learn=st.lists(talk, min_size=1, max_size=20), test=st.lists(talk, max_size=10))
def test_conversations_to_learn_from_are_not_those_judged(
    learn: list[tuple[int, list[int], set[int]]], test: list[tuple[int, list[int], set[int]]]
) -> None:
    data = Dataset("talks", CATALOGUE, (), turns("l", learn), turns("t", test))
    for split in ("test", "valid"):
        task = conversation(data, split)  # type: ignore[arg-type]
        judged = {case.unit for case in task.cases}
        assert not judged & {case.unit for case in task.examples}
        assert not {f"dialog-{unit}" for unit in judged} & {event.user_id for event in task.train}
        assert len({case.case_id for case in task.cases}) == len(task.cases)
        for case in (*task.cases, *task.examples):
            assert case.targets
            assert not set(case.targets) & case.query.exclude
            assert set(case.query.seeds) == case.query.exclude
        assert task == conversation(data, split)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(drawn=rows, slices=st.integers(2, 5))
def test_time_slices_leak_nothing(drawn: list[tuple[str, int, int, int]], slices: int) -> None:
    data = dataset(drawn)
    tasks = time_sliced(data, slices)
    assert len(tasks) == slices - 1
    assert tasks == time_sliced(data, slices)
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
            # The fit knows nothing of the slice that the case lies in.
            assert following.timestamp >= max(event.timestamp for event in task.train)


@settings(max_examples=100, deadline=None)
@given(drawn=rows)
def test_opinions_are_later_than_what_is_learned_from(drawn: list[tuple[str, int, int, int]]) -> None:
    data = dataset(drawn)
    task = like_dislike(data)
    assert task == like_dislike(data)
    trained = {event.event_id for event in task.train}
    for judgement in task.judgements:
        assert len(set(judgement.item_ids)) == len(judgement.item_ids) == len(judgement.liked)
        assert len(set(judgement.liked)) == 2
        assert not set(judgement.item_ids) & {event.item_id for event in judgement.events}
        newest = max(place(event) for event in judgement.events)
        later = [e for e in data.events if e.user_id == judgement.unit and place(e) > newest]
        assert set(judgement.item_ids) <= {event.item_id for event in later}
        assert not trained & {event.event_id for event in later}
