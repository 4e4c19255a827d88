"""Which titles a message names, and which words are only words."""

import timeit

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.language import tokenise
from convrec.dialogue.linking import TitleLinker, plain_words
from convrec.types import Domain, Item


def linked(catalogue: Catalogue, message: str) -> list[str]:
    linker = TitleLinker(catalogue, plain_words(catalogue))
    return [link.item_id for link in linker.link(message, tokenise(message))]


@pytest.mark.parametrize(
    ("message", "items"),
    [
        ("Something like Alien but funnier", ["alien"]),
        ("I loved The Shawshank Redemption", ["shawshank"]),
        ("Shawshank Redemption, The", ["shawshank"]),
        ("shawshank redemption", ["shawshank"]),
        ("I loved The Shawshenk Redemption and hated Speed", ["shawshank", "speed"]),
        ("Something like Termnator 2", ["terminator2"]),
        ("the terminator", ["terminator"]),
        ("more like pulp fiction please", ["pulp"]),
        ("the godfather part 2", ["godfather2"]),
        ("The Godfather Part II", ["godfather2"]),
        ("wallace and gromit", ["wallace"]),
        ("Toy Story 2 was better than Toy Story", ["toy2", "toy"]),
        ("like Sabrina 1954", ["sabrina54"]),
        ("Sabrina (1995)", ["sabrina95"]),
        ('"Pulp Fictoin" please', ["pulp"]),
        ("I LOVED SPEED AND HEAT", ["speed", "heat"]),
    ],
)
def test_titles_are_found_however_they_are_written(movies: Catalogue, message: str, items: list[str]) -> None:
    assert linked(movies, message) == items


@pytest.mark.parametrize(
    ("message", "items"),
    [
        ("I liked Big", ["big"]),
        ("something like heat", ["heat"]),
        ("loved heat, speed and fargo", ["heat", "speed", "fargo"]),
        ("similar to ghost", ["ghost"]),
        ('"it" was good', ["it"]),
        ("I have seen Go", ["go"]),
        ("Heat (1995)", ["heat"]),
        ("Heat", ["heat"]),
        ("Something to Talk About", ["talk"]),
        ("Fear was great", ["fear"]),
        ('"the western"', ["western"]),
    ],
)
def test_ordinary_words_are_titles_when_something_speaks_for_it(
    movies: Catalogue, message: str, items: list[str]
) -> None:
    assert linked(movies, message) == items


@pytest.mark.parametrize(
    "message",
    [
        "a big heat wave at full speed",
        "something to talk about with friends",
        "Something to talk about with friends",
        "I loved it",
        "I have seen it already, let's go",
        "I like big explosions",
        "films about a love affair",
        "a ghost story without fear",
        "Go for a drama",
        "the western",
        "I love westerns",
        "Big laughs, please",
        "movies set in Casablanca",
        "Speed dating, please",
        "",
    ],
)
def test_ordinary_words_alone_name_nothing(movies: Catalogue, message: str) -> None:
    assert linked(movies, message) == []


def test_titles_in_chinese_are_found_without_spaces() -> None:
    domain = Domain("films", "film", "films", "watch", "watched", (), (), (1.0, 5.0))
    catalogue = Catalogue([Item("a", "霸王别姬"), Item("b", "活着")], domain)
    assert linked(catalogue, "我喜欢霸王别姬这样的电影") == ["a"]


def test_ten_thousand_titles_cost_a_few_milliseconds() -> None:
    domain = Domain("films", "film", "films", "watch", "watched", (), (), (1.0, 5.0))
    catalogue = Catalogue([Item(str(n), f"Voyage {n:x} of Captain Nemo{n % 977}") for n in range(10_000)], domain)
    linker = TitleLinker(catalogue, plain_words(catalogue))
    message = "I would love something like Voyage 1f of Captian Nemo31 or thereabouts, preferably underwatter"
    tokens = tokenise(message)
    fastest = min(timeit.repeat(lambda: linker.link(message, tokens), number=1, repeat=5))
    assert [link.item_id for link in linker.link(message, tokens)] == [str(0x1F)]
    assert fastest < 0.05
