from dataclasses import replace

import pytest

from convrec.evaluation.contests import ContestFigures, contest_figures
from convrec.types import Contest, FeedbackEvent, FeedbackType, ImpressionEvent

SCALE = (1.0, 5.0)
SHOWN = ImpressionEvent("imp", "ann", None, None, 10.0, ("i1", "i2", "i3"), (), "p", "fake", None, False, 0.2)


def beside(number: int, version: str, contest: str, user: str = "ann") -> ImpressionEvent:
    return replace(SHOWN, event_id=f"imp-{number}", user_id=user, contest=Contest(contest, (version,)))


def mixed(number: int, teams: tuple[int, ...] = (0, 1, 0), user: str = "ann") -> ImpressionEvent:
    contest = Contest(f"con-{number}", ("movies@2", "base"), teams)
    return replace(SHOWN, event_id=f"imp-{number}", user_id=user, contest=contest)


def said(number: int, kind: FeedbackType, item: str | None = None, **other: object) -> FeedbackEvent:
    given = {"user_id": "ann", "timestamp": 20.0, "impression_id": f"imp-{number}"} | other
    return FeedbackEvent(event_id=f"{number}-{kind}-{item}-{given}", type=kind, item_id=item, **given)  # type: ignore[arg-type]


def won(figures: tuple[ContestFigures, ...]) -> list[tuple[str, str, str, int, int, int]]:
    return [(f.version, f.against, f.how, f.wins, f.losses, f.ties) for f in figures]


PAIR = [beside(1, "movies@2", "c1"), beside(2, "base", "c1")]


def test_a_vote_is_for_the_version_of_the_slate_that_it_names() -> None:
    figures = contest_figures(PAIR, [said(1, FeedbackType.PREFER)], SCALE)
    assert won(figures) == [("base", "movies@2", "votes", 0, 1, 0)]
    assert (figures[0].win_share.value, figures[0].win_share.low, figures[0].win_share.high) == (0.0, 0.0, 1.0)
    assert won(contest_figures(PAIR, [said(2, FeedbackType.PREFER)], SCALE)) == [
        ("base", "movies@2", "votes", 1, 0, 0)
    ]
    assert won(contest_figures(PAIR, [said(2, FeedbackType.TIE)], SCALE)) == [
        ("base", "movies@2", "votes", 0, 0, 1)
    ]


def test_the_last_vote_stands_and_one_that_was_taken_back_is_none() -> None:
    first, second = said(1, FeedbackType.PREFER), said(2, FeedbackType.PREFER, timestamp=21.0)
    assert won(contest_figures(PAIR, [second, first], SCALE)) == [("base", "movies@2", "votes", 1, 0, 0)]
    back = FeedbackEvent("back", "ann", FeedbackType.RETRACTION, 22.0, retracts=second.event_id)
    assert won(contest_figures(PAIR, [first, second, back], SCALE)) == [("base", "movies@2", "votes", 0, 1, 0)]


@pytest.mark.parametrize(
    "shown",
    [
        PAIR[:1],  # the other one degraded
        [PAIR[0], beside(2, "movies@2", "c1")],
        [PAIR[0], beside(2, "base", "c2")],
        [PAIR[0], beside(2, "base", "c1", user="bob")],
        [*PAIR, beside(3, "base", "c1")],
    ],
)
def test_what_is_no_pair_decides_nothing(shown: list[ImpressionEvent]) -> None:
    assert contest_figures(shown, [said(1, FeedbackType.PREFER)], SCALE) == ()


def test_a_mixed_slate_is_won_by_the_version_of_which_more_was_chosen() -> None:
    slates = [mixed(1), mixed(2), mixed(3), mixed(4), mixed(5)]
    feedback = [
        said(1, FeedbackType.CLICK, "i1"),
        said(2, FeedbackType.LIKE, "i2"),
        said(3, FeedbackType.CLICK, "i2"),
        said(3, FeedbackType.RATING, "i3", rating=5.0),
        said(4, FeedbackType.DISLIKE, "i1"),  # nothing was chosen: no contest
        said(5, FeedbackType.RATING, "i1", rating=2.0),
        said(1, FeedbackType.CLICK, "i1", user_id="bob"),  # somebody else
    ]
    assert won(contest_figures(slates, feedback, SCALE)) == [("base", "movies@2", "clicks", 1, 1, 1)]


def test_an_item_counts_once_however_often_it_was_chosen() -> None:
    clicks = [said(1, kind, "i2") for kind in (FeedbackType.CLICK, FeedbackType.LIKE, FeedbackType.PURCHASE)]
    figures = contest_figures([mixed(1)], [*clicks, said(1, FeedbackType.CLICK, "i1")], SCALE)
    assert won(figures) == [("base", "movies@2", "clicks", 0, 0, 1)]


def test_the_interval_is_over_people() -> None:
    """Forty wins of one person say nothing of others; forty of forty people do."""
    clicks = [said(n, FeedbackType.CLICK, "i1") for n in range(40)]
    (alone,) = contest_figures([mixed(n) for n in range(40)], clicks, SCALE)
    assert (alone.losses, alone.win_share.low, alone.win_share.high) == (40, 0.0, 1.0)
    many = [mixed(n, user=f"u{n}") for n in range(40)]
    (together,) = contest_figures(many, [replace(e, user_id=f"u{n}") for n, e in enumerate(clicks)], SCALE)
    assert together.win_share.users == 40
    assert together.win_share.high < 0.15


def test_slates_without_a_contest_are_passed_over() -> None:
    assert contest_figures([SHOWN], [said(1, FeedbackType.CLICK, "i1")], SCALE) == ()
