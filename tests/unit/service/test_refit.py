import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convrec.data.catalogue import Catalogue
from convrec.errors import IndexUnavailableError, LedgerError
from convrec.retrieval.hybrid import HybridRetriever
from convrec.retrieval.index import Index, build_index, open_index
from convrec.service.refit import Refit
from convrec.service.slot import RecommenderSlot
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender, wine_list
from convrec.testing.retriever import HashEmbedder
from convrec.types import Item

PROMPTS = Path(__file__).parents[3] / "prompts"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_index(tmp_path / "index", wine_list(), [], HashEmbedder(), ledger_position=10)
    return tmp_path / "index"


@pytest.fixture
def recommenders(tmp_path: Path) -> Iterator[list[object]]:
    with (
        small_recommender(_made(tmp_path / "a"), PROMPTS, FakeEngine()) as old,
        small_recommender(_made(tmp_path / "b"), PROMPTS, FakeEngine()) as new,
    ):
        yield [old, new]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


class World:
    """A ledger's position, rebuilding at it, and a shelf that serves a new recommender by what was rebuilt."""

    def __init__(self, folder: Path, slot: RecommenderSlot, new: object) -> None:
        self.folder, self.slot, self.new, self.position, self.rebuilt = folder, slot, new, 10, 0
        self.fail = self.refuse = False
        self.newer = self.erased = 0

    async def take(self, index: Index) -> None:
        if self.refuse:
            raise LedgerError("no catalogue")
        self.slot.fill(self.new)  # type: ignore[arg-type]
        self.newer = 0

    def rebuild(self, earlier: Index) -> Index:
        if self.fail:
            raise IndexUnavailableError("no space left")
        self.rebuilt += 1
        build_index(self.folder, wine_list(), [], HashEmbedder(), ledger_position=self.position, earlier=earlier)
        return open_index(self.folder, HashEmbedder())

    def refit(self, index: Index, events: int = 5, grace_s: float = 0.2) -> Refit:
        return Refit(
            self,  # type: ignore[arg-type]
            index,
            lambda: self.position,
            self.rebuild,
            events,
            grace_s,
            look_s=0.02,
            erased=lambda: self.erased,
        )


async def until(true: object, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # type: ignore[operator]
            await asyncio.sleep(0.02)


async def test_enough_new_events_switch_to_a_new_index_and_close_the_old(
    folder: Path, recommenders: list[object]
) -> None:
    old, new = recommenders
    slot = RecommenderSlot(old)  # type: ignore[arg-type]
    world = World(folder, slot, new)
    index = open_index(folder, HashEmbedder())
    async with world.refit(index):
        world.position = 14
        await asyncio.sleep(0.2)
        assert world.rebuilt == 0
        world.position = 15
        await until(lambda: slot.get() is new)
        # Turns under way may still use the old one.
        assert index.store.count("text") == 30
        await until(lambda: len([path for path in folder.iterdir() if path.is_dir()]) == 1)
        await asyncio.sleep(0.2)
        assert world.rebuilt == 1
    open_index(folder, HashEmbedder()).close()


async def test_enough_changes_of_items_call_for_a_refit(folder: Path, recommenders: list[object]) -> None:
    old, new = recommenders
    slot = RecommenderSlot(old)  # type: ignore[arg-type]
    world = World(folder, slot, new)
    async with world.refit(open_index(folder, HashEmbedder()), grace_s=0.1):
        world.newer = 5
        await until(lambda: slot.get() is new)
        await asyncio.sleep(0.2)
        assert world.rebuilt == 1


async def test_a_refit_that_fails_leaves_what_serves(folder: Path, recommenders: list[object]) -> None:
    old, new = recommenders
    slot = RecommenderSlot(old)  # type: ignore[arg-type]
    world = World(folder, slot, new)
    world.fail, world.position = True, 99
    index = open_index(folder, HashEmbedder())
    async with world.refit(index, grace_s=0.1):
        await asyncio.sleep(0.3)
        assert slot.get() is old
        assert index.store.count("text") == 30
        world.fail = False
        await until(lambda: slot.get() is new)


async def test_an_index_that_cannot_be_served_is_closed_and_the_old_one_serves(
    folder: Path, recommenders: list[object]
) -> None:
    old, new = recommenders
    slot = RecommenderSlot(old)  # type: ignore[arg-type]
    world = World(folder, slot, new)
    world.refuse, world.position = True, 99
    index = open_index(folder, HashEmbedder())
    async with world.refit(index, grace_s=0.1):
        await until(lambda: world.rebuilt)
        await asyncio.sleep(0.05)
        assert slot.get() is old
        assert index.store.count("text") == 30
    open_index(folder, HashEmbedder()).close()


async def test_zero_events_mean_never(folder: Path, recommenders: list[object]) -> None:
    world = World(folder, RecommenderSlot(recommenders[0]), recommenders[1])  # type: ignore[arg-type]
    world.position = 10**6
    async with world.refit(open_index(folder, HashEmbedder()), events=0):
        await asyncio.sleep(0.2)
    assert world.rebuilt == 0
    open_index(folder, HashEmbedder()).close()


async def test_an_erasure_is_refitted_at_once_and_once(folder: Path, recommenders: list[object]) -> None:
    old, new = recommenders
    slot = RecommenderSlot(old)  # type: ignore[arg-type]
    world = World(folder, slot, new)
    async with world.refit(open_index(folder, HashEmbedder()), events=0):
        world.position = world.erased = 11
        await until(lambda: slot.get() is new)
        await asyncio.sleep(0.2)
    assert world.rebuilt == 1


def test_texts_that_did_not_change_are_not_embedded_again(folder: Path) -> None:
    class Once(HashEmbedder):
        asked = 0

        def embed(self, texts):  # type: ignore[no-untyped-def]
            self.asked += len(texts)
            return super().embed(texts)

    embedder, wines = Once(), wine_list()
    changed = replace(wines["w03"], title="Another")
    with open_index(folder, embedder) as earlier:
        embedder.asked = 0
        build_index(folder, wines, [], embedder, earlier=earlier)
        assert embedder.asked == 1  # the probe
        build_index(
            folder, Catalogue([*wines.values(), Item("new", "New")], wines.domain), [], embedder, earlier=earlier
        )
        assert embedder.asked == 1 + 2
        newer = Catalogue([changed, *(wines[i] for i in wines.ids[4:])], wines.domain)
        HybridRetriever(earlier, newer, embedder)
        build_index(folder, newer, [], embedder, earlier=earlier)
        assert embedder.asked == 1 + 2 + 2, "what a retriever has embedded is taken from it"
    with open_index(folder, embedder) as opened:
        expected = HashEmbedder().embed([newer.describe(newer[i]) for i in newer.ids])
        assert np.allclose(opened.text_N_D, expected, atol=1e-6)
