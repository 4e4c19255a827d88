"""Owns the sentence-transformers model that turns text into unit vectors, and nothing about what is embedded."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np

from convrec.errors import SettingsError
from convrec.retrieval.base import Embedder, Floats

_BATCH = 64


class SentenceEmbedder:
    """An Embedder on sentence-transformers; takes a GPU where there is one.

    Args:
        model: Folder or hub name of a model that needs no instruction before the text.

    Raises:
        SettingsError: The model cannot be loaded.
    """

    def __init__(self, model: str | Path) -> None:
        from sentence_transformers import SentenceTransformer

        try:
            # The loader draws progress bars that no setting turns off.
            with redirect_stderr(io.StringIO()):
                self._model = SentenceTransformer(str(model))
        except (OSError, ValueError, RuntimeError) as error:
            raise SettingsError(
                f"cannot load the embedder {model}: {error}; set CONVREC_EMBEDDER or run: convrec demo"
            ) from error
        self._dimension = len(self._encode(["dimension"])[0])
        # Fast tokenizers refuse to be borrowed by two threads at once, and requests run in threads.
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        """D of the vectors."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Floats:
        """embeddings_N_D, float32, rows of unit length; [] gives shape (0, D)."""
        if not texts:
            return np.zeros((0, self._dimension), np.float32)
        with self._lock:
            return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> Floats:
        vectors = self._model.encode(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)


class CachedEmbedder:
    """Embeds a text once, for runs that build index after index of the same items.

    Args:
        embedder: What embeds.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Floats] = {}
        self.dimension = embedder.dimension

    def embed(self, texts: Sequence[str]) -> Floats:
        """embeddings_N_D."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._embedder.embed(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(-1, self.dimension)


class NoText:
    """Stands in for the embedder of an index that nobody asks for text."""

    dimension = 1

    def embed(self, texts: Sequence[str]) -> Floats:
        """embeddings_N_1, all alike."""
        return np.ones((len(texts), 1), np.float32)
