"""Which titles a text names."""

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.titles import TitleScanner, mentions_outside
from convrec.types import Domain, Item

DOMAIN = Domain("films", "film", "films", "watch", "watched", (), (), (1.0, 5.0))


@pytest.mark.parametrize(
    ("text", "slate", "named"),
    [
        ("Alien and ALIENS", [], ["Alien", "Aliens"]),
        ("Alien and ALIENS", ["alien"], ["Aliens"]),
        ("What a big surprise, go for it", [], ["Big", "Go", "It"]),
        ("bigger, going, sit, heat-wave", [], ["Heat"]),
        ("Toy Story 2", ["toy2"], []),
        ("Toy Story 2 beats Toy Story", ["toy2"], ["Toy Story"]),
        ("Toy Story", ["toy2"], ["Toy Story"]),
        ("what ever happened  to\nbaby jane", [], ["What Ever Happened to Baby Jane?"]),
        ("Sabrina", ["sabrina54"], []),
        ("", [], []),
    ],
)
def test_mentions_outside(movies: Catalogue, text: str, slate: list[str], named: list[str]) -> None:
    assert mentions_outside(text, slate, movies) == named


def test_titles_of_punctuation_cannot_be_named_and_unicode_folds() -> None:
    catalogue = Catalogue(
        [Item("a", "..."), Item("b", "STRAẞE"), Item("c", "Airplane!"), Item("d", "Kıng")], DOMAIN
    )
    assert mentions_outside("Well... the strasse.", [], catalogue) == ["STRAẞE"]
    assert mentions_outside("an airplane", [], catalogue) == ["Airplane!"]
    assert mentions_outside("KING", [], catalogue) == ["Kıng"]


def test_an_overlap_with_a_slate_title_is_still_a_mention() -> None:
    catalogue = Catalogue([Item("a", "Toy Story"), Item("b", "Story of Us")], DOMAIN)
    assert mentions_outside("Toy Story of us", ["a"], catalogue) == ["Story of Us"]


def test_a_sentence_that_a_title_could_run_on_from(movies: Catalogue) -> None:
    scanner = TitleScanner(movies)
    assert scanner.may_run_on("Give a try to Mr.")
    assert not scanner.may_run_on("Give a try to Hmr.")
    assert not scanner.may_run_on("Give it a try.")
