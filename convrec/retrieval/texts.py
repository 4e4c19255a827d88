"""Owns what the texts of a catalogue's items say now: vectors and words, of the index and of what is newer.

An index is of the catalogue that it was built from. Items that came or changed since are embedded when a retriever
is made and stand beside it, so that they are found by what they say without a rebuild; who chose them counts from
the next one on. Their rows follow those of the index; what that held of a changed item's text is no longer read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convrec.data.catalogue import Catalogue
from convrec.retrieval.base import Embedder, Floats
from convrec.retrieval.index import Index
from convrec.retrieval.lexical import Shared
from convrec.retrieval.sequences import Rows

_BATCH = 256


class Texts:
    """Vectors and words of items by row: 0 to N - 1 as in the index, from N on of items newer than it.

    Args:
        index: Open; it remembers the vectors of newer items: another retriever over it need not embed them.
        rows: item_id -> row in the index.
        catalogue: What the items say now.
        embedder: The one the index was built with.
    """

    def __init__(self, index: Index, rows: Mapping[str, int], catalogue: Catalogue, embedder: Embedder) -> None:
        self._index = index
        self._rows = rows
        built_N = index.digests_N.tolist()
        newer = [
            item_id
            for item_id, digest in zip(catalogue.ids, catalogue.digests, strict=True)
            if (row := rows.get(item_id)) is None or built_N[row] != digest
        ]
        self._newer: Mapping[str, int] = {item_id: len(rows) + n for n, item_id in enumerate(newer)}
        self.newer: tuple[str, ...] = tuple(newer)
        self._vectors_M_D = _embedded([catalogue.passage(catalogue[i]) for i in newer], index, embedder)
        self._words = index.lexical.beside([catalogue[item_id] for item_id in newer]) if newer else None

    def row(self, item_id: str) -> int | None:
        """Where an item's text is; None where nothing is known of it."""
        row = self._newer.get(item_id)
        return self._rows.get(item_id) if row is None else row

    def vectors(self, rows_C: Rows) -> Floats:
        """vectors_C_D of some rows."""
        built, index_N_D = len(self._rows), self._index.text_N_D
        if not self.newer:
            return index_N_D[rows_C]
        old_C = rows_C < built
        vectors_C_D = np.empty((len(rows_C), index_N_D.shape[1]), np.float32)
        vectors_C_D[old_C] = index_N_D[rows_C[old_C]]
        vectors_C_D[~old_C] = self._vectors_M_D[rows_C[~old_C] - built]
        return vectors_C_D

    def nearest(self, vector_D: Floats, n: int) -> list[str]:
        """The n nearest items of the index, then the n nearest of the newer ones."""
        found = [item_id for item_id, _ in self._index.store.nearest("text", vector_D, n)]
        # Without BLAS: see HybridRetriever.
        nearness_M = np.einsum("md,d->m", self._vectors_M_D, vector_D)
        return found + [self.newer[place] for place in np.argsort(-nearness_M, kind="stable")[:n].tolist()]

    def shared(self, text: str) -> Words | None:
        """What the items share of a text's words; None where that is nothing."""
        old = self._index.lexical.shared(text)
        new = self._words.shared(text) if self._words else None
        return Words(old, new, self._index.item_ids, self.newer) if old or new else None


class Words:
    """What items share of a text's words: those of the index and those newer than it."""

    def __init__(
        self, old: Shared | None, new: Shared | None, old_ids: Sequence[str], new_ids: Sequence[str]
    ) -> None:
        self._parts = [(part, ids) for part, ids in ((old, old_ids), (new, new_ids)) if part]
        self._old, self._new, self._built = old, new, len(old_ids)

    def nearest(self, n: int) -> list[str]:
        """Up to n items of each kind that share words, the nearest first."""
        return [ids[row] for part, ids in self._parts for row in part.nearest(n).tolist()]

    def scores(self, rows_C: Rows) -> NDArray[np.float64]:
        """cosines_C of some rows, 0 for those that share no word."""
        scores_C = np.zeros(len(rows_C))
        old_C = rows_C < self._built
        if self._old:
            scores_C[old_C] = self._old.scores(rows_C[old_C])
        if self._new:
            scores_C[~old_C] = self._new.scores(rows_C[~old_C] - self._built)
        return scores_C


def _embedded(texts: Sequence[str], index: Index, embedder: Embedder) -> Floats:
    """vectors_M_D of descriptions, from what the index remembers where it does."""
    unknown = [text for text in dict.fromkeys(texts) if text not in index.newer_texts]
    known = dict(index.newer_texts)
    for start in range(0, len(unknown), _BATCH):
        batch = unknown[start : start + _BATCH]
        known.update(zip(batch, embedder.embed(batch), strict=True))
    # What is said no longer is forgotten. Replaced whole: other retrievers may be made at the same time.
    index.newer_texts = {text: known[text] for text in texts}
    return np.array([known[text] for text in texts], np.float32).reshape(len(texts), embedder.dimension)
