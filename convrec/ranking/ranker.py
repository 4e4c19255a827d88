"""Owns the slate: orders candidates by the blend of retrieval and LLM interest, degrading when the LLM fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.engine.base import OpenPrompt
from convrec.errors import EngineError, NotFoundError
from convrec.prompting import Prompt
from convrec.ranking.base import RankingContext
from convrec.ranking.blend import Blend, logit
from convrec.ranking.breaker import Breaker
from convrec.ranking.interest import Interest
from convrec.types import Candidate, Recommendation, ScoredCandidate, Slate


@dataclass(frozen=True, slots=True)
class RankingVersion:
    """What is learned of ranking: an adapter and the blend that was fitted with it.

    Args:
        blend: Weights of retrieval and LLM.
        adapter: Name of a loaded adapter version; None is the base model.
        prompt: What asks the LLM; None is the prompt that all are asked by.
    """

    blend: Blend
    adapter: str | None = None
    prompt: Prompt | None = None


class BlendRanker:
    """The Ranker that the service uses.

    Args:
        interest: Scores items with the LLM.
        version: What ranks. It may be replaced at any time: a slate is made by one version from start to end.
        catalogue: Where the items of the slate come from.
        timeout_s: Seconds after which the slate is retrieval's own, and those after it until the LLM is well.
        breaker: Of an earlier ranker with the same engine, which knows whether that is well; a new one where None.
    """

    def __init__(
        self,
        interest: Interest,
        version: RankingVersion,
        catalogue: Catalogue,
        timeout_s: float,
        breaker: Breaker | None = None,
    ) -> None:
        self._interest = interest
        self.version = version
        self._catalogue = catalogue
        self.breaker = breaker or Breaker(interest.probe, timeout_s)

    async def rank(
        self,
        context: RankingContext,
        candidates: Sequence[Candidate],
        k: int,
        version: RankingVersion | None = None,
    ) -> Slate:
        """The k best candidates as a slate without evidence; ties go to the better retrieved.

        Args:
            version: What ranks this slate, its adapter loaded; None is the one that ranks all.
        """
        version = version or self.version
        interest = self._interest if version.prompt is None else self._interest.asked_by(version.prompt)
        values: Sequence[float | None]
        prompt_hash, reason = "", ""
        try:
            values, prompt_hash = await self.breaker.call(
                lambda: interest.score(context, candidates, version.adapter)
            )
        except (EngineError, NotFoundError) as error:
            values, reason = [None] * len(candidates), str(error)
        scored = sorted(
            (
                ScoredCandidate(c.item_id, c.score, f, version.blend.score(c.score, f))
                for c, f in zip(candidates, values, strict=True)
            ),
            key=lambda s: -s.score,
        )
        # Fitted without a request, where the best retrieval score is 1; a request adds to all of them.
        scale = max([1.0, *(c.score for c in candidates)])
        state = context.state
        asked = bool(state.query or state.mentions or state.constraints)
        return Slate(
            recommendations=tuple(
                self._recommend(s, rank, scale, version.blend, asked) for rank, s in enumerate(scored[:k], start=1)
            ),
            scored=tuple(scored),
            degraded=bool(reason),
            reason=reason,
            prompt_hash=prompt_hash,
            adapter=version.adapter,
        )

    async def told(self, context: RankingContext, candidate: Candidate) -> float | None:
        """What the LLM adds to one candidate's score; None where it has no weight or cannot be asked."""
        version = self.version
        if version.blend.w_interest == 0.0:
            return None
        try:
            (value,), _ = await self.breaker.call(
                lambda: self._interest.score(context, [candidate], version.adapter)
            )
        except (EngineError, NotFoundError):
            return None
        return version.blend.w_interest * logit(value)

    def opened(self, context: RankingContext) -> OpenPrompt:
        """What the engine has read of a person to rank for them; see Interest.opened."""
        return self._interest.opened(context)

    def _recommend(
        self, scored: ScoredCandidate, rank: int, scale: float, blend: Blend, asked: bool
    ) -> Recommendation:
        fitted = blend.score(scored.retrieval / scale, scored.interest)
        return Recommendation(
            item=self._catalogue[scored.item_id],
            rank=rank,
            score=scored.score,
            match=blend.match(fitted),
            interest=scored.interest,
            retrieval=scored.retrieval,
            match_interval=None if asked or scored.interest is None else blend.match_interval(fitted),
        )
