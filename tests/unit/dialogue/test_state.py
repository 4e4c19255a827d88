"""The session's state as a fold over intents."""

from convrec.dialogue.state import replay, retrieval_query, update
from convrec.types import (
    Constraint,
    HistoryEntry,
    Intent,
    IntentKind,
    Mention,
    Op,
    Polarity,
    Profile,
    SessionState,
    Strength,
)


def genre(value: str, op: Op = "include", strength: Strength = "must") -> Constraint:
    return Constraint("genre", op, value, strength)


def year(op: Op, value: float, strength: Strength = "must") -> Constraint:
    return Constraint("year", op, value, strength)


def refine(*constraints: Constraint) -> Intent:
    return Intent(IntentKind.REFINE, constraints=constraints)


def feel(item_id: str, polarity: Polarity) -> Intent:
    return Intent(IntentKind.FEEDBACK, mentions=(Mention(item_id, item_id.title(), polarity),))


def test_a_new_wish_replaces_the_query_and_a_refinement_keeps_it() -> None:
    state = replay([Intent(IntentKind.RECOMMEND, query="boxing"), refine(genre("Drama"))])
    assert (state.query, state.turns) == ("boxing", 2)
    assert update(state, Intent(IntentKind.RECOMMEND, query="chess")).query == "chess"
    assert update(state, Intent(IntentKind.SMALL_TALK)).query == "boxing"


def test_what_is_said_last_of_a_value_counts() -> None:
    assert replay([refine(genre("Comedy")), refine(genre("comedy", "exclude"))]).constraints == (
        genre("comedy", "exclude"),
    )
    assert replay([refine(genre("Comedy", "exclude")), refine(genre("Comedy"))]).constraints == (genre("Comedy"),)


def test_a_new_value_makes_the_earlier_one_welcome_instead_of_required() -> None:
    state = replay([refine(genre("Comedy"), genre("War", "exclude")), refine(genre("Western"))])
    assert state.constraints == (genre("Comedy", strength="prefer"), genre("War", "exclude"), genre("Western"))


def test_values_of_one_message_hold_together() -> None:
    assert replay([refine(genre("Comedy"), genre("Romance"))]).constraints == (genre("Comedy"), genre("Romance"))


def test_a_required_range_replaces_the_earlier_one_and_a_preference_does_not() -> None:
    nineties = (year(">=", 1990.0), year("<=", 1999.0))
    assert replay([refine(*nineties), refine(year("<", 1960.0))]).constraints == (year("<", 1960.0),)
    newer = year(">=", 1996.0, "prefer")
    assert replay([refine(*nineties), refine(newer)]).constraints == (*nineties, newer)
    assert replay([refine(newer), refine(year("<=", 1980.0, "prefer"))]).constraints == (
        year("<=", 1980.0, "prefer"),
    )


def test_ranges_of_other_facets_and_sets_are_left_alone() -> None:
    price = Constraint("price", "<", 20.0, "must")
    assert replay([refine(price, genre("War")), refine(year(">", 1990.0))]).constraints == (
        price,
        genre("War"),
        year(">", 1990.0),
    )


def test_the_latest_feeling_counts_and_only_naming_changes_nothing() -> None:
    state = replay(
        [
            feel("a", Polarity.LIKED),
            feel("b", Polarity.SEEN),
            feel("a", Polarity.DISLIKED),
            feel("a", Polarity.NEUTRAL),
        ]
    )
    assert [(m.item_id, m.polarity) for m in state.mentions] == [
        ("b", Polarity.SEEN),
        ("a", Polarity.DISLIKED),
    ]


def test_a_reset_forgets_everything() -> None:
    state = replay(
        [Intent(IntentKind.RECOMMEND, "boxing", 7, constraints=(genre("War"),)), feel("a", Polarity.LIKED)]
    )
    assert update(state, Intent(IntentKind.RECOMMEND, reset=True)) == SessionState(turns=1)


def test_k_stays_until_another_is_asked_for() -> None:
    state = replay([Intent(IntentKind.RECOMMEND, k=3), refine(genre("War"))])
    assert state.k == 3
    assert update(state, Intent(IntentKind.REFINE, k=7)).k == 7


def test_the_retrieval_query_joins_conversation_and_profile() -> None:
    state = replay(
        [
            Intent(IntentKind.RECOMMEND, query="boxing", constraints=(genre("Drama"),)),
            feel("a", Polarity.LIKED),
            feel("b", Polarity.DISLIKED),
            feel("c", Polarity.SEEN),
            feel("d", Polarity.NEUTRAL),
        ]
    )
    history = (HistoryEntry("h", 1.0, 0.0),)
    query = retrieval_query(state, Profile("u", history=history, excluded=frozenset({"h", "x"})))
    assert query.text == "boxing"
    assert query.history == history
    assert query.constraints == (genre("Drama"),)
    assert query.seeds == {"a": 1.0, "b": -1.0, "d": 0.5}
    assert query.exclude == {"a", "b", "c", "d", "h", "x"}


def test_a_question_about_an_item_neither_seeds_nor_bars_it() -> None:
    asked = Intent(IntentKind.WHY, mentions=(Mention("heat", "Heat", Polarity.NEUTRAL),))
    state = replay([Intent(IntentKind.RECOMMEND, query="boxing"), asked])
    assert (state.query, state.mentions, state.turns) == ("boxing", (), 2)
    felt = Intent(IntentKind.WHY, mentions=(Mention("heat", "Heat", Polarity.DISLIKED),))
    assert replay([felt]).mentions == felt.mentions


def test_what_is_dropped_is_gone_whatever_its_strength_became() -> None:
    said = [refine(genre("Comedy")), refine(genre("Western")), refine(year(">=", 1990.0), year("<", 2000.0))]
    dropped = Intent(IntentKind.REFINE, dropped=(genre("comedy"), year("<", 2000.0)))
    state = replay([*said, dropped])
    assert state.constraints == (genre("Western"), year(">=", 1990.0))
    assert replay([*said, dropped, refine(genre("Comedy"))]).constraints[-1] == genre("Comedy")
    assert replay([*said, Intent(IntentKind.REFINE, dropped=(genre("Drama"),))]).constraints == (
        replay(said).constraints
    )
