"""Owns the refit of a running server: a new index in the background once enough has happened, then the hand-over.

A new event changes the next turn without it: histories are read from the ledger. What a refit adds is what
everybody else did since. Turns under way finish on the old index, which is closed when none can be left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from convrec.errors import ConvRecError
from convrec.retrieval.index import Index
from convrec.service.shelf import Shelf

_LOOK_S = 5.0


class Refit:
    """Rebuilds, switches, closes.

    Args:
        shelf: Serves by the index it is given.
        index: Open; belongs to this object from now on.
        position: Of the ledger now.
        rebuild: Given the index that serves, builds and opens a new one; runs in a thread.
        events: How many new events of the ledger, or changes of items, call for a refit; 0 means never.
        grace_s: Seconds that a turn may still use the old index.
        look_s: Seconds between looks at the ledger.
        erased: Position of the last erasure; one since the index was built calls for a refit, even with 0 events.
    """

    def __init__(
        self,
        shelf: Shelf,
        index: Index,
        position: Callable[[], int],
        rebuild: Callable[[Index], Index],
        events: int,
        grace_s: float,
        look_s: float = _LOOK_S,
        erased: Callable[[], int] = lambda: 0,
    ) -> None:
        self._shelf, self._index = shelf, index
        self._position, self._rebuild = position, rebuild
        self._events, self._grace_s, self._look_s = events, grace_s, look_s
        self._erased = erased
        self._log = structlog.get_logger("convrec.refit")
        self._closing: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Refit:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *error: object) -> None:
        tasks = [*self._closing, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._index.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            try:
                new = await asyncio.to_thread(self._position) - self._index.meta.ledger_position
                erased = await asyncio.to_thread(self._erased) > self._index.meta.ledger_position
                if not (erased or (self._events and max(new, self._shelf.newer) >= self._events)):
                    continue
                await self._switch()
                self._log.info("refitted", events=new, items=self._index.meta.items)
            except ConvRecError as error:
                # The old index serves on; the next look tries again.
                self._log.error("refit failed", error=str(error))
                await asyncio.sleep(self._grace_s)

    async def _switch(self) -> None:
        # Not cancelled half-way: the thread would go on with an index that nobody closes.
        opened = await asyncio.shield(asyncio.to_thread(self._rebuild, self._index))
        try:
            await self._shelf.take(opened)
        except BaseException:
            opened.close()
            raise
        old, self._index = self._index, opened
        task = asyncio.create_task(self._close(old))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, old: Index) -> None:
        try:
            await asyncio.sleep(self._grace_s)
        finally:
            old.close()
