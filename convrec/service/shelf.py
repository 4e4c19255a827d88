"""Owns the catalogue that a running server serves: changes are durable first, and then served, without a rebuild.

A change goes to the catalogue's store in one transaction. Then a new recommender is made over the open index and
what the store holds now, and takes the place of the old one: titles are linked, facets and their values known,
texts embedded (texts.py), and what left the catalogue is in no slate. Only then is the change answered: it is in
force for every turn that begins later; turns under way finish on the catalogue they began with. A server that is
killed between the two reads the store when it starts. Changes that come together are served together, by one new
recommender.

Who chose a new item counts from the next index on; a refit (refit.py) hands its index over here, so that what
changed while it was being built is served as well.

Making a recommender takes as long as reading the whole catalogue (see `Shelf.change`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from convrec.data.catalogue import Catalogue, CatalogueStore
from convrec.retrieval.index import Index
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot
from convrec.types import Item


class Shelf:
    """Changes what a slot serves.

    Args:
        slot: What is served; filled.
        store: Where the catalogue is kept.
        load: Reads the catalogue from there.
        make: A recommender for an index and a catalogue, by the version and the breaker of the one before; runs in
            a thread.
        index: Open; whoever opened it closes it.
    """

    def __init__(
        self,
        slot: RecommenderSlot,
        store: CatalogueStore,
        load: Callable[[], Catalogue],
        make: Callable[[Index, Catalogue, Recommender], Recommender],
        index: Index,
    ) -> None:
        self._slot, self._store, self._load, self._make, self._index = slot, store, load, make, index
        self._lock = asyncio.Lock()
        self._written = self._served = 0
        self.newer = 0
        """Changes of items since the index that serves was taken."""

    async def change(self, items: Sequence[Item], gone: Collection[str]) -> tuple[int, int]:
        """Add, change and remove items; durable, and in force for every turn that begins after this returns.

        Takes 0.15 s for 1,682 films on two cores (0.7 s on busy ones) and embedding what is new; it grows with
        the catalogue: send many changes in one call.

        Returns: as CatalogueStore.change.

        Raises:
            DataError: No item would be left; nothing was changed.
            LedgerError: The store failed; nothing was changed.
        """
        changed, removed = await asyncio.to_thread(self._store.change, items, gone)
        if changed or removed:
            self._written += 1
            self.newer += changed + removed
            await self._serve(self._written)
        return changed, removed

    @property
    def items(self) -> int:
        """How many items are served."""
        return len(self._slot.get().catalogue)

    async def take(self, index: Index) -> None:
        """Serve by another index from now on."""
        async with self._lock:
            newer = self.newer
            await self._fill(index)
            self._index = index
            # Too few where some changed during the build: these are in the next one all the same.
            self.newer -= newer

    async def _serve(self, change: int) -> None:
        async with self._lock:
            if self._served < change:  # else it came with another's
                await self._fill(self._index)

    async def _fill(self, index: Index) -> None:
        covered = self._written
        recommender = await asyncio.to_thread(lambda: self._make(index, self._load(), self._slot.get()))
        # The version may have been switched meanwhile.
        recommender.switch(self._slot.get().version)
        self._slot.fill(recommender)
        self._served = covered
