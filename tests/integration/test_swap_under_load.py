"""Six swaps while eight clients ask 300 times, on each engine: nothing fails, every slate names what ranked it."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from convrec.engine.base import Engine
from convrec.engine.transformers import TransformersEngine
from convrec.engine.vllm import VllmEngine, vllm_available
from convrec.engine.vllm_server import VllmServer
from convrec.ranking.blend import Blend
from convrec.ranking.ranker import RankingVersion
from convrec.service.recommender import Recommender
from convrec.service.requests import RecommendRequest
from convrec.service.slot import RecommenderSlot
from convrec.service.swap import Swap
from convrec.settings import Settings
from convrec.testing.adapters import publish_adapter
from convrec.testing.model import tiny_model
from convrec.testing.recommender import small_recommender
from convrec.training.registry import AdapterVersion, Registry

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

CLIENTS, REQUESTS, VERSIONS = 8, 300, 3


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, demo_data_dir) -> Path:
    return tiny_model(
        tmp_path_factory.mktemp("tiny") / "tiny", demo_data_dir / "models" / "SmolLM2-135M-Instruct", heads=1
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["transformers", "vllm"])
async def engine(request, tiny, tmp_path_factory) -> AsyncIterator[Engine]:
    made: Engine
    if request.param == "transformers":
        made = TransformersEngine(tiny)
    else:
        if missing := vllm_available():
            pytest.skip(missing)
        made = VllmEngine(tiny, server=VllmServer(tiny, logs_dir=tmp_path_factory.mktemp("logs")))
    await made.start()
    yield made
    await made.close()


async def load(engine: Engine, active: AdapterVersion | None) -> RankingVersion:
    if active is None:
        return RankingVersion(Blend(w_interest=1.0))
    await engine.load_adapter(active.ref)
    return RankingVersion(active.manifest.blend, active.ref.name)


async def ranked_by(recommender: Recommender, adapter: str | None) -> None:
    while recommender.version.adapter != adapter:
        await asyncio.sleep(0.005)


async def test_nothing_fails_and_every_slate_names_its_version(engine: Engine, tiny: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    for _ in range(VERSIONS):
        publish_adapter(registry, base=tiny, blend=Blend(w_interest=1.0))
    with small_recommender(tmp_path, Settings().prompts_dir, engine, timeout_s=60.0) as recommender:
        slot = RecommenderSlot(recommender)
        async with Swap(registry, partial(load, engine), engine.unload_adapter, slot, grace_s=5.0, look_s=0.05):
            asked = iter(range(REQUESTS))
            told: list[str | None] = []
            by_version: dict[str | None, set[float]] = {}

            async def client(number: int) -> None:
                for _ in asked:
                    ready = await recommender.recommend(RecommendRequest(f"drinker{number % 6}"))
                    assert not ready.slate.degraded, ready.slate.reason
                    told.append(ready.adapter)
                    if number == 0:
                        first = min(ready.slate.scored, key=lambda s: s.item_id)
                        by_version.setdefault(ready.adapter, set()).add(round(first.interest or -1.0, 4))

            async def operator() -> None:
                for turn in range(6):
                    while len(told) < (turn + 1) * REQUESTS // 8:
                        await asyncio.sleep(0.005)
                    label = f"wines/{1 + turn % VERSIONS}"
                    registry.promote(label)
                    await ranked_by(recommender, label.replace("/", "@"))

            async with asyncio.timeout(240), asyncio.TaskGroup() as group:
                group.create_task(operator())
                for number in range(CLIENTS):
                    group.create_task(client(number))
            assert len(told) == REQUESTS
            assert set(told) == {None, "wines@1", "wines@2", "wines@3"}
            # One person, one question: a version's scores are its own, whatever was swapped in beside it.
            assert all(len(scores) == 1 for scores in by_version.values()), by_version
            assert len(set().union(*by_version.values())) == len(by_version)
            started = time.monotonic()
            registry.rollback()
            await ranked_by(recommender, "wines@2")
            assert time.monotonic() - started < 1.0
