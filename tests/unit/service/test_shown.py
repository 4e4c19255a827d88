import math
from dataclasses import replace

import pytest

from convrec.service.requests import SlateReady
from convrec.service.shown import Accepted, Calibration, ShownSlates
from convrec.types import (
    FeedbackEvent,
    FeedbackType,
    Intent,
    IntentKind,
    Item,
    Recommendation,
    SessionState,
    Slate,
)

SCALE = (1.0, 5.0)


def ready(number: int = 1, query: str = "", adapter: str | None = None, degraded: bool = False) -> SlateReady:
    shown = tuple(
        Recommendation(Item(f"i{rank}", f"Item {rank}"), rank, 1.0, match, 0.5, 1.0)
        for rank, match in ((1, 0.8), (2, 0.4))
    )
    return SlateReady(
        "ann",
        None,
        None,
        f"imp-{number}",
        Intent(IntentKind.RECOMMEND),
        SessionState(query=query),
        Slate(shown, degraded=degraded, adapter=adapter),
        "fake",
        adapter,
        0.1,
    )


def said(kind: FeedbackType, item: str = "i1", number: int = 1, rating: float | None = None) -> FeedbackEvent:
    return FeedbackEvent("fb", "ann", kind, 1.0, item, rating, impression_id=f"imp-{number}")


def test_a_slate_is_accepted_once() -> None:
    shown = ShownSlates()
    shown.add(ready(adapter="wines@1"))
    assert shown.judge(said(FeedbackType.DISLIKE), SCALE) is None
    assert shown.judge(said(FeedbackType.RATING, rating=3.0), SCALE) is None
    assert shown.judge(said(FeedbackType.CLICK), SCALE) == Accepted("wines@1")
    assert shown.judge(said(FeedbackType.LIKE, "i2"), SCALE) is None


@pytest.mark.parametrize("kind", [FeedbackType.CLICK, FeedbackType.LIKE, FeedbackType.PURCHASE])
def test_what_was_not_shown_accepts_nothing(kind: FeedbackType) -> None:
    shown = ShownSlates()
    shown.add(ready())
    assert shown.judge(said(kind, "i9"), SCALE) is None
    assert shown.judge(said(kind, number=2), SCALE) is None
    assert shown.judge(replace(said(kind), impression_id=None), SCALE) is None
    assert shown.calibration(requested=False).judged == 0
    assert shown.judge(said(kind), SCALE) == Accepted(None)


def test_match_is_held_against_the_latest_of_what_feedback_says() -> None:
    shown = ShownSlates()
    shown.add(ready())
    nothing = shown.calibration(requested=False)
    assert math.isnan(nothing.expected)
    assert math.isnan(nothing.observed)
    shown.judge(said(FeedbackType.LIKE), SCALE)
    shown.judge(said(FeedbackType.RATING, "i2", rating=2.0), SCALE)
    assert shown.calibration(requested=False) == Calibration(pytest.approx(0.6), pytest.approx(0.625), 2)
    shown.judge(said(FeedbackType.DISLIKE), SCALE)
    assert shown.calibration(requested=False) == Calibration(pytest.approx(0.6), pytest.approx(0.125), 2)
    shown.judge(said(FeedbackType.SEEN), SCALE)  # says neither
    assert shown.calibration(requested=False).judged == 2
    assert shown.calibration(requested=True).judged == 0


def test_slates_that_were_asked_for_are_apart_and_degraded_ones_have_no_match() -> None:
    shown = ShownSlates()
    shown.add(ready(1, query="red"))
    shown.add(ready(2, degraded=True))
    assert shown.judge(said(FeedbackType.LIKE, number=1), SCALE) == Accepted(None)
    assert shown.judge(said(FeedbackType.LIKE, number=2), SCALE) == Accepted(None)
    assert shown.calibration(requested=True) == Calibration(0.8, 1.0, 1)
    assert shown.calibration(requested=False).judged == 0


def test_only_the_last_are_remembered() -> None:
    shown = ShownSlates(slates=3, judged=2)
    for number in range(4):
        shown.add(ready(number))
    assert shown.judge(said(FeedbackType.LIKE, number=0), SCALE) is None
    for number, kind in ((1, FeedbackType.LIKE), (2, FeedbackType.DISLIKE), (3, FeedbackType.DISLIKE)):
        shown.judge(said(kind, number=number), SCALE)
    assert shown.calibration(requested=False) == Calibration(0.8, 0.0, 2)


def test_drift_is_told_in_parts_by_the_time_of_their_feedback() -> None:
    shown = ShownSlates()
    for number in range(60):
        shown.add(ready(number))
        kind = FeedbackType.LIKE if number < 10 else FeedbackType.DISLIKE
        shown.judge(FeedbackEvent(f"e{number}", "ann", kind, 1.0, "i1", impression_id=f"imp-{number}"), SCALE)
    first, last = shown.drift(requested=False)
    assert (first.judged, first.observed, last.judged, last.observed) == (10, 1.0, 50, 0.0)
    assert first.expected == last.expected == pytest.approx(0.8)
    assert shown.drift(requested=True) == ()
