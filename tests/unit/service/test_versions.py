"""Adapter versions beside the active one: which are served, and how long they stay loaded."""

import asyncio
from pathlib import Path

import pytest

from convrec.errors import DataError, EngineError, NotFoundError
from convrec.ranking.ranker import RankingVersion
from convrec.service.versions import Versions
from convrec.testing.adapters import publish_adapter
from convrec.testing.engine import FakeEngine
from convrec.training.registry import AdapterVersion, Registry


class _Served(Versions):
    """Versions on an engine that forgets nothing by itself."""

    def __init__(self, folder: Path, active: str | None = None) -> None:
        self.registry, self.engine = Registry(folder), FakeEngine()
        self.broken = False
        super().__init__(
            self.registry, self._fits, self._load_one, self.engine.unload_adapter, active=active, idle=1
        )

    def _fits(self, version: AdapterVersion) -> None:
        if version.manifest.domain != "wines":
            raise DataError("it was trained on other things")

    async def _load_one(self, version: AdapterVersion | None) -> RankingVersion:
        assert version is not None
        if self.broken:
            raise EngineError("cannot be read")
        await self.engine.load_adapter(version.ref)
        return RankingVersion(version.manifest.blend, version.ref.name)


def _publish(served: _Served, count: int = 1) -> list[AdapterVersion]:
    return [publish_adapter(served.registry, domain="wines") for _ in range(count)]


def test_only_accepted_and_fitting_versions_are_served(tmp_path: Path) -> None:
    served = _Served(tmp_path)
    _publish(served)
    publish_adapter(served.registry, domain="wines", accepted=False, reasons=("it is worse",))
    publish_adapter(served.registry, domain="films")
    _publish(served)
    (tmp_path / "wines" / "4" / "manifest.json").write_text("{")
    assert [version.label for version in served.servable()] == ["wines/1"]
    assert served.find("wines@1").label == "wines/1"
    assert served.find("wines/1").label == "wines/1"  # as commands spell it
    with pytest.raises(DataError, match="it is worse"):
        served.find("wines@2")
    with pytest.raises(DataError, match="other things"):
        served.find("wines@3")


@pytest.mark.parametrize("name", ["wines@2", "wines", "@", "../wines@1", "wines@1/", "wines@01", "a@b@c"])
def test_other_names_are_nobody_s(tmp_path: Path, name: str) -> None:
    served = _Served(tmp_path)
    _publish(served)
    with pytest.raises(NotFoundError):
        served.find(name)


async def test_a_version_is_loaded_while_it_is_used_and_few_are_kept_after(tmp_path: Path) -> None:
    served = _Served(tmp_path)
    first, second, third = _publish(served, 3)
    async with served.using(first) as ranking:
        assert ranking.adapter == "wines@1"
        async with served.using(second), served.using(third):
            assert served.engine.adapters == {"wines@1", "wines@2", "wines@3"}
        assert served.engine.adapters == {"wines@1", "wines@2"} or served.engine.adapters == {"wines@1", "wines@3"}
    assert len(served.engine.adapters) == 1


async def test_two_users_of_a_version_let_go_of_it_once_each(tmp_path: Path) -> None:
    served = _Served(tmp_path)
    first, second = _publish(served, 2)
    async with served.using(first):
        async with served.using(first):
            pass
        async with served.using(second):
            pass
        assert "wines@1" in served.engine.adapters


async def test_the_active_version_stays_until_it_is_released(tmp_path: Path) -> None:
    served = _Served(tmp_path, active="wines@1")
    active, second, third = _publish(served, 3)
    await served.engine.load_adapter(active.ref)
    for version in (second, third, second):
        async with served.using(version):
            pass
    assert "wines@1" in served.engine.adapters
    await served.release("wines@1")
    assert len(served.engine.adapters) == 1


async def test_what_cannot_be_loaded_is_not_held(tmp_path: Path) -> None:
    served = _Served(tmp_path)
    (version,) = _publish(served)
    served.broken = True
    with pytest.raises(EngineError, match="cannot be read"):
        await served.hold(version)
    served.broken = False
    async with served.using(version):
        assert served.engine.adapters == {"wines@1"}


async def test_a_cancelled_user_is_no_user_any_more(tmp_path: Path) -> None:
    served = _Served(tmp_path)
    first, second = _publish(served, 2)

    async def use() -> None:
        async with served.using(first):
            await asyncio.sleep(3600)

    task = asyncio.create_task(use())
    while "wines@1" not in served.engine.adapters:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with served.using(second):
        pass
    assert served.engine.adapters == {"wines@2"}
