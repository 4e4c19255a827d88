"""Sentences about a slate: true ones pass, false ones are repaired or refused, whatever they are about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.data.catalogue import Catalogue
from convrec.dialogue.checker import Checker, sentences
from convrec.types import Constraint, Evidence, EvidenceKind, Recommendation, SessionState, Slate

LIKED = Evidence(EvidenceKind.HISTORY, 0.6, value="liked", item_id="heat", title="Heat", effect=1.0)
SHOWN = ("alien", "terminator", "deeds", "wallace")


def slate(movies: Catalogue) -> Slate:
    told = ((LIKED,), (), (), (Evidence(EvidenceKind.POPULARITY, 0.1, value="58"),))
    return Slate(
        tuple(Recommendation(movies[i], n, 1.0, 0.5, 0.5, 1.0, told[n - 1]) for n, i in enumerate(SHOWN, start=1))
    )


@pytest.fixture(scope="module")
def checker(movies: Catalogue) -> Checker:
    return Checker(movies)


STATE = SessionState(query="robots", constraints=(Constraint("year", ">=", 1930.0, "must"),))


@pytest.mark.parametrize(
    "sentence",
    [
        "Alien is a gripping choice.",
        "Alien (1979) is a horror and science fiction pick.",
        "The Terminator is an action thriller.",
        "The Terminator, from 1984, would suit you.",
        "You asked for robots, so try The Terminator.",
        "Alien is close to films you liked.",
        "Mr. Deeds Goes to Town is a charming comedy.",
        "Wallace & Gromit: A Close Shave is popular: 58 people know this one.",
        "Here are four films for you.",
        "All are from after 1930.",
        "I think you will enjoy these!",
    ],
)
def test_what_is_true_or_no_fact_passes(checker: Checker, movies: Catalogue, sentence: str) -> None:
    checked = checker.check(sentence, slate(movies), STATE)
    assert (checked.text, checked.problem) == (sentence, "")


@pytest.mark.parametrize(
    "sentence",
    [
        "If you like Alien, try Pulp Fiction.",  # an item that is not on the slate
        "Alien is a comedy.",
        "Alien is scary and funny.",
        "The Terminator is from 1991.",
        "Alien came out in the 80s.",
        "Alien was directed by Ridley Scott.",
        "Sigourney Weaver shines in Alien.",
        "Alien stars Sigourney Weaver.",
        "Alien won an Oscar.",
        "Alien follows a crew that meets a monster.",
        "The Terminator is close to films you liked.",  # nothing says so
        "The Terminator is popular.",
        "The Terminator is in your history.",
        "Here are three films for you.",
        "Alien is not a horror film.",
        "Try “The Lost Picture” tonight.",
        "Alien and The Terminator are horror films.",  # one is not
        "All of these are comedies.",
        "58 people have Alien in their history.",
        "It is the best film of its time, says Roger Ebert.",
        "Alien (1979) runs 117 minutes.",
    ],
)
def test_what_is_false_or_cannot_be_told_is_refused(checker: Checker, movies: Catalogue, sentence: str) -> None:
    checked = checker.check(sentence, slate(movies), STATE)
    assert checked.text == ""
    assert checked.problem


def test_a_wrong_year_after_a_title_is_repaired(checker: Checker, movies: Catalogue) -> None:
    checked = checker.check("Try Alien (1986) tonight.", slate(movies), STATE)
    assert checked.text == "Try Alien (1979) tonight."
    assert "1986" in checked.problem


def test_that_one_is_what_the_sentence_before_named(checker: Checker, movies: Catalogue) -> None:
    first = checker.check("Alien would suit you.", slate(movies), STATE)
    assert first.about == {"alien"}
    assert checker.check("That one is a horror film.", slate(movies), STATE, first.about).text
    assert not checker.check("That one is a comedy.", slate(movies), STATE, first.about).text


@given(st.data())
def test_no_wrong_value_passes_in_any_of_these_forms(movies: Catalogue, data: st.DataObject) -> None:
    checker = Checker(movies)
    item = movies[data.draw(st.sampled_from(SHOWN))]
    value = data.draw(st.sampled_from(movies.facet_values("genre")))
    year = data.draw(st.integers(1930, 2010))
    form = data.draw(st.sampled_from(["{t} is a {g} film.", "For {g}, try {t}.", "Its {g} makes {t} stand out."]))
    right = value in item.values("genre")
    assert bool(checker.check(form.format(t=item.title, g=value), slate(movies), STATE).text) == right
    dated = checker.check(f"{item.title} is from {year}.", slate(movies), STATE)
    assert bool(dated.text) == (year in item.values("year") or year in (1930, 4))


def test_a_text_is_cut_into_sentences_but_not_inside_titles() -> None:
    titles = ["Mr. Deeds Goes to Town", "What Ever Happened to Baby Jane?"]
    text = "Try Mr. Deeds Goes to Town. What Ever Happened to Baby Jane? is darker! And the"
    assert list(sentences(text, titles)) == [
        ("Try Mr. Deeds Goes to Town.", True),
        ("What Ever Happened to Baby Jane? is darker!", True),
        ("And the", False),
    ]
    assert [s for s, _ in sentences("试试 Alien。不错！", ["Alien"])] == ["试试 Alien。", "不错！"]
