from convrec.testing.recommender import wine_list
from convrec.training.impressions import feedback_examples
from convrec.types import (
    FeedbackEvent,
    FeedbackType,
    ImpressionEvent,
    Intent,
    IntentKind,
    Mention,
    Polarity,
    ScoredCandidate,
    TurnEvent,
)

CATALOGUE = wine_list()
SLATE = CATALOGUE.ids[:5]


def impression(event_id: str = "imp", user: str = "u", turn: str | None = "t2") -> ImpressionEvent:
    scored = tuple(ScoredCandidate(i, 0.9 - n / 10, None, 0.0) for n, i in enumerate(CATALOGUE.ids[:8]))
    return ImpressionEvent(event_id, user, "ses", turn, 100.0, SLATE, scored, "rank.v1", "fake", None, False, 0.1)


def turn(event_id: str, message: str, *liked: str, user: str = "u") -> TurnEvent:
    mentions = tuple(Mention(i, CATALOGUE[i].title, Polarity.LIKED) for i in liked)
    return TurnEvent(
        event_id, user, "ses", 99.0, message, Intent(IntentKind.RECOMMEND, message, mentions=mentions)
    )


def on(
    place: int, kind: FeedbackType, rating: float | None = None, at: float = 101.0, event_id: str = ""
) -> FeedbackEvent:
    return FeedbackEvent(
        event_id or f"{kind}-{place}-{at}",
        "u",
        kind,
        at,
        SLATE[place],
        rating,
        session_id="ses",
        impression_id="imp",
    )


def labels(*feedback: FeedbackEvent) -> dict[str, tuple[float, float]]:
    found = feedback_examples([impression()], lambda _: (), feedback, CATALOGUE)
    return {
        i: (label, weight)
        for example in found
        for i, label, weight in zip(example.item_ids, example.labels, example.weights, strict=True)
    }


def test_every_kind_of_feedback_says_what_the_table_says() -> None:
    assert labels(on(0, FeedbackType.LIKE)) == {"w00": (1.0, 1.0)}
    assert labels(on(0, FeedbackType.PURCHASE)) == {"w00": (1.0, 1.0)}
    assert labels(on(0, FeedbackType.CLICK)) == {"w00": (1.0, 0.5)}
    assert labels(on(0, FeedbackType.RATING, 4.0)) == {"w00": (0.75, 1.0)}
    assert labels(on(3, FeedbackType.DISLIKE)) == {"w03": (0.0, 1.0)}
    assert labels(on(3, FeedbackType.NOT_INTERESTED)) == {"w03": (0.0, 1.0)}
    assert labels(on(3, FeedbackType.SEEN)) == {}


def test_what_was_passed_over_on_the_way_to_a_click_counts_a_little() -> None:
    found = labels(on(2, FeedbackType.CLICK), on(1, FeedbackType.SEEN))
    assert found == {"w00": (0.0, 0.3), "w02": (1.0, 0.5)}


def test_a_dislike_passes_nothing_over() -> None:
    assert labels(on(4, FeedbackType.DISLIKE)) == {"w04": (0.0, 1.0)}


def test_the_latest_word_stands_and_what_was_taken_back_is_gone() -> None:
    assert labels(on(0, FeedbackType.LIKE), on(0, FeedbackType.DISLIKE, at=102.0)) == {"w00": (0.0, 1.0)}
    back = FeedbackEvent("back", "u", FeedbackType.RETRACTION, 103.0, retracts="mine")
    assert labels(on(0, FeedbackType.LIKE, event_id="mine"), back) == {}


def test_an_example_is_of_the_moment_of_the_slate() -> None:
    earlier = FeedbackEvent("old", "u", FeedbackType.LIKE, 50.0, "w20")
    later = FeedbackEvent("new", "u", FeedbackType.LIKE, 150.0, "w21")
    said = [
        turn("t1", "a red"),
        turn("other", "spam", user="v"),
        turn("t2", "like this", "w22"),
        turn("t3", "later"),
    ]
    (example,) = feedback_examples(
        [impression()], lambda _: said, [earlier, on(1, FeedbackType.LIKE), later], CATALOGUE
    )
    assert [entry.item_id for entry in example.context.profile.history] == ["w20"]
    assert example.context.message == "like this"
    assert [mention.item_id for mention in example.context.state.mentions] == ["w22"]
    assert example.retrieval == (0.9, 0.8)
    assert example.event_ids == ("imp", "like-1-101.0")
    assert (example.user_id, example.moment) == ("u", 100.0)


def test_a_slate_without_feedback_says_nothing() -> None:
    assert feedback_examples([impression("other")], lambda _: (), [on(1, FeedbackType.LIKE)], CATALOGUE) == []
