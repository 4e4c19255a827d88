"""The judge of wishes: what it sees of a message, what it makes of it, and what it does to an intent."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.data.catalogue import Catalogue
from convrec.dialogue.language import tokenise
from convrec.dialogue.understanding import Understanding
from convrec.dialogue.wishes import WISH, WishJudge, learned_wishes, surroundings
from convrec.testing.requests import hard_requests
from convrec.training.wishes import WishLesson, fit_wishes
from convrec.types import Constraint, SessionState


@pytest.fixture(scope="module")
def judged(movies: Catalogue) -> Understanding:
    return Understanding(movies, wishes=learned_wishes())


def told(understanding: Understanding, message: str) -> set[str]:
    """Constraints in short: "Comedy" a must, "Comedy?" preferred, "-Comedy" refused, "-Comedy?" avoided."""

    def short(c: Constraint) -> str:
        bound = "" if c.op in ("include", "exclude") else f"{c.op}"
        return f"{'-' * (c.op == 'exclude')}{bound}{c.value}{'?' * (c.strength != 'must')}"

    return set(map(short, understanding.understand(message, SessionState()).constraints))


def test_features_are_words_near_the_wish_and_signs_for_what_else_is_named() -> None:
    tokens = tokenise("like Alien, I guess a comedy. or a western")
    features = surroundings(tokens, (5, 6), [(5, 6), (8, 9)], [(1, 2)], "must")
    assert features["rule must"] == 1.0
    assert features["< a"] == features["<< a"] == features["<< guess a"] == 1.0
    assert 0 < features["guess"] < features["a"]
    assert features["> ."] == 1.0
    assert "western" not in features
    assert "alien" not in features
    assert {"< #", "> *"} <= features.keys()


@given(st.text(max_size=80), st.sampled_from(WISH))
def test_logs_are_of_probabilities(text: str, by_rule: str) -> None:
    tokens = tokenise(f"{text} comedy {text}")
    place = (len(tokens) // 2, len(tokens) // 2 + 1)
    logs = learned_wishes().logs(surroundings(tokens, place, [place], [], by_rule), by_rule)
    assert sum(map(exp, logs)) == pytest.approx(1.0)


@pytest.mark.parametrize("by_rule", WISH)
def test_words_that_it_never_met_leave_what_rules_say(by_rule: str) -> None:
    tokens = tokenise("qwxz brrf 喜剧 zzkl pfft")
    logs = learned_wishes().logs(surroundings(tokens, (2, 4), [(2, 4)], [], by_rule), by_rule)
    assert WISH[logs.index(max(logs))] == by_rule


def test_no_plain_hard_wish_is_softened_or_turned_round(movies: Catalogue, judged: Understanding) -> None:
    rules = Understanding(movies)
    for request in hard_requests(movies, 300, 7):
        for message in request.turns:
            own = rules.understand(message, SessionState()).constraints
            assert set(own) <= set(judged.understand(message, SessionState()).constraints), message


def test_a_fitted_judge_knows_its_lessons() -> None:
    said = {"must": "only", "prefer": "maybe", "exclude": "never", "avoid": "hardly", "none": "whatever"}
    lessons = [
        WishLesson(f"{option}:{n}", {"rule must": 1.0, word: 1.0, f"< {n}": 1.0}, "must", option)
        for option, word in said.items()
        for n in range(8)
    ]
    judge = WishJudge(fit_wishes(lessons))
    for option, word in said.items():
        logs = judge.logs({"rule must": 1.0, word: 3.0}, "must")
        assert WISH[logs.index(max(logs))] == option


@pytest.mark.parametrize(
    ("message", "wishes"),
    [
        ("a comedy", {"Comedy"}),
        ("no horror please", {"-Horror"}),
        ("a comedy from the 90s", {"Comedy", ">=1990.0", "<=1999.0"}),
        ("I was kind of hoping for a western", {"Western?"}),
        ("a western wouldn't go amiss", {"Western?"}),
        ("in a perfect world it would be a comedy", {"Comedy?"}),
        ("could do without horror", {"-Horror?"}),
        ("westerns aren't really our thing", {"-Western?"}),
        ("it has to be a comedy, no two ways about it", {"Comedy"}),
        ("a thriller, ideally something from the 90s", {"Thriller", ">=1990.0?", "<=1999.0?"}),
        ("did I say western? I meant a comedy", {"Comedy"}),
    ],
)
def test_wishes_are_as_strong_as_the_words_around_them(
    judged: Understanding, message: str, wishes: set[str]
) -> None:
    assert told(judged, message) == wishes
