"""Owns which adapter version a running server ranks by: whichever the registry calls active, within a second.

Loaded first, then switched to: no turn waits for it and none fails. Turns under way finish on the version that
they began with, which is let go of when none can be left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from convrec.errors import ConvRecError
from convrec.ranking.ranker import RankingVersion
from convrec.service.slot import RecommenderSlot
from convrec.training.registry import AdapterVersion, Registry

_LOOK_S = 0.5


class Swap:
    """Follows the registry's active pointer.

    Args:
        registry: Whose pointer.
        load: Loads a version; None is the base model.
        unload: Lets go of one that was loaded, by its name.
        slot: What is served.
        grace_s: Seconds that a turn may still use the version before.
        look_s: Seconds between looks at the pointer.
    """

    def __init__(
        self,
        registry: Registry,
        load: Callable[[AdapterVersion | None], Awaitable[RankingVersion]],
        unload: Callable[[str], Awaitable[None]],
        slot: RecommenderSlot,
        grace_s: float,
        look_s: float = _LOOK_S,
    ) -> None:
        self._registry, self._load, self._unload_adapter, self._slot = registry, load, unload, slot
        self._grace_s, self._look_s = grace_s, look_s
        self._log = structlog.get_logger("convrec.swap")
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._refused: str | None = None

    async def __aenter__(self) -> Swap:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *error: object) -> None:
        tasks = [*self._leaving.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            try:
                await self._follow()
                self._refused = None
            except ConvRecError as error:
                # What ranks now goes on; said once, not twice a second.
                if str(error) != self._refused:
                    self._log.error("swap failed", error=str(error))
                self._refused = str(error)

    async def _follow(self) -> None:
        active = await asyncio.to_thread(self._registry.active)
        wanted, before = None if active is None else active.ref.name, self._slot.get().version.adapter
        if wanted == before:
            return
        leaving = self._leaving.pop(wanted, None) if wanted else None
        if leaving is not None:
            leaving.cancel()
        version = await self._load(active)
        self._slot.get().switch(version)
        self._log.info("swapped", adapter=version.adapter, before=before)
        if before is not None:
            self._leaving[before] = asyncio.create_task(self._unload(before))

    async def _unload(self, name: str) -> None:
        await asyncio.sleep(self._grace_s)
        self._leaving.pop(name, None)
        try:
            await self._unload_adapter(name)
        except ConvRecError as error:
            self._log.warning("adapter not unloaded", adapter=name, error=str(error))
