"""Critiques on MovieLens-100K: the next slate moves where the words ask, and hard wishes hold throughout."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from convrec.data.catalogue import Catalogue, read_items
from convrec.dialogue.understanding import Understanding
from convrec.prompting import load_domain
from convrec.retrieval.embedding import SentenceEmbedder
from convrec.retrieval.hybrid import fitted_retriever
from convrec.service.listening import Listener
from convrec.settings import Settings
from convrec.testing.requests import hard_requests
from convrec.testing.talk import Talk
from convrec.types import Item, SessionState

pytestmark = pytest.mark.model

STARTS = ("a thriller from the 80s or 90s", "something like Alien", "films about friendship", "a good drama")


@dataclass(frozen=True)
class Films:
    """Turns about a catalogue of films, whose texts can be compared."""

    catalogue: Catalogue
    talk: Talk
    embedder: SentenceEmbedder

    def say(self, *messages: str, k: int = 10) -> tuple[list[Item], SessionState]:
        state, found = SessionState(), tuple[str, ...]()
        for message in messages:
            said = self.talk.turn(message, state, k)
            state, found = said.state, said.found
        return [self.catalogue[item_id] for item_id in found], state

    def near(self, items: list[Item], text: str) -> float:
        told = self.embedder.embed([self.catalogue.describe(item) for item in items])
        return float(np.mean(told @ self.embedder.embed([text])[0]))


@pytest.fixture(scope="module")
def talk(demo_data_dir: Path) -> Iterator[Films]:
    domain = load_domain(Settings().prompts_dir, "movies")
    items = read_items(demo_data_dir / "movielens-100k" / "catalogue.csv")
    catalogue = Catalogue((item for item in items if isinstance(item, Item)), domain)
    embedder = SentenceEmbedder(demo_data_dir / "models" / "all-MiniLM-L6-v2")
    with fitted_retriever(catalogue, (), embedder) as retriever:
        yield Films(catalogue, Talk(Listener(Understanding(catalogue)), retriever), embedder)


def year(items: list[Item]) -> float:
    return mean(item.numbers("year")[0] for item in items if item.numbers("year"))


def share(value: str) -> Callable[[list[Item]], float]:
    return lambda items: mean(value in item.values("genre") for item in items)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("critique", "figure", "up"),
    [
        ("something newer", year, True),
        ("older ones please", year, False),
        ("funnier", share("Comedy"), True),
        ("more action", share("Action"), True),
        ("less dramatic", share("Drama"), False),
    ],
)
def test_a_critique_moves_the_slate_its_way(
    talk: Films, start: str, critique: str, figure: Callable[[list[Item]], float], up: bool
) -> None:
    before, _ = talk.say(start)
    after, _ = talk.say(start, critique)
    moved = figure(after) - figure(before)
    if figure(before) == (1.0 if up else 0.0):
        assert moved == 0, "a slate that is all of it stays so"
    else:
        assert moved > 0 if up else moved < 0, (figure(before), figure(after))


def test_more_like_one_moves_to_it_and_newer_past_it(talk: Films) -> None:
    before, _ = talk.say("a good comedy")
    third = talk.catalogue.describe(before[2])
    after, state = talk.say("a good comedy", "more like the third")
    assert talk.near(after, third) > talk.near(before, third)
    assert before[2] not in after
    newer, _ = talk.say("a good comedy", "more like the third but newer")
    assert year(newer) > before[2].numbers("year")[0] - 1
    assert [m.item_id for m in state.mentions] == [before[2].item_id]


@pytest.mark.parametrize(("critique", "text"), [("darker", "darker"), ("more musical numbers", "musical numbers")])
def test_a_critique_in_words_moves_along_the_text(talk: Films, critique: str, text: str) -> None:
    before, _ = talk.say("a thriller")
    after, _ = talk.say("a thriller", critique)
    assert talk.near(after, text) > talk.near(before, text)


def test_less_of_something_moves_away_from_it(talk: Films) -> None:
    before, _ = talk.say("war stories with soldiers")
    after, state = talk.say("war stories with soldiers", "less murder")
    assert state.away == ("murder",)
    assert talk.near(after, "murder") < talk.near(before, "murder") + 1e-6


def test_others_are_none_of_those_shown(talk: Films) -> None:
    before, _ = talk.say("a western")
    after, _ = talk.say("a western", "show me others")
    assert not {i.item_id for i in before} & {i.item_id for i in after}
    assert share("Western")(after) == 1


def test_hard_wishes_hold_in_every_slate(talk: Films) -> None:
    slates = 0
    for request in hard_requests(talk.catalogue, 120, seed=1):
        found, state = talk.say(*request.turns, k=5)
        relaxed = state.asked is None and len(request.turns) > 1
        slates += bool(found)
        assert relaxed or all(request.holds(item) for item in found), request.turns
    assert slates > 80
