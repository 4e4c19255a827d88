"""Owns the vectors in Chroma: two collections in an embedded database. The only file that imports chromadb.

Vectors are always passed explicitly; no embedding function is stored or run (CVE-2026-45829, CVE-2026-45833). One
process per folder: the index's lock sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from convrec.errors import IndexUnavailableError
from convrec.retrieval.base import Floats

if TYPE_CHECKING:
    from chromadb import Collection as ChromaCollection

Collection = Literal["text", "behaviour"]

_SPACES: dict[Collection, Literal["cosine", "ip"]] = {"text": "cosine", "behaviour": "ip"}
_BATCH = 250
_EF_SEARCH = 400
"""Breadth of the HNSW search; above the usual number of candidates, so that they are found (1-3 ms)."""


class ChromaStore:
    """The vectors of every item, by item_id.

    Args:
        folder: Of the database; made where it is missing.

    Raises:
        IndexUnavailableError: The database cannot be opened; so do all methods when it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.api.client import Client
        from chromadb.config import Settings

        with _mapped(folder):
            client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
        self._client = cast(Client, client)  # the declared type lacks `close`
        self._folder = folder
        self._opened: dict[str, ChromaCollection] = {}

    def write(
        self,
        collection: Collection,
        item_ids: Sequence[str],
        vectors_N_D: Floats,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Make a collection and fill it.

        Args:
            collection: Must not exist yet.
            item_ids: N, unique.
            vectors_N_D: One row per item.
            progress: Called with the number of items written so far.
        """
        with _mapped(self._folder):
            target = self._client.create_collection(
                collection,
                embedding_function=None,
                configuration={"hnsw": {"space": _SPACES[collection], "ef_search": _EF_SEARCH}},
            )
            batch = min(_BATCH, self._client.get_max_batch_size())
            for start in range(0, len(item_ids), batch):
                stop = min(start + batch, len(item_ids))
                target.add(ids=list(item_ids[start:stop]), embeddings=vectors_N_D[start:stop])
                progress(stop)

    def nearest(self, collection: Collection, vector_D: Floats, n: int) -> list[tuple[str, float]]:
        """The n nearest items with their similarity (cosine or inner product), nearest first."""
        if n < 1:
            return []
        with _mapped(self._folder):
            found = self._open(collection).query(
                query_embeddings=np.asarray([vector_D], np.float32), n_results=n, include=["distances"]
            )
            distances = found["distances"]
            assert distances is not None
            return [(item_id, 1.0 - d) for item_id, d in zip(found["ids"][0], distances[0], strict=True)]

    def vectors(self, collection: Collection, item_ids: Sequence[str]) -> dict[str, Floats]:
        """item_id -> vector_D, for those that are stored."""
        if not item_ids:
            return {}
        with _mapped(self._folder):
            found = self._open(collection).get(ids=list(item_ids), include=["embeddings"])
            embeddings = found["embeddings"]
            assert embeddings is not None
            return dict(zip(found["ids"], np.asarray(embeddings, np.float32), strict=True))

    def count(self, collection: Collection) -> int:
        """How many items a collection holds."""
        with _mapped(self._folder):
            return self._open(collection).count()

    def _open(self, collection: Collection) -> ChromaCollection:
        # Looked up once: it takes as long as a query.
        if collection not in self._opened:
            self._opened[collection] = self._client.get_collection(collection, embedding_function=None)
        return self._opened[collection]

    def close(self) -> None:
        """Let go of the database's files."""
        self._client.close()


@contextmanager
def _mapped(folder: Path) -> Iterator[None]:
    """Chroma raises its own errors, plain ones and panics of its Rust core; all mean that it cannot be used."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise IndexUnavailableError(
            f"Chroma cannot use {folder} ({type(error).__name__}: {error}); run: convrec index"
        ) from error
