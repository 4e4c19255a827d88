"""The Ranker Protocol and the context it ranks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from convrec.types import Candidate, Profile, SessionState, Slate


@dataclass(frozen=True, slots=True)
class RankingContext:
    """Whom a slate is for: the profile, the conversation's state and its latest message ("" without one)."""

    profile: Profile
    state: SessionState
    message: str = ""


class Ranker(Protocol):
    """Orders candidates into a slate."""

    async def rank(self, context: RankingContext, candidates: Sequence[Candidate], k: int) -> Slate:
        """The k best candidates as a slate without evidence; degraded instead of raising when the LLM fails."""
        ...
