"""A retriever over an index that is older than the catalogue: what came, changed and left since."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convrec.data.catalogue import Catalogue
from convrec.retrieval.hybrid import HybridRetriever
from convrec.retrieval.index import Index, build_index, open_index
from convrec.testing.retriever import HashEmbedder, RetrieverConformance
from convrec.types import Constraint, HistoryEntry, Item, RetrievalQuery

HISTORY = (HistoryEntry("cup-red", 1.0, 0.0), HistoryEntry("hammer-red", 1.0, 1.0))


@pytest.fixture(scope="module")
def older(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder: Path = tmp_path_factory.mktemp("older")
    build_index(folder, world.catalogue, world.events, world.embedder)
    with open_index(folder, world.embedder) as opened:
        yield opened


@pytest.fixture
def catalogue(world: Any) -> Catalogue:
    """Two items came, one changed its title, one left."""
    items = [item for item in world.catalogue.values() if item.item_id not in ("spoon-red", "saw-red")]
    saw = Item("saw-red", "crimson fretblade", world.catalogue["saw-red"].attributes)
    new = [
        Item("whisk", "balloon whisk", {"room": ("kitchen", "steel"), "price": 7.0}),
        Item("adze", "shipwright adze", {"room": ("workshop", "steel"), "price": 9.0}),
    ]
    return Catalogue([*items, saw, *new], world.catalogue.domain)


@pytest.fixture
def retriever(older: Index, catalogue: Catalogue) -> HybridRetriever:
    return HybridRetriever(older, catalogue, HashEmbedder())


class TestOverAnOlderIndex(RetrieverConformance):
    pass


@pytest.mark.parametrize(
    ("text", "item_id"),
    [("a balloon whisk", "whisk"), ("shipwright adze", "adze"), ("some fretblade, crimson", "saw-red")],
)
def test_what_came_or_changed_is_found_by_its_text(retriever: HybridRetriever, text: str, item_id: str) -> None:
    best = retriever.retrieve(RetrievalQuery(text=text), 3)[0]
    assert best.item_id == item_id
    assert best.parts["text"] > 0
    assert best.parts["words"] > 0
    assert item_id == retriever.retrieve(RetrievalQuery(text=text, history=HISTORY), 3)[0].item_id


def test_what_an_item_no_longer_says_is_forgotten(retriever: HybridRetriever) -> None:
    (saw,) = retriever.assess(RetrievalQuery(text="saw"), ["saw-red"])
    assert saw.parts["words"] == 0
    assert saw.parts["text"] == 0


def test_a_new_item_is_a_seed_by_what_it_says(retriever: HybridRetriever) -> None:
    found = retriever.retrieve(RetrievalQuery(seeds={"adze": 1.0}), 5)
    assert "adze" not in [candidate.item_id for candidate in found]
    assert found[0].parts["content"] > 0


def test_choices_count_for_a_changed_item_as_before(retriever: HybridRetriever, older: Index, world: Any) -> None:
    before = HybridRetriever(older, world.catalogue, HashEmbedder())
    query = RetrievalQuery(history=HISTORY)
    known = ["saw-red", "drill-red", "kettle-red"]
    old, new = before.assess(query, known), retriever.assess(query, known)
    assert old[0].parts["history"] != 0
    assert [c.parts["history"] for c in new] == [c.parts["history"] for c in old]


def test_what_left_is_found_by_nothing(retriever: HybridRetriever, catalogue: Catalogue) -> None:
    for query in (
        RetrievalQuery(text="a red spoon"),
        RetrievalQuery(history=HISTORY),
        RetrievalQuery(constraints=(Constraint("room", "include", "kitchen", "must"),)),
    ):
        assert "spoon-red" not in [c.item_id for c in retriever.retrieve(query, len(catalogue) + 5)]


def test_newer_texts_are_embedded_once_and_forgotten_when_they_are_gone(
    older: Index, catalogue: Catalogue, world: Any
) -> None:
    class Counting(HashEmbedder):
        asked = 0

        def embed(self, texts: Any) -> Any:
            self.asked += len(texts)
            return super().embed(texts)

    older.newer_texts = {}
    embedder = Counting()
    HybridRetriever(older, catalogue, embedder)
    HybridRetriever(older, catalogue, embedder)
    assert embedder.asked == 3
    HybridRetriever(older, world.catalogue, embedder)
    assert embedder.asked == 3
    assert not older.newer_texts


def test_an_index_of_the_catalogue_itself_has_nothing_newer(older: Index, world: Any) -> None:
    """And gives the vectors it holds."""
    HybridRetriever(older, world.catalogue, HashEmbedder())
    expected = HashEmbedder().embed([world.catalogue.describe(world.catalogue[i]) for i in older.item_ids])
    assert np.allclose(older.text_N_D, expected, atol=1e-6)
    assert older.digests_N.tolist() == list(world.catalogue.digests)
