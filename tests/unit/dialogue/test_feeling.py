"""How messages feel about the items they name."""

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.feeling import FeelingReader
from convrec.dialogue.language import tokenise
from convrec.dialogue.linking import TitleLinker, plain_words

LINKED = {
    "I loved Alien, Heat and Speed": "alien liked, heat liked, speed liked",
    "something like Alien but funnier": "alien liked wish",
    "in the style of Pulp Fiction": "pulp liked wish",
    "more like Fargo, less like Ghost": "fargo liked wish, ghost disliked wish",
    "like Alien but not like Aliens": "alien liked wish, aliens disliked wish",
    "nothing like Fargo": "fargo disliked wish",
    "I didn't like Fargo": "fargo disliked",
    "I did not enjoy Fargo": "fargo disliked",
    "I can't stand Speed but I love Fargo": "speed disliked, fargo liked",
    "anything but Fargo": "fargo disliked wish",
    "not Alien": "alien disliked wish",
    "I've already seen Fargo": "fargo seen",
    "I watched Fargo and Heat": "fargo seen, heat seen",
    "I haven't seen Fargo": "fargo neutral",
    "Alien was great": "alien liked",
    "Alien was not good": "alien disliked",
    "I watched Fargo yesterday and it was boring": "fargo disliked",
    "I've seen Alien and loved it. I hated Aliens": "alien liked, aliens disliked",
    "I'd like to see Fargo": "fargo neutral wish",
    "I love Heat. Show me Fargo": "heat liked, fargo neutral wish",
    "I liked Fargo but not Speed": "fargo liked, speed disliked wish",
    "I don't hate Fargo": "fargo neutral",
    "Heat sucked": "heat disliked",
    "Have you seen Fargo?": "fargo neutral wish",
    "Fargo: 10/10. Heat: 3/10": "fargo liked, heat disliked",
    "Alien: 4 out of 5": "alien liked",
    "I gave Speed two stars": "speed disliked",
    "I'd give Heat 5/5, Speed 1/5": "heat liked, speed disliked",
    "Fargo on 24/7": "fargo neutral wish",
}


@pytest.mark.parametrize("message", LINKED)
def test_feelings_follow_the_cues_of_their_clause(movies: Catalogue, message: str) -> None:
    tokens = tokenise(message)
    links = TitleLinker(movies, plain_words(movies)).link(message, tokens)
    feelings, _ = FeelingReader(movies.domain).read(tokens, links)
    read = [
        f"{link.item_id} {feeling.polarity.value}{' wish' if feeling.wish else ''}"
        for link, feeling in zip(links, feelings, strict=True)
    ]
    assert ", ".join(read) == LINKED[message]


def test_the_domain_says_what_one_does_with_an_item(wines: Catalogue) -> None:
    message = "I have drunk Domaine 7"
    tokens = tokenise(message)
    links = TitleLinker(wines, plain_words(wines)).link(message, tokens)
    feelings, _ = FeelingReader(wines.domain).read(tokens, links)
    assert [feeling.polarity.value for feeling in feelings] == ["seen"]
