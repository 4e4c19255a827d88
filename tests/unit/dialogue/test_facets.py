"""Set facets in messages: values, refusals, strengths."""

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.facets import FacetReader
from convrec.dialogue.language import tokenise

ASKED = {
    "a comedy": "+Comedy",
    "90s thrillers": "+Thriller",
    "romantic comedies": "+Romance +Comedy",
    "science fiction": "+Sci-Fi",
    "scifi": "+Sci-Fi",
    "Sci Fi": "+Sci-Fi",
    "for kids": "+Children's",
    "no horror, please": "-Horror",
    "not scary": "-Horror",
    "without war or crime": "-War -Crime",
    "no horror, war or crime": "-Horror -War -Crime",
    "no horror, comedy please": "-Horror +Comedy",
    "not horror, something funny": "-Horror +Comedy",
    "I don't want to watch any horror": "-Horror",
    "I just don't want horror": "-Horror",
    "anything but westerns": "-Western",
    "I hate westerns but love war": "-Western +War",
    "nothing but comedy": "+Comedy",
    "why not a comedy": "+Comedy",
    "not gonna lie, horror": "+Horror",
    "westerns aren't my cup of tea": "-Western",
    "war films isn't for me": "-War",
    "I've never seen a western": "+Western",
    "not just comedy": "+Comedy",
    "something funnier": "?Comedy",
    "more romantic": "?Romance",
    "maybe a western": "?Western",
    "comedy or drama": "+Comedy +Drama",
    "a western or a war film": "+Western +War",
    "comedies and dramas": "+Comedy +Drama",
    "less scary": "~Horror",
    "nothing too scary": "~Horror",
    "horror but not too scary": "+Horror",
    "everything apart from westerns": "-Western",
    "stay clear of war": "-War",
    "she refuses to watch thrillers": "-Thriller",
    "keep war out of it": "-War",
    "western films are off limits": "-Western",
    "tone down the drama": "~Drama",
    "I had my fill of crime": "~Crime",
    "leaning towards a western": "?Western",
    "a western, comedy optional": "+Western ?Comedy",
    "no horror if possible": "~Horror",
    "if possible no war": "~War",
    "go easy on the romance": "~Romance",
    "not particularly romantic": "~Romance",
    "I'm not really in the mood for horror": "~Horror",
    "a thriller, comedy is a plus": "+Thriller ?Comedy",
    "much funnier": "?Comedy",
    "a thriller": "+Thriller",
    "gangsters": "+Crime",
    "films": "",
    "warm and cosy": "",
}
SIGNS = {("include", "must"): "+", ("exclude", "must"): "-", ("include", "prefer"): "?", ("exclude", "avoid"): "~"}


@pytest.mark.parametrize("message", ASKED)
def test_values_and_their_strength(movies: Catalogue, message: str) -> None:
    constraints = [r.constraint for r in FacetReader(movies).read(tokenise(message), ())[0]]
    read = " ".join(f"{SIGNS[c.op, c.strength]}{c.value}" for c in constraints)  # type: ignore[index]
    assert read == ASKED[message]
    assert {c.facet for c in constraints} <= {"genre"}


def test_tokens_that_mean_something_else_are_left_alone(movies: Catalogue) -> None:
    assert FacetReader(movies).read(tokenise("love story comedy"), {0, 1})[0] != ()
    assert FacetReader(movies).read(tokenise("love story"), {0, 1})[0] == ()


def test_another_domain_needs_no_code(wines: Catalogue) -> None:
    readings = FacetReader(wines).read(tokenise("a velvety red or white burgundy, no pinot noirs"), ())[0]
    assert [(r.constraint.facet, r.constraint.op, r.constraint.value) for r in readings] == [
        ("grape", "include", "Merlot"),
        ("grape", "include", "Chardonnay"),
        ("grape", "exclude", "Pinot Noir"),
    ]
