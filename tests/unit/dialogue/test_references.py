"""References to the last slate."""

import pytest

from convrec.dialogue.language import tokenise
from convrec.dialogue.references import references

NOUNS = frozenset(("film", "movie"))


@pytest.mark.parametrize(
    ("message", "ranks"),
    [
        ("more like the third", [3]),
        ("the second one was great", [2]),
        ("number 4", [4]),
        ("#2 please", [2]),
        ("not the first film", [1]),
        ("compare 1 and 3", [1, 3]),
        ("2 or 4?", [2, 4]),
        ("the first two", [1, 2]),
        ("the last two", [4, 5]),
        ("the last one", [5]),
        ("the first and the fourth", [1, 4]),
        ("not that one", [1]),
        ("more like 3", [3]),
        ("5 films", []),
        ("the second world war", []),
        ("like 3 movies", []),
        ("the first time", []),
        ("my first date", []),
        ("the last decade", []),
        ("from 1990", []),
    ],
)
def test_ranks(message: str, ranks: list[int]) -> None:
    assert [r.rank for r in references(tokenise(message), (), NOUNS, 5)] == ranks


def test_a_pointer_needs_a_slate_and_a_taken_token_is_no_rank() -> None:
    assert references(tokenise("not that one"), (), NOUNS, 0) == ()
    assert references(tokenise("more like 3"), {2}, NOUNS, 5) == ()
