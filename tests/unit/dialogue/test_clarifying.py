"""What is said where the wishes leave nothing."""

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.state import replay, shown, update
from convrec.dialogue.understanding import Understanding
from convrec.types import Constraint, IntentKind, SessionState


@pytest.fixture(scope="module")
def understanding(movies: Catalogue) -> Understanding:
    return Understanding(movies)


def test_a_request_that_leaves_nothing_is_asked_about_once(understanding: Understanding) -> None:
    intent = understanding.understand("a horror film before 1940", SessionState())
    asked = intent.clarification
    assert asked is not None
    assert asked.asks
    assert asked.text == "There is no Horror film before 1940 here; the 1970s instead?"
    state = update(SessionState(), intent)
    assert state.asked == asked
    assert Constraint("year", "<", 1940.0, "must") in state.constraints


def test_a_yes_takes_what_was_offered(understanding: Understanding, movies: Catalogue) -> None:
    state = update(SessionState(), understanding.understand("a horror film before 1940", SessionState()))
    answer = understanding.understand("yes please", state)
    assert answer.kind is IntentKind.REFINE
    state = update(state, answer)
    assert state.asked is None
    assert any(movies.meets(item_id, state.constraints) for item_id in movies)


def test_never_two_questions_in_a_row(understanding: Understanding, movies: Catalogue) -> None:
    state = update(SessionState(), understanding.understand("a horror film before 1940", SessionState()))
    intent = understanding.understand("and only westerns", state)
    assert intent.clarification is not None
    assert not intent.clarification.asks
    assert "left out" in intent.clarification.text
    state = update(state, intent)
    assert any(movies.meets(i, [c for c in state.constraints if c.strength == "must"]) for i in movies)


def test_what_leaves_something_is_not_asked_about(understanding: Understanding) -> None:
    assert understanding.understand("a comedy or a western", SessionState()).clarification is None


def test_words_change_and_drop_wishes(understanding: Understanding) -> None:
    def said(*messages: str) -> SessionState:
        state = SessionState()
        for message in messages:
            state = shown(update(state, understanding.understand(message, state)), ("alien", "heat", "fargo"))
        return state

    nineties = (Constraint("year", ">=", 1990.0, "must"), Constraint("year", "<=", 1999.0, "must"))
    thriller = Constraint("genre", "include", "Thriller", "must")
    assert said("a thriller from the 90s").constraints == (thriller, *nineties)
    assert said("a thriller from the 90s", "forget the year").constraints == (thriller,)
    assert said("a thriller from the 90s", "any genre is fine").constraints == nineties
    assert said("a thriller from the 90s", "clear my filters").constraints == ()
    assert said("a thriller", "from the 90s", "undo").constraints == (thriller,)
    assert said("a thriller", "what are my filters?").constraints == (thriller,)
    newer = said("a thriller", "something newer").constraints
    assert newer == (thriller, Constraint("year", ">", (1979 + 1995 + 1996) / 3, "prefer"))
    assert said("a thriller", "more like the second but newer").constraints[-1].value == 1995
    assert said("a thriller", "show me others").passed == ("alien", "heat", "fargo")


def test_a_session_is_replayed_from_what_was_stored(understanding: Understanding) -> None:
    state, intents, slates = SessionState(), [], [("alien", "heat"), ("fargo", "go"), ()]
    for message, slate in zip(("a thriller", "not the second", "less violent"), slates, strict=True):
        intents.append(understanding.understand(message, state))
        state = shown(update(state, intents[-1]), slate)
    assert replay(intents, slates) == state
    assert state.slate == ("fargo", "go")
    assert [m.item_id for m in state.mentions] == ["heat"]
    assert state.away == ("violent",)
