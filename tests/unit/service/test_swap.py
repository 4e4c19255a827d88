import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from convrec.errors import EngineError
from convrec.ranking.blend import Blend
from convrec.ranking.ranker import RankingVersion
from convrec.service.recommender import Recommender
from convrec.service.requests import RecommendRequest
from convrec.service.slot import RecommenderSlot
from convrec.service.swap import Swap
from convrec.settings import Settings
from convrec.testing.adapters import publish_adapter
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.training.registry import AdapterVersion, Registry


class Following:
    """A recommender that follows a registry, as a server's does."""

    def __init__(self, recommender: Recommender, registry: Registry, engine: FakeEngine) -> None:
        self.recommender, self.registry, self.engine = recommender, registry, engine
        self.broken: set[str] = set()

    async def load(self, active: AdapterVersion | None) -> RankingVersion:
        if active is None:
            return RankingVersion(Blend())
        if active.label in self.broken:
            raise EngineError("cannot be loaded")
        await self.engine.load_adapter(active.ref)
        return RankingVersion(active.manifest.blend, active.ref.name)

    async def ranks_by(self, adapter: str | None) -> None:
        async with asyncio.timeout(5):
            while self.recommender.version.adapter != adapter:
                await asyncio.sleep(0.005)


@pytest_asyncio.fixture
async def following(tmp_path: Path) -> AsyncIterator[Following]:
    engine = FakeEngine()
    await engine.start()
    with small_recommender(tmp_path, Settings().prompts_dir, engine) as recommender:
        registry = Registry(tmp_path / "adapters")
        made = Following(recommender, registry, engine)
        slot = RecommenderSlot(recommender)
        async with Swap(registry, made.load, engine.unload_adapter, slot, grace_s=0.2, look_s=0.01):
            yield made


async def test_the_active_version_ranks_with_its_own_blend(following: Following) -> None:
    publish_adapter(following.registry, blend=Blend(w_interest=0.75))
    following.registry.promote("wines/1")
    await following.ranks_by("wines@1")
    assert following.recommender.version.blend.w_interest == 0.75
    slate = await following.recommender.recommend(RecommendRequest("drinker0"))
    assert slate.adapter == "wines@1"
    assert following.recommender.ledger.get(slate.impression_id).adapter == "wines@1"
    following.registry.rollback()
    await following.ranks_by(None)
    assert (await following.recommender.recommend(RecommendRequest("drinker0"))).adapter is None


async def test_no_slate_fails_while_versions_change(following: Following) -> None:
    for _ in range(3):
        publish_adapter(following.registry)
    seen: list[str | None] = []
    done = asyncio.Event()

    async def client(number: int) -> None:
        while not done.is_set():
            slate = await following.recommender.recommend(RecommendRequest(f"drinker{number}"))
            assert not slate.slate.degraded, slate.slate.reason
            seen.append(slate.adapter)

    async with asyncio.TaskGroup() as clients:
        for number in range(4):
            clients.create_task(client(number))
        for number in (1, 2, 3, 1):
            following.registry.promote(f"wines/{number}")
            await following.ranks_by(f"wines@{number}")
            await asyncio.sleep(0.1)
        done.set()
    assert {"wines@1", "wines@2", "wines@3"} <= set(seen)


async def test_a_version_is_unloaded_when_no_turn_can_be_left_on_it(following: Following) -> None:
    publish_adapter(following.registry)
    publish_adapter(following.registry)
    following.registry.promote("wines/1")
    await following.ranks_by("wines@1")
    following.registry.promote("wines/2")
    await following.ranks_by("wines@2")
    assert set(following.engine.adapters) == {"wines@1", "wines@2"}
    await asyncio.sleep(0.4)
    assert set(following.engine.adapters) == {"wines@2"}


async def test_one_that_comes_back_at_once_stays_loaded(following: Following) -> None:
    publish_adapter(following.registry)
    publish_adapter(following.registry)
    for label, name in (("wines/1", "wines@1"), ("wines/2", "wines@2"), ("wines/1", "wines@1")):
        following.registry.promote(label)
        await following.ranks_by(name)
    await asyncio.sleep(0.4)
    assert set(following.engine.adapters) == {"wines@1"}


async def test_one_that_cannot_be_loaded_changes_nothing(following: Following) -> None:
    publish_adapter(following.registry)
    publish_adapter(following.registry)
    following.registry.promote("wines/1")
    await following.ranks_by("wines@1")
    following.broken.add("wines/2")
    following.registry.promote("wines/2")
    await asyncio.sleep(0.1)
    assert following.recommender.version.adapter == "wines@1"
    following.broken.clear()
    await following.ranks_by("wines@2")
