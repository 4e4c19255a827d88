from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue
from convrec.retrieval.hybrid import HybridRetriever
from convrec.retrieval.index import Index, build_index, open_index
from convrec.testing.retriever import HashEmbedder
from convrec.types import Domain, Facet, FacetType, FeedbackEvent, FeedbackType, Item

NOUNS = "kettle teapot cup saucer spoon drill saw hammer chisel plane".split()


@dataclass(frozen=True)
class World:
    """Ten kitchen and ten workshop items (nobody uses the blue ones), and people who use one kind each."""

    catalogue: Catalogue
    events: list[FeedbackEvent]
    embedder: HashEmbedder


@pytest.fixture(scope="session")
def world() -> World:
    items = [
        Item(
            f"{noun}-{colour}",
            f"{colour} {noun}",
            {
                "room": ("kitchen" if n < 5 else "workshop", colour),
                "price": float(n + (100 if colour == "blue" else 0)),
            },
        )
        for colour in ("red", "blue")
        for n, noun in enumerate(NOUNS)
    ]
    facets = (Facet("room", FacetType.SET), Facet("price", FacetType.RANGE))
    domain = Domain("things", "thing", "things", "use", "used", ("room", "price"), facets, (1.0, 5.0))
    events = [
        FeedbackEvent(f"{room}-{user}-{noun}", f"{room}-{user}", FeedbackType.LIKE, float(user), f"{noun}-red")
        for room, nouns in (("k", NOUNS[:5]), ("w", NOUNS[5:]))
        for user in range(40)
        for n, noun in enumerate(nouns)
        if (user + n) % 5 > n // 2  # the earlier nouns are the more popular ones
    ]
    return World(Catalogue(items, domain), events, HashEmbedder())


@pytest.fixture(scope="session")
def index(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder: Path = tmp_path_factory.mktemp("index")
    build_index(folder, world.catalogue, world.events, world.embedder)
    with open_index(folder, world.embedder) as opened:
        yield opened


@pytest.fixture(scope="session")
def catalogue(world: World) -> Catalogue:
    return world.catalogue


@pytest.fixture(scope="session")
def retriever(world: World, index: Index) -> HybridRetriever:
    return HybridRetriever(index, world.catalogue, world.embedder)
