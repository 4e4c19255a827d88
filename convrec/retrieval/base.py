"""The Retriever and Embedder Protocols. Owns no index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from convrec.types import Candidate, RetrievalQuery

Floats = NDArray[np.float32]


class Embedder(Protocol):
    """Text to unit vectors."""

    @property
    def dimension(self) -> int:
        """D of the vectors."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats:
        """embeddings_N_D, float32, rows of unit length; [] gives shape (0, D)."""
        ...


class Retriever(Protocol):
    """Offers candidates for a query."""

    def retrieve(self, query: RetrievalQuery, k: int) -> list[Candidate]:
        """The k best items for a query.

        Every candidate is in the catalogue, none twice, none in `query.exclude`, all satisfy every `must`
        constraint; order is by descending score, ties by item_id. Fewer than k only when no more items qualify.

        Raises:
            IndexUnavailableError: The index is missing or damaged.
        """
        ...

    def assess(self, query: RetrievalQuery, item_ids: Sequence[str]) -> list[Candidate]:
        """Given items as candidates, in their order, whether or not they would be retrieved.

        Their scores are comparable within the call; an item that nothing is known of has a score all the same.
        """
        ...

    def rescore(
        self, query: RetrievalQuery, item_ids: Sequence[str], variants: Sequence[RetrievalQuery]
    ) -> list[list[float]]:
        """What items would score for other queries among the candidates of one, for evidence.

        Args:
            query: Whose candidates they are compared with, so that `query` itself as a variant scores an item as
                `retrieve` does.
            item_ids: In the catalogue; they need not qualify.
            variants: The other queries.

        Returns:
            One list per variant, in it one score per item.
        """
        ...

    def similar(self, item_id: str, others: Sequence[str]) -> list[float]:
        """Behaviour similarity of an item to others (0 where unknown), for evidence."""
        ...
