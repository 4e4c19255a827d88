"""Owns which adapter versions are loaded beside the active one: those that requests name, while they are used.

Loading costs seconds and each version memory, so a few stay loaded that nobody uses now, and no more than these.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from convrec.errors import ConvRecError, DataError, NotFoundError
from convrec.ranking.ranker import RankingVersion
from convrec.training.registry import AdapterVersion, Registry

_IDLE = 2


class Versions:
    """The adapter versions of a registry on one engine.

    Args:
        registry: Where they are.
        require_fit: Raises DataError for one that is of another model, prompt or domain.
        load: Loads a version on the engine; None is the base model.
        unload: Unloads one by its name.
        active: Name of the one that is loaded already and in use, to be released like those that are held.
        idle: How many stay loaded that nobody uses.
    """

    def __init__(
        self,
        registry: Registry,
        require_fit: Callable[[AdapterVersion], None],
        load: Callable[[AdapterVersion | None], Awaitable[RankingVersion]],
        unload: Callable[[str], Awaitable[None]],
        *,
        active: str | None = None,
        idle: int = _IDLE,
    ) -> None:
        self._registry, self._require_fit = registry, require_fit
        self._load, self._unload = load, unload
        self._idle = idle
        self._users: Counter[str] = Counter([active] if active else [])
        """Of each loaded version, in the order in which they were last asked for."""
        self._loading = asyncio.Lock()

    def servable(self) -> list[AdapterVersion]:
        """Those that passed their gate and fit what is served; reads files."""
        return [version for label in self._registry.labels() if (version := self._servable(label)) is not None]

    def find(self, name: str) -> AdapterVersion:
        """The servable version of a name like movies@3; reads files.

        Raises:
            NotFoundError: There is none.
            DataError: It is not served; the message says why.
        """
        label = name.replace("@", "/")
        if label not in self._registry.labels():
            raise NotFoundError("GET /v1/models lists those that are")
        version = self._registry.get(label)
        self._require(version)
        return version

    @asynccontextmanager
    async def using(self, version: AdapterVersion) -> AsyncIterator[RankingVersion]:
        """A version, loaded while the context lasts; raises as `hold`."""
        ranking = await self.hold(version)
        try:
            yield ranking
        finally:
            await self.release(version.ref.name)

    async def hold(self, version: AdapterVersion | None) -> RankingVersion:
        """Load a version and keep it loaded until it is released; None is the base model.

        Raises:
            DataError: It is of another model, prompt or domain.
            EngineError: The engine cannot load it.
        """
        async with self._loading:
            ranking = await self._load(version)
            if version is not None:
                self._users[version.ref.name] = self._users.pop(version.ref.name, 0) + 1
            return ranking

    async def release(self, name: str) -> None:
        """Let go of a version once; what nobody uses goes when others are asked for after it."""
        self._users[name] -= 1  # before anything is waited for: what waits may be cancelled
        async with self._loading:
            idle = [loaded for loaded, users in self._users.items() if users == 0]
            for loaded in idle[: len(idle) - self._idle]:
                del self._users[loaded]
                try:
                    await self._unload(loaded)
                except ConvRecError as error:
                    structlog.get_logger(__name__).warning(
                        "adapter not unloaded", adapter=loaded, error=str(error)
                    )

    def _servable(self, label: str) -> AdapterVersion | None:
        try:
            version = self._registry.get(label)
            self._require(version)
        except (NotFoundError, DataError):  # damaged, or gone in this moment
            return None
        return version

    def _require(self, version: AdapterVersion) -> None:
        if not version.manifest.accepted:
            raise DataError(f"the gate rejected it: {'; '.join(version.manifest.reasons) or 'no reason given'}")
        self._require_fit(version)
