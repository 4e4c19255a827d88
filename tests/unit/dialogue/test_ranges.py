"""Range facets in messages: numbers, decades, intervals, words."""

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.language import tokenise
from convrec.dialogue.linking import TitleLinker, plain_words
from convrec.dialogue.ranges import RangeReader


def read(catalogue: Catalogue, message: str) -> str:
    tokens = tokenise(message)
    links = TitleLinker(catalogue, plain_words(catalogue)).link(message, tokens)
    taken = {i for link in links for i in range(link.first, link.last)}
    constraints = [r.constraint for r in RangeReader(catalogue).read(tokens, taken, links)[0]]
    return " ".join(f"{c.facet}{c.op}{c.value:g}{'?' * (c.strength == 'prefer')}" for c in constraints)


YEARS = {
    "90s thrillers": "year>=1990 year<=1999",
    "1990s": "year>=1990 year<=1999",
    "the nineties": "year>=1990 year<=1999",
    "the '80s": "year>=1980 year<=1989",
    "early 90s": "year>=1990 year<=1994",
    "late 80s": "year>=1985 year<=1989",
    "80s or 90s": "year>=1980 year<=1999",
    "from 1995": "year>=1995 year<=1995",
    "in 1994": "year>=1994 year<=1994",
    "a 1994 thriller": "year>=1994 year<=1994",
    "after 2000": "year>2000",
    "after the 80s": "year>1989",
    "before 1960": "year<1960",
    "before the 70s": "year<1970",
    "since 1990": "year>=1990",
    "1990 or newer": "year>=1990",
    "from 1990 on": "year>=1990",
    "between 1980 and 1990": "year>=1980 year<=1990",
    "1980-1990": "year>=1980 year<=1990",
    "from 1980 to 1985": "year>=1980 year<=1985",
    "after 1980 and before 1990": "year>1980 year<1990",
    "1940s at the latest": "year<=1949",
    "1990 at the earliest": "year>=1990",
    "older than 1980": "year<1980",
    "newer than Alien": "year>1979",
    "nothing before 1960": "year>=1960",
    "nothing older than 1980": "year>=1980",
    "maybe from the 90s": "year>=1990? year<=1999?",
    "something newer": "year>=1995?",
    "older": "year<=1990?",
    "not too old": "year>1990?",
    "not old": "year>1990?",
    "not from the 90s": "",
    "about an old man": "",
    "5 films": "",
    "2 kids and 3 dogs": "",
    "99999999999": "",
    "我想看90年代的片子": "year>=1990 year<=1999",
    "九十年代": "year>=1990 year<=1999",
    "1994年的": "year>=1994 year<=1994",
    "1980 later": "year>=1980 year<=1980",
    "1980年之前": "year<1980",
    "80年代和90年代": "year>=1980 year<=1999",
    "de los años 80": "year>=1980 year<=1989",
    "después de 1990": "year>1990",
    "1990 1990 1970": "year>=1970 year<=1970",
}
WINES = {
    "under 20": "price<20",
    "at most 12.5": "price<=12.5",
    "cheaper than 15": "price<15",
    "between 10 and 20": "price>=10 price<=20",
    "20 or cheaper": "price<=20",
    "not more than 25 euros": "price<=25",
    "price 30": "price>=30 price<=30",
    "vintage 1995": "vintage>=1995 vintage<=1995",
    "from 2010": "vintage>=2010 vintage<=2010",
    "over 2005": "vintage>2005",
    "nothing expensive": "price<25?",
    "cheap and from the nineties": "vintage>=1990 vintage<=1999 price<=15?",
    "20": "",
}


@pytest.mark.parametrize("message", YEARS)
def test_years(movies: Catalogue, message: str) -> None:
    assert read(movies, message) == YEARS[message]


@pytest.mark.parametrize("message", WINES)
def test_a_number_goes_to_the_facet_it_fits(wines: Catalogue, message: str) -> None:
    assert read(wines, message) == WINES[message]
