"""A small, whole Recommender over a wine list, for tests of what stands on it. Only its models are fakes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine as Database

from convrec.data.catalogue import Catalogue, CatalogueStore
from convrec.database import open_database
from convrec.dialogue.evidence import EvidenceFinder
from convrec.dialogue.reply import ReplyWriter
from convrec.dialogue.tongues import Tongues
from convrec.dialogue.understanding import Understanding
from convrec.engine.base import Engine
from convrec.ledger.ledger import Ledger
from convrec.prompting import Prompts
from convrec.ranking.blend import Blend
from convrec.ranking.interest import Interest
from convrec.ranking.ranker import BlendRanker, RankingVersion
from convrec.retrieval.hybrid import HybridRetriever
from convrec.retrieval.index import Index, build_index, open_index
from convrec.service.erase import erase
from convrec.service.jobs import Jobs, TrainingRequest
from convrec.service.keys import KeyStore
from convrec.service.listening import Listener
from convrec.service.recommender import Recommender
from convrec.service.shelf import Shelf
from convrec.service.slot import Office, RecommenderSlot
from convrec.service.versions import Versions
from convrec.settings import Settings
from convrec.testing.retriever import HashEmbedder
from convrec.training.registry import AdapterVersion, Registry
from convrec.types import Domain, Facet, FacetType, FeedbackEvent, FeedbackType, Item

_BLEND = Blend(w_interest=0.1)
_GRAPES = ("Riesling", "Syrah", "Malbec", "Pinot Noir", "Chardonnay")
_PLACES = ("Amber Hill", "Stone Bridge", "Long Meadow", "Silver Creek", "Old Chapel", "North Terrace")

WINES = Domain(
    name="wines",
    noun="wine",
    plural="wines",
    verb="drink",
    past="drunk",
    shown=("price", "grape"),
    facets=(Facet("grape", FacetType.SET), Facet("price", FacetType.RANGE, more=("dearer",), less=("cheaper",))),
    rating_scale=(1.0, 5.0),
)


KNOWN = {
    "item_id": ("w01", "w05", "w29", "new wine"),
    "user_id": ("drinker1", "drinker2", "somebody new"),
    "session_id": ("s1", "s/2"),
    "facet": ("grape", "price"),
    "model": ("convrec",),
    "model_id": ("convrec",),
    "name": ("wines",),
    "version": ("1",),
}
"""Parameters and fields of requests -> values that mean something to a small server."""


def wine_list() -> Catalogue:
    """30 wines, w00 to w29: every grape from every place; the last one's title is markup."""
    pairs = [(grape, place) for place in _PLACES for grape in _GRAPES]
    items = [
        Item(f"w{n:02}", f"{place} {grape} Reserve", {"grape": (grape,), "price": 5 + n})
        for n, (grape, place) in enumerate(pairs)
    ]
    hostile = Item(items[-1].item_id, "<b onmouseover=alert(1)>${7*7}</b> *Reserve*", items[-1].attributes)
    return Catalogue([*items[:-1], hostile], WINES)


def no_training(request: TrainingRequest, events: Path) -> Sequence[str]:  # noqa: ARG001
    """A training that ends at once, with nothing."""
    return (sys.executable, "-c", "")


@contextmanager
def small_recommender(
    folder: Path, prompts_dir: Path, engine: Engine, timeout_s: float = 5.0, url: str | None = None
) -> Iterator[Recommender]:
    """A Recommender on a ledger and an index of its own; drinker0 to drinker5 have liked eight wines each.

    Args:
        folder: Empty; the ledger and the index are made in it.
        prompts_dir: Where the prompts are.
        engine: Started by the caller if it must be.
        timeout_s: Seconds after which slates degrade.
        url: Of the ledger's database; SQLite in the folder when None.
    """
    with _cellar(folder, prompts_dir, engine, timeout_s, url) as cellar:
        yield cellar.recommender(cellar.index, wine_list())


@contextmanager
def small_server(
    folder: Path,
    prompts_dir: Path,
    engine: Engine,
    training: Callable[[TrainingRequest, Path], Sequence[str]] = no_training,
) -> Iterator[RecommenderSlot]:
    """The same in a slot, with adapters and prompts to name, and an office that can change what operators change.

    Args:
        training: The command of a job.
    """
    with _cellar(folder, prompts_dir, engine, 5.0) as cellar:
        store = CatalogueStore(cellar.database)
        store.upsert(list(wine_list().values()))
        registry = Registry(folder / "adapters")
        versions = Versions(registry, lambda _: None, cellar.version, engine.unload_adapter)
        recommender = cellar.recommender(cellar.index, wine_list())
        slot = RecommenderSlot(recommender, versions=versions, prompts=cellar.prompts)
        shelf = Shelf(slot, store, lambda: store.load(WINES), cellar.recommender, cellar.index)
        jobs = Jobs(folder / "jobs", training, folder / "retrain.log")
        settings = Settings(data_dir=folder)
        keys = KeyStore(cellar.database)
        slot.open(
            Office(shelf, registry, jobs, lambda user_id: erase(user_id, cellar.ledger, registry, keys, settings))
        )
        yield slot


@dataclass(frozen=True, slots=True)
class _Cellar:
    """What recommenders of wines are made of."""

    database: Database
    ledger: Ledger
    index: Index
    embedder: HashEmbedder
    prompts: Prompts
    engine: Engine
    timeout_s: float

    async def version(self, adapter: AdapterVersion | None) -> RankingVersion:
        """An adapter, loaded, and its blend; None is the base model."""
        if adapter is None:
            return RankingVersion(_BLEND)
        await self.engine.load_adapter(adapter.ref)
        return RankingVersion(adapter.manifest.blend, adapter.ref.name)

    def recommender(self, index: Index, catalogue: Catalogue, before: Recommender | None = None) -> Recommender:
        """A recommender for an index and a catalogue."""
        retriever = HybridRetriever(index, catalogue, self.embedder)
        return Recommender(
            catalogue=catalogue,
            ledger=self.ledger,
            retriever=retriever,
            ranker=BlendRanker(
                Interest(self.engine, self.prompts.load("rank"), catalogue),
                RankingVersion(_BLEND),
                catalogue,
                self.timeout_s,
                before.breaker if before else None,
            ),
            engine=self.engine,
            listener=Listener(Understanding(catalogue)),
            evidence=EvidenceFinder(catalogue, retriever),
            writer=ReplyWriter(self.engine, self.prompts, catalogue, tongues=Tongues(self.prompts.folder)),
            candidates=20,
            k=5,
        )


@contextmanager
def _cellar(
    folder: Path, prompts_dir: Path, engine: Engine, timeout_s: float, url: str | None = None
) -> Iterator[_Cellar]:
    catalogue, embedder = wine_list(), HashEmbedder()
    database = open_database(url or f"sqlite:///{folder / 'ledger.db'}")
    ledger = Ledger(database)
    ledger.append_many(_likes(catalogue.ids))
    build_index(folder / "index", catalogue, ledger.feedback(), embedder)
    index = open_index(folder / "index", embedder)
    try:
        yield _Cellar(database, ledger, index, embedder, Prompts(prompts_dir), engine, timeout_s)
    finally:
        index.close()
        database.dispose()


def _likes(item_ids: Sequence[str]) -> list[FeedbackEvent]:
    """Each drinker likes two grapes from four of the six places: every wine left has company that was liked."""
    return [
        FeedbackEvent(f"e-{user}-{item_id}", f"drinker{user}", FeedbackType.LIKE, 1e9 + n, item_id)
        for user in range(6)
        for n, item_id in enumerate(item_ids)
        if (n - user) % len(_GRAPES) < 2 and (n // len(_GRAPES) + user) % 3
    ]
