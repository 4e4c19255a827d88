from collections.abc import Callable
from dataclasses import replace

import pytest

from convrec.errors import DataError
from convrec.evaluation.datasets.base import Dataset
from convrec.evaluation.protocols import conversation, leave_one_out, like_dislike, llamarec, time_sliced
from convrec.types import FeedbackEvent, FeedbackType

Rating = Callable[..., FeedbackEvent]


def with_events(dataset: Dataset, *events: FeedbackEvent) -> Dataset:
    return replace(dataset, events=events)


class TestLeaveOneOut:
    def test_the_last_event_is_the_test_and_the_second_last_the_validation(self, walks: Dataset) -> None:
        test, valid = leave_one_out(walks, "test"), leave_one_out(walks, "valid")
        assert (test.name, valid.name) == ("leave-one-out/test", "leave-one-out/valid")
        assert len(test.cases) == len(valid.cases) == 40
        first = test.cases[0]
        assert (first.case_id, first.unit, first.targets) == ("u00", "u00", ("i11",))
        assert [entry.item_id for entry in first.query.history] == [f"i{n:02}" for n in range(11)]
        assert first.query.exclude == {f"i{n:02}" for n in range(11)}
        assert valid.cases[0].targets == ("i10",)
        assert len(test.train) == 40 * 11
        assert len(valid.train) == 40 * 10

    def test_equal_timestamps_keep_the_order_of_the_file(self, walks: Dataset, rating: Rating) -> None:
        data = with_events(walks, rating("u", 5, 1.0), rating("u", 2, 1.0), rating("u", 9, 1.0))
        assert leave_one_out(data, "test").cases[0].targets == ("i09",)

    def test_a_repeated_item_is_no_target_and_is_counted(self, walks: Dataset, rating: Rating) -> None:
        again = [rating("u", 5, 1.0), rating("u", 2, 2.0), rating("u", 5, 3.0)]
        data = with_events(walks, *again, rating("v", 1, 1.0), rating("v", 2, 2.0), rating("lone", 1, 1.0))
        task = leave_one_out(data, "test")
        assert [case.unit for case in task.cases] == ["v"]
        assert task.notes == (
            "1 users whose held-out event was no choice, or of an item in their history",
            "1 users with too few events to have a history",
        )


class TestLlamarec:
    def test_the_core_is_what_is_left_when_nobody_has_fewer_than_five(
        self, walks: Dataset, rating: Rating
    ) -> None:
        crowd = [rating(f"u{user}", item, float(item)) for user in range(6) for item in range(6)]
        # Dropping the rare item leaves its user with four events, which drops that user as well.
        rare = [rating("v", item, float(item)) for item in range(4)] + [rating("v", 20, 9.0)]
        task = llamarec(with_events(walks, *crowd, *rare), "test")
        assert task.name == "llamarec/test"
        assert task.catalogue.ids == tuple(f"i{n:02}" for n in range(6))
        assert {case.unit for case in task.cases} == {f"u{n}" for n in range(6)}
        assert "5-core: 6 users, 6 items, 36 events" in task.notes

    def test_no_core_at_all_is_said(self, walks: Dataset, rating: Rating) -> None:
        with pytest.raises(DataError, match="no 5-core"):
            llamarec(with_events(walks, rating("u", 1, 1.0)), "test")


class TestTimeSliced:
    def test_models_know_what_was_before_the_slice_and_histories_what_came_since(self, walks: Dataset) -> None:
        tasks = time_sliced(walks, slices=4, per_user=2)
        assert [task.name for task in tasks] == ["time-sliced/1", "time-sliced/2", "time-sliced/3"]
        for task in tasks:
            newest = max(event.timestamp for event in task.train)
            grown = 0
            for case in task.cases:
                known = [event.timestamp for event in task.train if event.user_id == case.unit]
                grown += len(case.events) > len(known)
                assert len(case.events) >= len(known)
                assert case.targets[0] not in {event.item_id for event in case.events}
            assert grown
            assert max(len([c for c in task.cases if c.unit == u]) for u in {c.unit for c in task.cases}) == 2
            assert newest <= 12_000
        assert len({case.case_id for task in tasks for case in task.cases}) == sum(len(t.cases) for t in tasks)

    def test_too_many_slices_are_refused(self, walks: Dataset, rating: Rating) -> None:
        with pytest.raises(DataError, match="cannot be cut into 10 slices"):
            time_sliced(with_events(walks, rating("u", 1, 1.0)))


class TestLikeDislike:
    def test_the_last_fifth_is_judged_by_its_ratings(self, walks: Dataset, rating: Rating) -> None:
        events = [rating("u", n, float(n), 5.0 if n % 2 else 2.0) for n in range(10)]
        events += [rating("v", n, float(n), 5.0) for n in range(10)]
        task = like_dislike(with_events(walks, *events))
        (judged,) = task.judgements
        assert judged.unit == "u"
        assert dict(zip(judged.item_ids, judged.liked, strict=True)) == {"i08": False, "i09": True}
        assert len(judged.events) == 8
        assert len(task.train) == 16
        assert task.notes == ("1 users without both kinds or without history",)

    def test_what_is_neither_is_left_out(self, walks: Dataset, rating: Rating) -> None:
        stars = [3.0] * 16 + [5.0, 4.0, 3.5, 1.0]
        task = like_dislike(with_events(walks, *(rating("u", n, float(n), r) for n, r in enumerate(stars))))
        assert task.judgements[0].item_ids == ("i16", "i17", "i19")
        assert task.judgements[0].liked == (True, True, False)

    def test_what_was_rated_before_is_not_judged_again(self, walks: Dataset, rating: Rating) -> None:
        items = [*range(16), 16, 17, 18, 3]
        stars = [5.0] * 16 + [5.0, 1.0, 1.0, 1.0]
        events = [rating("u", i, float(n), r) for n, (i, r) in enumerate(zip(items, stars, strict=True))]
        task = like_dislike(with_events(walks, *events))
        assert task.judgements[0].item_ids == ("i16", "i17", "i18")
        assert task.notes == ("1 ratings of items the user had rated already",)


class TestConversation:
    def test_what_was_said_and_named_leads_to_what_is_recommended(self, talks: Dataset) -> None:
        task = conversation(talks, "test")
        first, second = task.cases
        assert (first.unit, first.targets) == ("d99", ("i04", "i05"))
        assert first.query.text == "I liked film 3"
        assert first.query.seeds == {"i03": 1.0}
        assert first.query.exclude == {"i03"}
        assert not second.query.seeds
        assert len(task.examples) == 20
        assert {event.user_id for event in task.train} == {f"d{n}" for n in range(20)}
        assert [e.item_id for e in task.train if e.user_id == "d3"] == ["i03", "i04", "i05"]

    def test_validation_is_on_the_last_fifth_of_the_conversations(self, talks: Dataset) -> None:
        task = conversation(talks, "valid")
        assert {case.unit for case in task.cases} == {"d16", "d17", "d18", "d19"}
        assert {case.unit for case in task.examples} == {f"d{n}" for n in range(16)}
        assert not {event.user_id for event in task.train} & {"d16", "d19"}

    def test_turns_without_a_target_are_counted(self, talks: Dataset) -> None:
        assert conversation(talks, "valid").notes == ("4 turns that recommend nothing new to predict",)
        assert conversation(talks, "test").notes == ()

    def test_a_long_conversation_is_read_from_its_end(self, talks: Dataset) -> None:
        turn = replace(talks.test[0], utterances=("x" * 900, "the end"))
        query = conversation(replace(talks, test=[turn]), "test").cases[0].query
        assert len(query.text) == 360
        assert query.text.endswith("x the end")

    def test_a_data_set_without_conversations_is_refused(self, walks: Dataset) -> None:
        with pytest.raises(DataError, match="no conversations"):
            conversation(walks, "test")


def test_a_dislike_is_nothing_to_predict(walks: Dataset, rating: Rating) -> None:
    history = [rating(user, 1, 1.0) for user in ("u", "v")]
    refused = replace(rating("u", 2, 2.0), type=FeedbackType.DISLIKE, rating=None)
    chosen = replace(rating("v", 2, 2.0), type=FeedbackType.LIKE, rating=None)
    task = leave_one_out(with_events(walks, *history, refused, chosen), "test")
    assert [case.unit for case in task.cases] == ["v"]
    assert task.notes[-1].startswith("1 users whose held-out event was no choice")
