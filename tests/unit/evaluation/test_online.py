from dataclasses import replace

import pytest

from convrec.errors import NotFoundError
from convrec.evaluation.online import By, online_stats
from convrec.types import Contest, FeedbackEvent, FeedbackType, ImpressionEvent

SCALE = (1.0, 5.0)
SHOWN = ImpressionEvent(
    "imp-0", "ann", None, None, 10.0, ("i1", "i2"), (), "rank.v1:abcdef", "fake", None, False, 0.2
)


def shown(number: int, user: str, adapter: str | None = None, **other: object) -> ImpressionEvent:
    return replace(SHOWN, event_id=f"imp-{number}", user_id=user, adapter=adapter, **other)


def said(number: int, user: str, kind: FeedbackType, item: str | None = "i1", **other: object) -> FeedbackEvent:
    name = f"fb-{number}-{user}-{kind.value}-{item}-{len(other)}"
    given = {"event_id": name, "timestamp": 20.0, "impression_id": f"imp-{number}"} | other
    return FeedbackEvent(user_id=user, type=kind, item_id=item, **given)  # type: ignore[arg-type]


def test_each_version_has_the_figures_of_its_own_slates() -> None:
    impressions = [
        shown(1, "ann", "wines@1"),
        shown(2, "bob", "wines@1", latency_s=0.4),
        shown(3, "ann", degraded=True, prompt_hash="", latency_s=5.0),
        shown(4, "cid", "wines@1", slate=()),  # a question: it showed nothing
    ]
    feedback = [
        said(1, "ann", FeedbackType.CLICK),
        said(1, "ann", FeedbackType.LIKE),
        said(2, "bob", FeedbackType.PURCHASE, "i2"),
        said(3, "ann", FeedbackType.DISLIKE),
    ]
    stats = online_stats(impressions, feedback, SCALE)
    wines, base = stats.versions
    assert (wines.version, wines.impressions, wines.users) == ("wines@1", 2, 2)
    assert (base.version, base.impressions, base.users) == ("base", 1, 1)
    assert [(s.hits, s.trials) for s in (wines.ctr, wines.conversion, wines.satisfaction, wines.degraded)] == [
        (1, 2),
        (1, 2),
        (1, 1),
        (0, 2),
    ]
    assert [(s.hits, s.trials) for s in (base.ctr, base.satisfaction, base.degraded)] == [(0, 1), (0, 1), (1, 1)]
    assert (wines.latency_p50_s, wines.latency_p95_s) == pytest.approx((0.3, 0.39))
    (less,) = stats.comparisons
    assert (less.version, less.against) == ("base", "wines@1")
    assert less.ctr.value == -0.5
    assert less.degraded.value == 1.0


@pytest.mark.parametrize(
    "event",
    [
        said(1, "bob", FeedbackType.LIKE),  # somebody else
        said(1, "ann", FeedbackType.LIKE, "i9"),  # not in it
        said(1, "ann", FeedbackType.LIKE, impression_id=None),
        said(9, "ann", FeedbackType.LIKE),
        said(1, "ann", FeedbackType.COMMENT, None, text="meh"),
        said(1, "ann", FeedbackType.SEEN),
    ],
)
def test_what_says_nothing_of_the_slate_does_not_count(event: FeedbackEvent) -> None:
    (of,) = online_stats([shown(1, "ann")], [event], SCALE).versions
    assert (of.ctr.hits, of.ctr.trials, of.satisfaction.trials) == (0, 1, 0)


def test_slates_of_a_contest_count_for_the_contest_alone() -> None:
    contest = Contest("c", ("base", "wines@1"), (0, 1))
    stats = online_stats(
        [shown(1, "ann"), shown(2, "ann", contest=contest)], [said(2, "ann", FeedbackType.CLICK)], SCALE
    )
    assert [(of.version, of.impressions, of.ctr.hits) for of in stats.versions] == [("base", 1, 0)]
    assert [(of.version, of.against, of.wins) for of in stats.contests] == [("base", "wines@1", 1)]


def test_what_was_retracted_does_not_count() -> None:
    like = said(1, "ann", FeedbackType.LIKE)
    back = FeedbackEvent("back", "ann", FeedbackType.RETRACTION, 30.0, retracts=like.event_id)
    (of,) = online_stats([shown(1, "ann")], [like, back], SCALE).versions
    assert (of.ctr.hits, of.satisfaction.trials) == (0, 0)


@pytest.mark.parametrize(("rating", "satisfied"), [(1.0, 0), (3.5, 0), (4.0, 1), (5.0, 1)])
def test_a_rating_of_four_satisfies(rating: float, satisfied: int) -> None:
    (of,) = online_stats([shown(1, "ann")], [said(1, "ann", FeedbackType.RATING, rating=rating)], SCALE).versions
    assert (of.satisfaction.hits, of.satisfaction.trials, of.ctr.hits) == (satisfied, 1, 0)


def test_the_latest_opinion_on_an_item_stands_and_other_items_have_their_own() -> None:
    feedback = [
        said(1, "ann", FeedbackType.NOT_INTERESTED, timestamp=30.0),
        said(1, "ann", FeedbackType.LIKE),
        said(1, "ann", FeedbackType.RATING, "i2", rating=5.0),
    ]
    (of,) = online_stats([shown(1, "ann")], feedback, SCALE).versions
    assert (of.satisfaction.hits, of.satisfaction.trials) == (1, 2)
    assert of.ctr.hits == 1  # it was liked, whatever came later


def test_prompts_are_told_apart_by_version_not_by_what_was_rendered() -> None:
    impressions = [
        shown(1, "ann", prompt_hash="rank.v1:aaa"),
        shown(2, "bob", prompt_hash="rank.v1:bbb"),
        shown(3, "ann", prompt_hash="rank.v2:aaa"),
        shown(4, "ann", prompt_hash="", degraded=True),
    ]
    stats = online_stats(impressions, [], SCALE, By.PROMPT)
    assert [(of.version, of.impressions) for of in stats.versions] == [("rank.v1", 2), ("none", 1), ("rank.v2", 1)]


def test_an_operator_chooses_what_the_others_are_compared_with() -> None:
    impressions = [shown(1, "ann"), shown(2, "ann"), shown(3, "bob", "wines@1"), shown(4, "bob", "wines@2")]
    stats = online_stats(impressions, [], SCALE, against="wines@2")
    assert [(less.version, less.against) for less in stats.comparisons] == [
        ("base", "wines@2"),
        ("wines@1", "wines@2"),
    ]
    with pytest.raises(NotFoundError, match=r"base, wines@1, wines@2"):
        online_stats(impressions, [], SCALE, against="wines@3")


def test_nothing_shown_has_no_versions() -> None:
    stats = online_stats([], [], SCALE)
    assert (stats.versions, stats.comparisons) == ((), ())
