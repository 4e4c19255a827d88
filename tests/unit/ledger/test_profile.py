import pytest

from convrec.ledger.profile import beliefs, build_profile, signal
from convrec.types import Belief, Facet, FacetType, FeedbackEvent, FeedbackType, HistoryEntry, Item, Profile

SCALE = (1.0, 5.0)
GENRE, YEAR = Facet("genre", FacetType.SET), Facet("year", FacetType.RANGE)


def did(kind: str, item_id: str | None, at: float, **more) -> FeedbackEvent:
    return FeedbackEvent(f"{kind}-{item_id}-{at}", "ann", FeedbackType(kind), at, item_id, **more)


def rated(item_id: str, rating: float, at: float) -> FeedbackEvent:
    return did("rating", item_id, at, rating=rating)


def fold(*events: FeedbackEvent) -> Profile:
    return build_profile("ann", events, SCALE)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (did("like", "a", 0), 1.0),
        (did("purchase", "a", 0), 1.0),
        (did("seen", "a", 0), 0.5),
        (did("click", "a", 0), 0.25),
        (did("dislike", "a", 0), -1.0),
        (did("not_interested", "a", 0), -1.0),
        (rated("a", 1, 0), 0.5),
        (rated("a", 3, 0), 0.75),
        (rated("a", 5, 0), 1.0),
        (rated("a", 9, 0), 1.0),
        (rated("a", -9, 0), 0.5),
        (did("comment", "a", 0, text="hm"), None),
        (did("retraction", None, 0, retracts="x"), None),
    ],
    ids=lambda value: value.event_id if isinstance(value, FeedbackEvent) else str(value),
)
def test_signal(event: FeedbackEvent, expected: float | None) -> None:
    assert signal(event, SCALE) == expected


def test_nobody_knows_a_new_user() -> None:
    assert fold() == Profile("ann")
    assert beliefs(Profile("ann"), {"a": Item("a", "A", {"genre": ("x",)})}, (GENRE, YEAR)) == ()


def test_history_is_oldest_first_and_opinions_latest_first() -> None:
    profile = fold(
        did("like", "c", 3), did("dislike", "b", 2), rated("a", 5, 1), rated("d", 1, 4), rated("e", 3, 5)
    )
    assert profile.history == (
        HistoryEntry("a", 1.0, 1, 1.0),
        HistoryEntry("b", -1.0, 2, 0.0),
        HistoryEntry("c", 1.0, 3, 1.0),
        HistoryEntry("d", 0.5, 4, 0.0),
        HistoryEntry("e", 0.75, 5, 0.5),
    )
    assert profile.liked == ("c", "a")
    assert profile.disliked == ("d", "b")
    assert profile.excluded == {"a", "b", "c", "d", "e"}


def test_a_click_and_a_view_are_no_opinions() -> None:
    profile = fold(did("click", "a", 1), did("seen", "b", 2))
    assert [entry.opinion for entry in profile.history] == [None, None]
    assert not profile.liked + profile.disliked


@pytest.mark.parametrize(
    ("rating", "liked", "disliked"), [(4, True, False), (3.9, False, False), (2, False, True)]
)
def test_ratings_are_opinions_at_the_ends_of_their_scale(rating: float, liked: bool, disliked: bool) -> None:
    profile = fold(rated("a", rating, 1))
    assert ("a" in profile.liked, "a" in profile.disliked) == (liked, disliked)


def test_the_latest_opinion_stands() -> None:
    profile = fold(did("like", "a", 1), did("like", "b", 2), did("dislike", "a", 3))
    assert (profile.liked, profile.disliked) == (("b",), ("a",))
    assert [entry.item_id for entry in profile.history] == ["b", "a"]


@pytest.mark.parametrize("weaker", ["click", "seen"])
def test_clicks_and_seeing_do_not_soften_an_opinion(weaker: str) -> None:
    assert fold(did("dislike", "a", 1), did(weaker, "a", 2)) == fold(did("dislike", "a", 1))
    assert fold(did(weaker, "a", 1), did("dislike", "a", 2)) == fold(did("dislike", "a", 2))


def test_clicks_alone_are_history_but_exclude_nothing() -> None:
    profile = fold(did("click", "a", 1), did("seen", "b", 2))
    assert [entry.signal for entry in profile.history] == [0.25, 0.5]
    assert (profile.excluded, profile.liked, profile.disliked) == ({"b"}, (), ())


def test_comments_are_kept_latest_first_and_move_nothing() -> None:
    profile = fold(did("comment", "a", 1, text="first"), did("comment", None, 2, text="second"))
    assert profile == Profile("ann", comments=("second", "first"))


def test_a_retraction_brings_back_what_stood_before() -> None:
    like, dislike = did("like", "a", 1), did("dislike", "a", 2)
    back = did("retraction", None, 3, retracts=dislike.event_id)
    assert fold(like, dislike, back) == fold(back, dislike, like) == fold(like)


def test_a_retraction_reaches_no_other_users_event_and_is_not_retracted_itself() -> None:
    like = did("like", "a", 1)
    back = did("retraction", None, 2, retracts=like.event_id)
    of_bob = FeedbackEvent("r", "bob", FeedbackType.RETRACTION, 2, retracts=like.event_id)
    assert fold(like, of_bob) == fold(like)
    assert fold(like, back, did("retraction", None, 3, retracts=back.event_id)) == fold()


def test_events_of_equal_time_count_in_the_order_given() -> None:
    assert fold(did("like", "a", 1), did("dislike", "a", 1)).disliked == ("a",)
    assert fold(did("dislike", "a", 1), did("like", "a", 1)).liked == ("a",)


def test_a_value_liked_and_disliked_alike_is_no_belief() -> None:
    items = {n: Item(n, n, {"genre": ("drama", "war") if n in "ab" else ("drama",)}) for n in "abcd"}
    profile = Profile("ann", liked=("a", "b"), disliked=("c", "d"))
    assert beliefs(profile, items, (GENRE,)) == (Belief("genre", "war", pytest.approx(2 / 7), 2),)


def test_beliefs_grow_with_support_and_come_strongest_first() -> None:
    items = {str(n): Item(str(n), "t", {"genre": "noir" if n < 6 else "war"}) for n in range(8)}
    profile = Profile("ann", liked=tuple("012345"), disliked=tuple("67"))
    assert beliefs(profile, items, (GENRE,)) == (
        Belief("genre", "noir", pytest.approx(6 / 11), 6),
        Belief("genre", "war", pytest.approx(-2 / 7), 2),
    )
    fewer = beliefs(Profile("ann", liked=("0",)), items, (GENRE,))
    assert fewer == (Belief("genre", "noir", pytest.approx(1 / 6), 1),)


def test_a_range_belief_is_the_middle_half_where_it_is_narrower_than_the_catalogues() -> None:
    items = {str(year): Item(str(year), "t", {"year": year}) for year in range(1920, 2000)}
    nineties = Profile("ann", liked=tuple(str(year) for year in (1925, 1990, 1991, 1993, 1996, 1998, 1999)))
    # Five of the seven lie inside, and 9 of the catalogue's 80.
    (belief,) = beliefs(nineties, items, (YEAR,))
    assert belief == Belief("year", "1990-1998", pytest.approx(5 / 12 - 9 / 80), 5)
    anything = Profile("ann", liked=tuple(str(year) for year in range(1920, 2000, 4)))
    assert beliefs(anything, items, (YEAR,)) == ()
    assert beliefs(Profile("ann", liked=("1990", "1991", "1992")), items, (YEAR,)) == ()


def test_beliefs_pass_over_items_that_left_the_catalogue_and_values_of_another_kind() -> None:
    items = {n: Item(n, n, {"genre": ("x", "x"), "year": "unknown" if n == "a" else True}) for n in "abcd"}
    profile = Profile("ann", liked=("a", "b", "c", "d", "gone"))
    assert beliefs(profile, items, (GENRE, YEAR)) == (Belief("genre", "x", pytest.approx(4 / 9), 4),)


def test_at_most_a_dozen_beliefs() -> None:
    items = {"a": Item("a", "A", {"genre": tuple(f"g{n:02}" for n in range(20))})}
    found = beliefs(Profile("ann", liked=("a",)), items, (GENRE,))
    assert [belief.value for belief in found] == [f"g{n:02}" for n in range(12)]


def test_what_is_saved_is_kept_apart_and_not_shown_again() -> None:
    profile = fold(did("save", "a", 1), did("save", "b", 2), did("save", "c", 3), did("like", "b", 4))
    assert profile.saved == ("c", "a")
    assert profile.liked == ("b",)
    assert profile.excluded == {"a", "b", "c"}
    assert [entry.opinion for entry in profile.history] == [None, None, 1.0]
