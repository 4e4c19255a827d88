"""What every retriever must do, and a HashEmbedder that needs no model. Owns no retriever: subclasses bring it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from convrec.data.catalogue import Catalogue
from convrec.retrieval.base import Floats, Retriever
from convrec.types import Candidate, Constraint, FacetType, HistoryEntry, RetrievalQuery


class HashEmbedder:
    """Text as a bag of hashed words: the cosine of two texts grows with the words they share.

    Args:
        dimension: D.
        salt: Another salt is another embedder.
    """

    def __init__(self, dimension: int = 64, salt: str = "") -> None:
        self._dimension = dimension
        self._salt = salt

    @property
    def dimension(self) -> int:
        """D of the vectors."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Floats:
        """embeddings_N_D, float32, rows of unit length; [] gives shape (0, D)."""
        vectors = np.zeros((len(texts), self._dimension), np.float32)
        for row, text in enumerate(texts):
            for word in text.casefold().split() or [""]:
                vectors[row, self._slot(word.strip("(),;"))] += 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def _slot(self, word: str) -> int:
        digest = hashlib.blake2b((self._salt + word).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self._dimension


def assert_conforms(candidates: Sequence[Candidate], query: RetrievalQuery, k: int, catalogue: Catalogue) -> None:
    """Check candidates against what Retriever.retrieve promises of them."""
    ids = [candidate.item_id for candidate in candidates]
    musts = [constraint for constraint in query.constraints if constraint.strength == "must"]
    barred = query.exclude | query.seeds.keys()
    qualifying = {
        item_id
        for item_id in catalogue
        if item_id not in barred and all(catalogue.satisfies(item_id, must) for must in musts)
    }
    assert len(set(ids)) == len(ids), "an item is offered twice"
    assert set(ids) <= qualifying, "an item is not in the catalogue, excluded, named, or fails a must"
    assert len(ids) == min(k, len(qualifying)), "fewer items than qualify"
    for better, worse in pairwise(candidates):
        assert (-better.score, better.item_id) < (-worse.score, worse.item_id), "not in the order of the scores"
    for candidate in candidates:
        assert np.isclose(candidate.score, sum(candidate.parts.values())), "the parts do not make the score"


class RetrieverConformance:
    """The Retriever contract as tests.

    A subclass needs the fixtures `retriever` and `catalogue`, which has at least ten items and a set facet.
    """

    def test_offers_items_to_a_stranger(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """A query that says nothing still finds k items."""
        query = RetrievalQuery()
        assert_conforms(retriever.retrieve(query, 5), query, 5, catalogue)

    def test_offers_everything_when_asked_for_more(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """k beyond the catalogue gives the catalogue."""
        query = RetrievalQuery()
        assert_conforms(retriever.retrieve(query, len(catalogue) + 7), query, len(catalogue) + 7, catalogue)

    def test_respects_exclusions_and_named_items(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """Neither what is excluded nor what the conversation named comes back."""
        seed, *others = catalogue.ids
        history = tuple(HistoryEntry(item_id, 1.0, float(n)) for n, item_id in enumerate(others[:3]))
        query = RetrievalQuery(history=history, seeds={seed: 1.0}, exclude=frozenset(others[:3]))
        assert_conforms(retriever.retrieve(query, len(catalogue)), query, len(catalogue), catalogue)

    def test_every_must_holds(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """Whatever else the query says, musts filter, and all that satisfies them is found."""
        facet = next(facet for facet in catalogue.facets if facet.type is FacetType.SET)
        for value in catalogue.facet_values(facet.name):
            for op in ("include", "exclude"):
                must = Constraint(facet.name, op, value, "must")
                history = (HistoryEntry(catalogue.ids[0], 1.0, 0.0),)
                query = RetrievalQuery(text=value, history=history, constraints=(must,))
                assert_conforms(retriever.retrieve(query, len(catalogue)), query, len(catalogue), catalogue)

    def test_nothing_qualifies(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """When nothing qualifies, nothing is offered."""
        query = RetrievalQuery(exclude=frozenset(catalogue))
        assert retriever.retrieve(query, 5) == []

    def test_unknown_items_are_passed_over(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """History and seeds may name items that the catalogue has lost."""
        query = RetrievalQuery(history=(HistoryEntry("no such item", 1.0, 0.0),), seeds={"nor this one": 1.0})
        assert_conforms(retriever.retrieve(query, 5), query, 5, catalogue)

    def test_the_same_query_gives_the_same_candidates(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """Retrieval is deterministic."""
        item_id = catalogue.ids[0]
        query = RetrievalQuery(
            text=catalogue[item_id].title,
            history=(HistoryEntry(item_id, 1.0, 0.0),),
            seeds={catalogue.ids[1]: 1.0},
        )
        assert retriever.retrieve(query, 10) == retriever.retrieve(query, 10)

    def test_rescoring_answers_for_each_variant_and_item(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """The query itself scores what `retrieve` says; another history, another score."""
        first, second, *_ = catalogue.ids
        query = RetrievalQuery(
            history=tuple(HistoryEntry(i, 1.0, float(n)) for n, i in enumerate((first, second)))
        )
        found = retriever.retrieve(query, 3)
        item_ids = [candidate.item_id for candidate in found]
        same, *rest = retriever.rescore(query, item_ids, [query, RetrievalQuery()])
        assert np.allclose(same, [candidate.score for candidate in found])
        assert [len(scores) for scores in rest] == [3]

    def test_similar_answers_for_each(self, retriever: Retriever, catalogue: Catalogue) -> None:
        """One number per item; an unknown one is 0, on either side."""
        first, second = catalogue.ids[:2]
        assert len(retriever.similar(first, [second, "no such item"])) == 2
        assert retriever.similar(first, [second, "no such item"])[1] == 0.0
        assert retriever.similar("no such item", [first, second]) == [0.0, 0.0]
