"""Owns what the words of a request have in common with the words of an item: names, titles, rare words.

    score(i) = cosine of the TF-IDF vectors of the request and of the item's title and attributes

with 1 + log(count) for a word and for two in a row, and idf = 1 + log((1 + items) / (1 + items that have it))
(https://scikit-learn.org/stable/modules/feature_extraction.html#tfidf-term-weighting). An embedder blurs names;
this does not: "something with Sigourney Weaver".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

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


class Shared:
    """What N items share of a text's words.

    Args:
        rows_M: The items that share any, ascending.
        cosines_M: Their scores, > 0.
    """

    def __init__(self, rows_M: Rows, cosines_M: NDArray[np.float64]) -> None:
        self._rows_M, self._cosines_M = rows_M, cosines_M

    def nearest(self, n: int) -> Rows:
        """The rows of up to n items that share words, the nearest first."""
        rows: Rows = self._rows_M[np.lexsort((self._rows_M, -self._cosines_M))[:n]]
        return rows

    def scores(self, rows_C: Rows) -> NDArray[np.float64]:
        """cosines_C of some items, 0 for those that share no word."""
        place_C = np.minimum(np.searchsorted(self._rows_M, rows_C), len(self._rows_M) - 1)
        return np.where(self._rows_M[place_C] == rows_C, self._cosines_M[place_C], 0.0)


class Lexical:
    """The words of N items.

    Args:
        items_W_N: TF-IDF weights by word; the column of an item is of unit length, or empty.
        idf_W: How rare words are; counted among these items where None.
    """

    def __init__(self, items_W_N: sparse.csr_matrix, idf_W: Floats | None = None) -> None:
        self._items_W_N = items_W_N
        self._idf_W = _idf(np.diff(items_W_N.indptr), items_W_N.shape[1]) if idf_W is None else idf_W

    def shared(self, text: str) -> Shared | None:
        """What the items share of a text's words; None where that is nothing."""
        if not text.strip():
            return None
        found = (_weighed(_counts([text]), self._idf_W) @ self._items_W_N).tocsr()
        found.sort_indices()
        return Shared(found.indices.astype(np.int64), found.data.astype(np.float64)) if found.nnz else None

    def beside(self, items: Sequence[Item]) -> Lexical:
        """The words of other items, as rare as they are among these; a word that none of these has is rarest."""
        counts_M_W = _counts([_text(item) for item in items])
        rarest = 1 + np.log((1 + self._items_W_N.shape[1]) / 2)
        idf_W = np.where(self._idf_W > 0, self._idf_W, np.float32(rarest))
        return Lexical(_weighed(counts_M_W, idf_W).T.tocsr(), idf_W)

    def save(self, folder: Path) -> None:
        """Into an index's folder."""
        sparse.save_npz(folder / _FILE, self._items_W_N, compressed=False)


def fit_lexical(items: Iterable[Item]) -> Lexical:
    """The words of items, in their order."""
    counts_N_W = _counts([_text(item) for item in items])
    idf_W = _idf(np.bincount(counts_N_W.indices, minlength=_BUCKETS), counts_N_W.shape[0])
    return Lexical(_weighed(counts_N_W, idf_W).T.tocsr())


def load_lexical(folder: Path) -> Lexical:
    """Read what `Lexical.save` wrote."""
    return Lexical(sparse.load_npz(folder / _FILE))


def _text(item: Item) -> str:
    return "\n".join([item.title, *(written(value) for name in item.attributes for value in item.values(name))])


def _counts(texts: Sequence[str]) -> sparse.csr_matrix:
    return _vectorizer().transform(texts)


@cache
def _vectorizer() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        n_features=_BUCKETS,
        ngram_range=(1, 2),
        stop_words="english",
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )


def _idf(having_W: NDArray[np.integer], items: int) -> Floats:
    """idf_W; 0 where no item has the word, so that it counts for nothing."""
    idf_W = np.where(having_W > 0, 1 + np.log((1 + items) / (1 + having_W)), 0.0)
    return np.asarray(idf_W, np.float32)


def _weighed(counts_N_W: sparse.csr_matrix, idf_W: Floats) -> sparse.csr_matrix:
    from sklearn.preprocessing import normalize

    weights_N_W = counts_N_W.copy()
    weights_N_W.data = (1 + np.log(counts_N_W.data)) * idf_W[counts_N_W.indices]
    return normalize(weights_N_W, copy=False)
