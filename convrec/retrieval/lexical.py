"""Owns what the words of a request have in common with the words of an item: names, titles, rare words.

    score(i) = cosine of the TF-IDF vectors of the request and of the item's title and attributes

with 1 + log(count) for a word and for two in a row, and idf = 1 + log((1 + items) / (1 + items that have it))
(https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting). An embedder blurs names;
this does not: "something with Sigourney Weaver".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from convrec.data.catalogue import written
from convrec.retrieval.base import Floats
from convrec.retrieval.sequences import Rows
from convrec.types import Item

_FILE = "words.npz"
_BUCKETS = 2**20
"""Words are hashed to so many columns: there is no vocabulary to keep."""


class Lexical:
    """The words of N items.

    Args:
        words_N_W: TF-IDF rows of unit length, or empty.
    """

    def __init__(self, words_N_W: sparse.csr_matrix) -> None:
        self._words_N_W = words_N_W
        self._idf_W = _idf(words_N_W)

    def vector(self, text: str) -> sparse.csr_matrix | None:
        """vector_1_W of unit length; None where no word of the text is one of the catalogue's."""
        vector_1_W = _weighed(_counts([text]), self._idf_W)
        return vector_1_W if vector_1_W.nnz else None

    def nearest(self, vector_1_W: sparse.csr_matrix, n: int) -> Rows:
        """The rows of up to n items that share words with a vector, the nearest first."""
        found = vector_1_W @ self._items_W_N
        rows: Rows = found.indices[np.lexsort((found.indices, -found.data))[:n]].astype(np.int64)
        return rows

    def scores(self, vector_1_W: sparse.csr_matrix, rows_C: Rows) -> NDArray[np.float64]:
        """cosines_C of some items."""
        cosines_C: NDArray[np.float64] = (
            (self._words_N_W[rows_C] @ vector_1_W.T).toarray()[:, 0].astype(np.float64)
        )
        return cosines_C

    def save(self, folder: Path) -> None:
        """Into an index's folder."""
        sparse.save_npz(folder / _FILE, self._words_N_W, compressed=False)

    @cached_property
    def _items_W_N(self) -> sparse.csr_matrix:
        return self._words_N_W.T.tocsr()


def fit_lexical(items: Iterable[Item]) -> Lexical:
    """The words of items, in their order."""
    counts_N_W = _counts([_text(item) for item in items])
    return Lexical(_weighed(counts_N_W, _idf(counts_N_W)))


def load_lexical(folder: Path) -> Lexical:
    """Read what `Lexical.save` wrote."""
    return Lexical(sparse.load_npz(folder / _FILE))


def _text(item: Item) -> str:
    return "\n".join([item.title, *(written(value) for name in item.attributes for value in item.values(name))])


def _counts(texts: Sequence[str]) -> sparse.csr_matrix:
    from sklearn.feature_extraction.text import HashingVectorizer

    hashed = HashingVectorizer(
        n_features=_BUCKETS,
        ngram_range=(1, 2),
        stop_words="english",
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )
    return hashed.transform(texts)


def _idf(words_N_W: sparse.csr_matrix) -> Floats:
    """idf_W; 0 where no item has the word, so that it counts for nothing."""
    having_W = np.bincount(words_N_W.indices, minlength=words_N_W.shape[1])
    idf_W = 1 + np.log((1 + words_N_W.shape[0]) / (1 + having_W))
    idf_W[having_W == 0] = 0
    return np.asarray(idf_W, np.float32)


def _weighed(counts_N_W: sparse.csr_matrix, idf_W: Floats) -> sparse.csr_matrix:
    from sklearn.preprocessing import normalize

    weights_N_W = counts_N_W.copy()
    weights_N_W.data = (1 + np.log(counts_N_W.data)) * idf_W[counts_N_W.indices]
    weights_N_W.eliminate_zeros()
    return normalize(weights_N_W, copy=False)
