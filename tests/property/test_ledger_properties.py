from collections.abc import Iterator
from dataclasses import fields, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.errors import DataError
from convrec.ledger.profile import beliefs, build_profile, signal
from convrec.ledger.schema import from_row, to_row
from convrec.types import (
    Clarification,
    Constraint,
    Contest,
    Drop,
    ErasureEvent,
    Event,
    Facet,
    FacetType,
    FeedbackEvent,
    FeedbackType,
    ImpressionEvent,
    Intent,
    IntentKind,
    Item,
    Mention,
    Polarity,
    ReplyEvent,
    ScoredCandidate,
    SessionEvent,
    TurnEvent,
)

SCALE = (1.0, 5.0)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
ANY_ID = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20
).filter(str.strip)
FINITE = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)  # no -0.0


def _maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


CONSTRAINTS = st.lists(
    st.builds(
        Constraint,
        ANY_TEXT,
        st.sampled_from(["include", "exclude", ">=", "<=", ">", "<"]),
        ANY_TEXT | FINITE,
        st.sampled_from(["must", "prefer", "avoid"]),
        st.booleans(),
    ),
    max_size=3,
).map(tuple)
INTENTS = st.builds(
    Intent,
    kind=st.sampled_from(IntentKind),
    query=ANY_TEXT,
    k=_maybe(st.integers(1, 20)),
    mentions=st.lists(st.builds(Mention, ANY_TEXT, ANY_TEXT, st.sampled_from(Polarity)), max_size=3).map(tuple),
    constraints=CONSTRAINTS,
    reset=st.booleans(),
    dropped=CONSTRAINTS,
    references=st.lists(st.integers(1, 20), max_size=2).map(tuple),
    critiques=CONSTRAINTS,
    toward=st.lists(ANY_TEXT, max_size=2).map(tuple),
    away=st.lists(ANY_TEXT, max_size=2).map(tuple),
    drops=st.lists(st.builds(Drop, ANY_TEXT, ANY_TEXT), max_size=2).map(tuple),
    undo=st.booleans(),
    lists=st.booleans(),
    others=st.booleans(),
    clarification=_maybe(st.builds(Clarification, ANY_TEXT, CONSTRAINTS, st.booleans())),
)
CANDIDATES = st.builds(ScoredCandidate, ANY_TEXT, FINITE, _maybe(FINITE), FINITE)


VOTES = (FeedbackType.PREFER, FeedbackType.TIE)


@st.composite
def feedback(draw: st.DrawFn, ids: st.SearchStrategy[str] = ANY_ID) -> FeedbackEvent:
    kind = draw(st.sampled_from(FeedbackType))
    vote = kind in VOTES
    item = _maybe(ids) if kind in (FeedbackType.COMMENT, FeedbackType.RETRACTION) else ids
    return FeedbackEvent(
        event_id=draw(ids),
        user_id=draw(ids),
        type=kind,
        timestamp=draw(FINITE),
        item_id=None if vote else draw(item),
        rating=draw(FINITE) if kind is FeedbackType.RATING else None,
        text=draw(ANY_TEXT.filter(str.strip)) if kind is FeedbackType.COMMENT else None,
        retracts=draw(ids) if kind is FeedbackType.RETRACTION else None,
        session_id=draw(_maybe(ids)),
        impression_id=draw(ids if vote else _maybe(ids)),
    )


TURNS = st.builds(TurnEvent, ANY_ID, ANY_ID, ANY_ID, FINITE, ANY_TEXT, INTENTS)
IMPRESSIONS = st.builds(
    ImpressionEvent,
    event_id=ANY_ID,
    user_id=ANY_ID,
    session_id=_maybe(ANY_ID),
    turn_id=_maybe(ANY_ID),
    timestamp=FINITE,
    slate=st.lists(ANY_TEXT, max_size=4).map(tuple),
    candidates=st.lists(CANDIDATES, max_size=4).map(tuple),
    prompt_hash=ANY_TEXT,
    engine=ANY_TEXT,
    adapter=_maybe(ANY_TEXT),
    degraded=st.booleans(),
    latency_s=FINITE,
    contest=_maybe(st.builds(Contest, ANY_TEXT, st.tuples(ANY_TEXT))),
)
REPLIES = st.builds(ReplyEvent, ANY_ID, ANY_ID, ANY_ID, ANY_ID, FINITE, ANY_TEXT, FINITE)
NAMES = st.builds(SessionEvent, ANY_ID, ANY_ID, ANY_ID, FINITE, ANY_TEXT)
ERASURES = st.builds(
    ErasureEvent, ANY_ID, ANY_ID, FINITE, ANY_TEXT, st.integers(0, 1 << 40), st.lists(ANY_TEXT).map(tuple)
)
KINDS = (feedback(), TURNS, IMPRESSIONS, REPLIES, NAMES, ERASURES)
EVENTS = st.one_of(KINDS)


@st.composite
def histories(draw: st.DrawFn) -> list[FeedbackEvent]:
    """Few users, items and times, so that events meet; event_ids are unique, as in the ledger."""
    few = st.sampled_from(["a", "b", "c", "1", "2"])
    return [
        replace(event, event_id=str(n), user_id=draw(st.sampled_from("uv")), timestamp=draw(st.integers(0, 4)))
        for n, event in enumerate(draw(st.lists(feedback(few), max_size=14)))
    ]


@given(EVENTS)
def test_an_event_comes_back_from_its_row_as_it_was(event: Event) -> None:
    row = to_row(event)
    assert from_row(row["kind"], row["timestamp"], row["body"]) == event


@given(st.one_of([st.tuples(kind, kind) for kind in (TURNS, IMPRESSIONS, REPLIES, NAMES, ERASURES)]))
def test_bodies_tell_every_field_apart_but_the_timestamp(pair: tuple[Event, Event]) -> None:
    one, other = pair
    for field in fields(one):
        changed = replace(one, **{field.name: getattr(other, field.name)})
        same = field.name == "timestamp" or changed == one
        assert (to_row(changed)["body"] == to_row(one)["body"]) == same


@given(feedback(), st.sampled_from(FeedbackType))
def test_feedback_of_another_type_is_stored_only_with_what_that_type_needs(
    event: FeedbackEvent, kind: FeedbackType
) -> None:
    changed = replace(event, type=kind)
    carried = {name for name in ("rating", "text", "retracts") if getattr(changed, name) is not None}
    needed = {
        FeedbackType.RATING: {"rating"},
        FeedbackType.COMMENT: {"text"},
        FeedbackType.RETRACTION: {"retracts"},
    }
    itemless = kind in (FeedbackType.COMMENT, FeedbackType.RETRACTION)
    sound = itemless or changed.item_id is not None
    if kind in VOTES:
        sound = changed.item_id is None and changed.impression_id is not None
    if carried == needed.get(kind, set()) and sound:
        assert to_row(changed)["type"] == kind
    else:
        with pytest.raises(DataError):
            to_row(changed)


@given(feedback())
def test_signals_are_within_minus_one_and_one(event: FeedbackEvent) -> None:
    value = signal(event, SCALE)
    assert (value is None) == (event.type in (FeedbackType.COMMENT, FeedbackType.RETRACTION, *VOTES))
    assert value is None or -1 <= value <= 1


@given(histories())
def test_a_profile_is_consistent(events: list[FeedbackEvent]) -> None:
    profile = build_profile("u", events, SCALE)
    items = [entry.item_id for entry in profile.history]
    assert len(set(items)) == len(items)
    assert {*profile.liked, *profile.disliked} <= profile.excluded <= set(items)
    assert not {*profile.liked} & {*profile.disliked}
    assert all(-1 <= entry.signal <= 1 for entry in profile.history)
    times = [entry.timestamp for entry in profile.history]
    assert times == sorted(times)


@given(histories(), st.randoms(use_true_random=False))
def test_a_profile_depends_on_times_not_on_the_order_of_reading(
    events: list[FeedbackEvent], random: Random
) -> None:
    distinct = [replace(event, timestamp=float(n)) for n, event in enumerate(events)]
    shuffled = random.sample(distinct, len(distinct))
    assert build_profile("u", shuffled, SCALE) == build_profile("u", distinct, SCALE)


@given(histories(), feedback(st.sampled_from(["a", "b", "1"])), st.data())
def test_feedback_and_its_retraction_leave_no_trace(
    events: list[FeedbackEvent], event: FeedbackEvent, data: st.DataObject
) -> None:
    if event.type is FeedbackType.RETRACTION:
        event = replace(event, type=FeedbackType.LIKE, item_id="a", retracts=None)
    event = replace(event, event_id="new", user_id="u", timestamp=2.0)
    back = FeedbackEvent("back", "u", FeedbackType.RETRACTION, data.draw(st.integers(0, 4)), retracts="new")
    after = list(events)
    for added in (event, back):
        after.insert(data.draw(st.integers(0, len(after))), added)
    assert build_profile("u", after, SCALE) == build_profile("u", events, SCALE)


@given(histories(), histories())
def test_other_users_do_not_change_a_profile(events: list[FeedbackEvent], others: list[FeedbackEvent]) -> None:
    others = [replace(event, event_id=f"o{event.event_id}", user_id="w") for event in others]
    assert build_profile("u", others + events, SCALE) == build_profile("u", events, SCALE)


def _catalogue() -> Iterator[Item]:
    for n, item_id in enumerate("abc12"):
        yield Item(item_id, item_id, {"genre": ("x", "y", "z")[: n % 4], "year": 1950 + 10 * n})


@given(histories())
def test_beliefs_are_few_bounded_and_supported(events: list[FeedbackEvent]) -> None:
    profile = build_profile("u", events, SCALE)
    items = {item.item_id: item for item in _catalogue()}
    found = beliefs(profile, items, (Facet("genre", FacetType.SET), Facet("year", FacetType.RANGE)))
    assert len(found) <= 12
    for belief in found:
        assert -1 <= belief.weight <= 1
        assert 1 <= belief.support <= len(profile.liked) + len(profile.disliked)
    weights = [abs(belief.weight) for belief in found]
    assert weights == sorted(weights, reverse=True)
