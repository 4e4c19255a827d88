import math
from collections.abc import Sequence

import pytest

from convrec.evaluation.protocols import HeldOut, leave_one_out, rank_held_out
from convrec.types import Candidate, FeedbackEvent, FeedbackType, RetrievalQuery


def event(user: str, item: str, time: float) -> FeedbackEvent:
    return FeedbackEvent(f"{user}-{item}", user, FeedbackType.RATING, time, item, rating=4.0)


EVENTS = [
    event("ann", "late", 9.0),
    event("bob", "first of two at once", 1.0),
    event("ann", "early", 1.0),
    event("bob", "second of two at once", 1.0),
    event("ann", "middle", 5.0),
    event("eve", "only", 2.0),
]


def items(case: HeldOut) -> list[str | None]:
    return [e.item_id for e in case.history]


def test_the_test_item_is_the_last_by_time_then_by_order() -> None:
    ann, bob = leave_one_out(EVENTS, "test")
    assert (ann.user_id, ann.item_id, items(ann)) == ("ann", "late", ["early", "middle"])
    assert (bob.user_id, bob.item_id, items(bob)) == ("bob", "second of two at once", ["first of two at once"])


def test_validation_does_not_see_the_test_item() -> None:
    (ann,) = leave_one_out(EVENTS, "valid")
    assert (ann.user_id, ann.item_id, items(ann)) == ("ann", "middle", ["early"])


class Alphabetical:
    """Offers a to h, less what is excluded."""

    def __init__(self) -> None:
        self.queries: list[RetrievalQuery] = []

    def retrieve(self, query: RetrievalQuery, k: int) -> list[Candidate]:
        self.queries.append(query)
        return [Candidate(item_id, 0.0) for item_id in "abcdefgh" if item_id not in query.exclude][:k]

    def similar(self, item_id: str, others: Sequence[str]) -> list[float]:
        return [0.0] * len(others)


def test_ranks_are_among_what_the_user_has_not_had() -> None:
    history = (event("ann", "a", 1.0), event("ann", "c", 2.0))
    cases = [HeldOut("ann", history, "d"), HeldOut("bob", (), "d"), HeldOut("ann", history, "h")]
    retriever = Alphabetical()
    assert rank_held_out(retriever, cases, (1.0, 5.0), depth=5).tolist() == [2.0, 4.0, math.inf]
    assert [entry.item_id for entry in retriever.queries[0].history] == ["a", "c"]
    assert retriever.queries[0].history[1].signal == pytest.approx(0.875)
    assert retriever.queries[1].history == ()
