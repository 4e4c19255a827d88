"""A small, whole Recommender over a wine list, for tests of what stands on it. Only its models are fakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from convrec.data.catalogue import Catalogue
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
from convrec.retrieval.index import build_index, open_index
from convrec.service.recommender import Recommender
from convrec.testing.retriever import HashEmbedder
from convrec.types import Domain, Facet, FacetType, FeedbackEvent, FeedbackType, Item

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


def wine_list() -> Catalogue:
    """30 wines, w00 to w29: every grape from every place; the last one's title is markup."""
    pairs = [(grape, place) for place in _PLACES for grape in _GRAPES]
    items = [
        Item(f"w{n:02}", f"{place} {grape} Reserve", {"grape": (grape,), "price": 5 + n})
        for n, (grape, place) in enumerate(pairs)
    ]
    hostile = Item(items[-1].item_id, "<b onmouseover=alert(1)>${7*7}</b> *Reserve*", items[-1].attributes)
    return Catalogue([*items[:-1], hostile], WINES)


@contextmanager
def small_recommender(
    folder: Path, prompts_dir: Path, engine: Engine, timeout_s: float = 5.0
) -> Iterator[Recommender]:
    """A Recommender on a ledger and an index of its own; drinker0 to drinker5 have liked eight wines each.

    Args:
        folder: Empty; the ledger and the index are made in it.
        prompts_dir: Where the prompts are.
        engine: Started by the caller if it must be.
        timeout_s: Seconds after which slates degrade.
    """
    catalogue, embedder, database = wine_list(), HashEmbedder(), open_database(f"sqlite:///{folder / 'ledger.db'}")
    ledger = Ledger(database)
    ledger.append_many(_likes(catalogue.ids))
    build_index(folder / "index", catalogue, ledger.feedback(), embedder)
    index = open_index(folder / "index", embedder)
    try:
        retriever = HybridRetriever(index, catalogue, embedder)
        prompts = Prompts(prompts_dir)
        yield Recommender(
            catalogue=catalogue,
            ledger=ledger,
            retriever=retriever,
            ranker=BlendRanker(
                Interest(engine, prompts.load("rank"), catalogue),
                RankingVersion(Blend(w_interest=0.1)),
                catalogue,
                timeout_s,
            ),
            engine=engine,
            understanding=Understanding(catalogue),
            evidence=EvidenceFinder(catalogue, retriever),
            writer=ReplyWriter(engine, prompts, catalogue, tongues=Tongues(prompts_dir)),
            candidates=20,
            k=5,
        )
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
