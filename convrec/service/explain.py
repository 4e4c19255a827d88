"""Owns the answer to "why this?" and "why not that?": one item, scored as a slate's own, and what carries it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from convrec.data.catalogue import Catalogue
from convrec.dialogue.evidence import EvidenceFinder
from convrec.dialogue.placement import Placement, bars
from convrec.errors import NotFoundError
from convrec.ranking.base import RankingContext
from convrec.ranking.ranker import BlendRanker
from convrec.retrieval.base import Retriever
from convrec.types import Candidate, Evidence, EvidenceKind, RetrievalQuery, Slate

_LOOKED = 300
_MOST = 5
"""History items that are named."""
_REREAD = 3
"""Of those, how many the language model is asked about: each costs it a prefix."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains items.

    Args:
        catalogue, retriever, ranker, evidence: What made the slate.
        candidates: How many items the language model scores for a slate.
    """

    catalogue: Catalogue
    retriever: Retriever
    ranker: BlendRanker
    evidence: EvidenceFinder
    candidates: int

    async def explain(
        self, item_id: str, context: RankingContext, query: RetrievalQuery, k: int, slate: Slate | None = None
    ) -> Placement:
        """Where an item stands and what carries it.

        Args:
            context, query: As for the slate.
            k: Length of the slate.
            slate: It, where it was made already.

        Raises:
            NotFoundError: The catalogue has no such item.
            IndexUnavailableError: Retrieval is impossible.
        """
        if item_id not in self.catalogue:
            raise NotFoundError(f"no item {item_id!r} in the catalogue; ingest it first")
        found = await asyncio.to_thread(self.retriever.retrieve, query, max(self.candidates, k, _LOOKED))
        if slate is None:
            slate = await self.ranker.rank(context, found[: max(self.candidates, k)], k)
        barred = bars(item_id, context.state, context.profile, query, self.catalogue)
        scale = self.ranker.version.blend.w_retrieval
        own = next((s for s in slate.scored if s.item_id == item_id), None)
        if own is not None:
            score = own.score
        else:
            ((retrieval,),) = await asyncio.to_thread(self.retriever.rescore, query, [item_id], [query])
            score = scale * retrieval
        (evidence,) = await asyncio.to_thread(
            self.evidence.explain, [item_id], context.state, context.profile, query, scale, _MOST
        )
        shown = slate.recommendations
        return Placement(
            item=self.catalogue[item_id],
            bars=barred,
            evidence=await self._reread(item_id, context, found, evidence) if own is not None else evidence,
            score=score,
            shown=len(shown),
            rank=None if barred else _rank(item_id, slate, found),
            looked=len(found),
            shown_score=shown[-1].score if shown else None,
            interest=own.interest if own is not None else None,
        )

    async def _reread(
        self, item_id: str, context: RankingContext, found: Sequence[Candidate], evidence: Sequence[Evidence]
    ) -> tuple[Evidence, ...]:
        """Evidence whose first history items also count what the language model makes of them."""
        candidate = next(c for c in found if c.item_id == item_id)
        whole = await self.ranker.told(context, candidate)
        if whole is None:
            return tuple(evidence)
        reread, asked = [], 0
        for fact in evidence:
            if fact.kind is EvidenceKind.HISTORY and fact.item_id and fact.effect is not None and asked < _REREAD:
                asked += 1
                less = await self.ranker.told(_forgetting(context, fact.item_id), candidate)
                if less is not None:
                    fact = replace(fact, effect=fact.effect + whole - less)
            reread.append(fact)
        return tuple(reread)


def _rank(item_id: str, slate: Slate, found: Sequence[Candidate]) -> int | None:
    order = list(dict.fromkeys([*(s.item_id for s in slate.scored), *(c.item_id for c in found)]))
    return order.index(item_id) + 1 if item_id in order else None


def _forgetting(context: RankingContext, item_id: str) -> RankingContext:
    """The context of the same person if they had never met an item."""
    profile, state = context.profile, context.state
    return replace(
        context,
        profile=replace(
            profile,
            history=tuple(entry for entry in profile.history if entry.item_id != item_id),
            liked=tuple(i for i in profile.liked if i != item_id),
            disliked=tuple(i for i in profile.disliked if i != item_id),
        ),
        state=replace(state, mentions=tuple(m for m in state.mentions if m.item_id != item_id)),
    )
