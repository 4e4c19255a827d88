"""Where an item stands, in words that name no title."""

from dataclasses import replace

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.placement import Bar, BarKind, Placement, bars, placed
from convrec.dialogue.state import retrieval_query
from convrec.types import Constraint, Mention, Polarity, Profile, SessionState

NO_WAR = Constraint("genre", "exclude", "War", "must")
COMEDY = Constraint("genre", "include", "Comedy", "must")


def placement(movies: Catalogue, **changes: object) -> Placement:
    plain = Placement(movies["alien"], (), (), 1.5, 5, 14, 300, 2.25)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_everything_that_bars_an_item_is_found(movies: Catalogue) -> None:
    state = SessionState(
        mentions=(Mention("alien", "Alien", Polarity.DISLIKED),),
        constraints=(
            COMEDY,
            Constraint("genre", "exclude", "Horror", "must"),
            Constraint("genre", "include", "Western", "prefer"),
            Constraint("year", "<", 1990.0, "must"),
        ),
    )
    profile = Profile("u", liked=("alien",), excluded=frozenset({"alien"}))
    found = bars("alien", state, profile, retrieval_query(state, profile), movies)
    assert [(b.kind, b.detail) for b in found] == [
        (BarKind.NAMED, "disliked"),
        (BarKind.KNOWN, "liked"),
        (BarKind.CONSTRAINT, "genre"),
        (BarKind.CONSTRAINT, "genre"),
    ]
    assert bars("big", SessionState(), Profile("u"), retrieval_query(SessionState(), Profile("u")), movies) == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "The film you ask about is number 14 for you, with a score of 1.50; the last one shown has 2.25."),
        ({"rank": 3}, "The film you ask about is number 3 of the films shown."),
        (
            {"rank": None},
            "The film you ask about is not among the first 300, with a score of 1.50; the last one shown has "
            "2.25.",
        ),
        ({"rank": 1, "shown": 0, "shown_score": None}, "The film you ask about is number 1 for you."),
        (
            {"rank": None, "bars": (Bar(BarKind.KNOWN, "liked"), Bar(BarKind.CONSTRAINT, "genre", COMEDY))},
            "The film you ask about is left out because you like this one already, and I recommend what is new to "
            "you; you asked for Comedy.",
        ),
        (
            {"rank": None, "bars": (Bar(BarKind.CONSTRAINT, "year", Constraint("year", "<", 1960.0, "must")),)},
            "The film you ask about is left out because you asked for films before 1960.",
        ),
        (
            {"rank": None, "bars": (Bar(BarKind.CONSTRAINT, "genre", NO_WAR),)},
            "The film you ask about is left out because you asked for no War.",
        ),
    ],
)  # fmt: skip
def test_it_is_said_in_one_sentence(movies: Catalogue, changes: dict[str, object], told: str) -> None:
    assert placed(placement(movies, **changes), movies) == told


@pytest.mark.parametrize("detail", ["liked", "disliked", "known", "seen", "neutral"])
def test_every_way_of_being_barred_has_words(movies: Catalogue, detail: str) -> None:
    told = placed(placement(movies, rank=None, bars=(Bar(BarKind.NAMED, detail),)), movies)
    assert told.startswith("The film you ask about is left out because ")
    assert "Alien" not in told
