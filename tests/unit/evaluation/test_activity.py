from dataclasses import replace

import pytest

from convrec.evaluation.activity import Quantiles, activity
from convrec.types import ImpressionEvent, ReplyEvent

SHOWN = ImpressionEvent("imp", "ann", None, None, 10.0, ("i1",), (), "p", "fake", None, False, 0.2)
REPLY = ReplyEvent("rep", "ann", "s", "t", 10.0, "Two.", 1.0)


def test_each_event_is_in_the_part_of_its_moment() -> None:
    moments = (-1.0, 0.0, 9.9, 10.0, 20.0, 20.1)
    slates = [
        replace(SHOWN, timestamp=moment, latency_s=moment + 2, degraded=moment == 10.0) for moment in moments
    ]
    replies = [replace(REPLY, timestamp=moment) for moment in (9.0, 15.0, 15.5)]
    first, second = activity(slates, replies, 0.0, 20.0, 2)
    assert (first.began, first.slates, first.degraded, first.replies) == (0.0, 2, 0, 1)
    assert (second.began, second.slates, second.degraded, second.replies) == (10.0, 2, 1, 2)
    assert first.slate == Quantiles(pytest.approx(6.95), pytest.approx(11.405))  # type: ignore[arg-type]
    assert second.turn == Quantiles(1.0, 1.0)


def test_a_part_in_which_nothing_happened_has_no_times() -> None:
    (part,) = activity([], [], 0.0, 1.0, 1)
    assert (part.slates, part.slate, part.replies, part.turn) == (0, None, 0, None)
