from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.testing.ledger import IMPRESSION
from convrec.training.screening import Reason, ScreeningConfig, capped, screen
from convrec.types import FeedbackEvent, FeedbackType, Profile, SessionState

CONFIG = ScreeningConfig(user_events=5, user_window_s=60, item_users=4, item_window_s=100, user_examples=3)


def like(event_id: str, user_id: str, at: float, item_id: str = "i1", **fields: object) -> FeedbackEvent:
    return FeedbackEvent(event_id, user_id, FeedbackType.LIKE, at, item_id, **fields)  # type: ignore[arg-type]


def reasons(events: list[FeedbackEvent], *impressions: object) -> dict[str, str]:
    found = screen(sorted(events, key=lambda e: e.timestamp), impressions, CONFIG)  # type: ignore[arg-type]
    assert {event.event_id for event in found.trains}.isdisjoint(found.left_out)
    assert len(found.trains) + len(found.left_out) == len(events)
    assert found.counts == dict(Counter(found.left_out.values()))
    return {event_id: str(reason) for event_id, reason in found.left_out.items()}


class TestSlateMembership:
    SHOWN = replace(IMPRESSION, event_id="imp", user_id="ann", slate=("i1", "i2"))

    def test_feedback_on_what_a_slate_held_trains(self) -> None:
        assert reasons([like("e", "ann", 5, "i2", impression_id="imp")], self.SHOWN) == {}

    @pytest.mark.parametrize(
        "event",
        [
            like("e", "ann", 5, "i3", impression_id="imp"),
            like("e", "bob", 5, "i1", impression_id="imp"),
            like("e", "ann", 5, "i1", impression_id="nowhere"),
        ],
        ids=["another item", "another person", "no slate"],
    )
    def test_what_was_not_shown_does_not(self, event: FeedbackEvent) -> None:
        assert reasons([event], self.SHOWN) == {"e": "not shown"}

    def test_what_names_no_slate_is_the_persons_own_history(self) -> None:
        comment = FeedbackEvent("c", "ann", FeedbackType.COMMENT, 6, text="!", impression_id="nowhere")
        assert reasons([like("e", "ann", 5, "i9"), comment], self.SHOWN) == {}


class TestBursts:
    def test_too_many_events_of_one_person_in_a_window(self) -> None:
        calm = [like(f"calm{n}", "bob", 1000 + 13 * n, f"i{n}") for n in range(50)]
        haste = [like(f"haste{n}", "ann", 5000 + n, f"i{n}") for n in range(8)]
        before, after = like("before", "ann", 4000), like("after", "ann", 6000)
        found = reasons([*calm, before, *haste, after])
        assert found == {event.event_id: "user burst" for event in haste}

    def test_as_many_as_are_allowed(self) -> None:
        assert reasons([like(f"e{n}", "ann", 100 + n, f"i{n}") for n in range(5)]) == {}
        assert len(reasons([like(f"e{n}", "ann", 100 + n, f"i{n}") for n in range(6)])) == 6
        assert reasons([like(f"e{n}", "ann", 100 + 13 * n, f"i{n}") for n in range(6)]) == {}

    def test_files_without_times_make_no_burst(self) -> None:
        assert reasons([like(f"e{n}", "ann", 0.0, f"i{n}") for n in range(99)]) == {}
        assert reasons([like(f"e{n}", f"u{n}", 0.0) for n in range(99)]) == {}

    def test_many_new_people_on_one_item(self) -> None:
        """Those who were there before may like the same item at the same time."""
        crowd = [like(f"fake{n}", f"fake{n}", 1000 + n, "pushed") for n in range(6)]
        also = like("also", "fake3", 1050, "pushed")
        old = [like("old", "ann", 10, "i1"), like("fan", "ann", 1002, "pushed")]
        found = reasons([*crowd, also, *old])
        assert found == {event.event_id: "item burst" for event in [*crowd, also]}

    def test_many_new_people_on_many_items_are_a_good_day(self) -> None:
        day = [like(f"e{n}", f"u{n}", 1000 + n, f"i{n % 3}") for n in range(30)]
        assert reasons(day) == {}

    def test_new_people_who_come_one_by_one(self) -> None:
        assert reasons([like(f"e{n}", f"u{n}", 1000 + 40 * n) for n in range(30)]) == {}

    def test_what_is_taken_back_stays_taken_back(self) -> None:
        haste = [like(f"e{n}", "ann", 100 + n, f"i{n}") for n in range(6)]
        back = FeedbackEvent("back", "ann", FeedbackType.RETRACTION, 107, retracts="e0")
        assert set(reasons([*haste, back])) == {event.event_id for event in haste}


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 500), st.sampled_from(["x", "y", "z"])), max_size=60
    )
)
def test_bursts_are_what_a_plain_count_finds(told: list[tuple[str, int, str]]) -> None:
    """Against the definition, window by window."""
    ordered = sorted(told, key=lambda one: one[1])
    events = [like(str(n), user, at, item) for n, (user, at, item) in enumerate(ordered)]
    timed = [event for event in events if event.timestamp > 0]
    found = screen(events, (), CONFIG).left_out
    for user in {event.user_id for event in timed}:
        own = [event for event in timed if event.user_id == user]
        for last in own:
            window = [e for e in own if last.timestamp - 60 <= e.timestamp <= last.timestamp]
            if len(window) > CONFIG.user_events:
                assert all(found[event.event_id] == Reason.USER_BURST for event in window)
    begun = {user: min(e.timestamp for e in timed if e.user_id == user) for user in {e.user_id for e in timed}}
    crowded = set()
    for item in "xyz":
        firsts = {
            user: min((e.timestamp for e in timed if (e.user_id, e.item_id) == (user, item)), default=None)
            for user in begun
        }
        fresh = {u: at for u, at in firsts.items() if at is not None and at - begun[u] <= CONFIG.item_window_s}
        for until in fresh.values():
            window = {u: at for u, at in fresh.items() if until - 100 <= at <= until}
            since = min(window.values()) - 100
            everybody = [u for u, at in begun.items() if since <= at <= until]
            if len(window) >= CONFIG.item_users and len(window) >= CONFIG.item_share * len(everybody):
                crowded |= {(user, item) for user in window}
    burst = {(e.user_id, e.item_id) for e in events if found.get(e.event_id) == Reason.ITEM_BURST}
    assert burst <= crowded
    assert all(
        e.event_id in found
        for e in timed
        if (e.user_id, e.item_id) in crowded and e.timestamp - begun[e.user_id] <= CONFIG.item_window_s
    )


def example(user_id: str, moment: float, *labels: tuple[str, float]) -> Example:
    items = tuple(item_id for item_id, _ in labels)
    context = RankingContext(Profile(user_id), SessionState())
    ones = (1.0,) * len(items)
    return Example(user_id, moment, context, items, ones, tuple(label for _, label in labels), ones)


class TestCaps:
    def test_one_person_counts_for_so_many_the_newest(self) -> None:
        own = [example("ann", n, (f"i{n}", 1.0), ("j", 0.0)) for n in range(5)]
        others = [example(f"u{n}", n, (f"k{n}", 1.0), ("j", 0.0)) for n in range(4)]
        left_out: Counter[str] = Counter()
        assert capped([*own, *others], CONFIG, left_out) == [*own[2:], *others]
        assert left_out == {Reason.USER_CAP: 2}

    def test_one_item_counts_for_so_many_liked_or_hated(self) -> None:
        for label in (1.0, 0.0):
            crowd = [example(f"u{n}", n, ("pushed", label)) for n in range(40)]
            others = [example(f"v{n}", n, (f"i{n}", 1.0)) for n in range(20)]
            left_out: Counter[str] = Counter()
            kept = capped([*crowd, *others], CONFIG, left_out)
            assert kept == [*crowd[-12:], *others], "a fifth of sixty"
            assert left_out == {Reason.ITEM_CAP: 28}

    def test_few_examples_are_left_alone(self) -> None:
        few = [example(f"u{n}", n, ("i", 1.0)) for n in range(10)]
        left_out: Counter[str] = Counter()
        assert capped(few, CONFIG, left_out) == few
        assert not left_out
