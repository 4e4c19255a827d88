"""Facets and constraints in words."""

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.wording import bounded, label, listed, refused, wanted
from convrec.types import Constraint


def test_years_go_without_their_name_and_other_numbers_with_it(movies: Catalogue, wines: Catalogue) -> None:
    assert label(movies, "year", "1994") == "1994"
    assert label(movies, "genre", "Comedy") == "Comedy"
    assert label(wines, "price", "18") == "price 18"
    assert label(wines, "vintage", "1995") == "1995"
    assert label(wines, "colour", "red") == "colour red"


def test_only_requirements_are_claimed() -> None:
    constraints = [
        Constraint("genre", "include", "Comedy", "must"),
        Constraint("genre", "include", "War", "prefer"),
        Constraint("genre", "include", "Drama", "avoid"),
        Constraint("genre", "exclude", "Horror", "must"),
    ]
    assert wanted(constraints) == ("Comedy",)
    assert refused(constraints) == ("Horror",)


@pytest.mark.parametrize(
    ("facet", "bounds", "words"),
    [
        ("vintage", [(">=", 1990.0), ("<=", 1999.0)], "from 1990 to 1999"),
        ("vintage", [(">=", 1994.0), ("<=", 1994.0)], "from 1994"),
        ("vintage", [("<", 2000.0)], "before 2000"),
        ("vintage", [(">=", 2000.0)], "since 2000"),
        ("price", [("<", 20.0)], "with price under 20"),
        ("price", [(">=", 12.5), ("<=", 20.0)], "with price from 12.5 to 20"),
        ("price", [(">", 5.0), ("<", 9.0)], "with price over 5, with price under 9"),
    ],
)
def test_ranges(wines: Catalogue, facet: str, bounds: list[tuple[str, float]], words: str) -> None:
    constraints = [Constraint(facet, op, value, "must") for op, value in bounds]  # type: ignore[arg-type]
    assert ", ".join(bounded(wines, constraints)) == words
    assert bounded(wines, [Constraint(facet, "<", 3.0, "prefer")]) == ()


def test_lists() -> None:
    assert [listed(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
