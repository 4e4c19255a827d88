"""Owns the fitting of the blend: replays held-out interactions through retrieval and the LLM.

The retriever of the replay is fitted without the held-out events; the serving index has seen them and would look
better than it is.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convrec.data.catalogue import Catalogue
from convrec.data.interactions import Histories, leave_last_out
from convrec.errors import DataError
from convrec.ledger.profile import build_profile
from convrec.progress import Progress
from convrec.ranking.base import RankingContext
from convrec.ranking.blend import Blend, BlendExample, fit_blend
from convrec.ranking.interest import Interest
from convrec.retrieval.base import Floats
from convrec.retrieval.hybrid import HybridRetriever
from convrec.retrieval.index import build_index, open_index
from convrec.types import Candidate, FeedbackEvent, Profile, RetrievalQuery, SessionState


@dataclass(frozen=True, slots=True)
class CalibrationConfig:
    """How much evidence the blend rests on.

    Args:
        examples: Held-out events, among those that retrieval covers, that the LLM scores.
        users: Users whose last event is held out to measure coverage.
        candidates: Items per example, as in serving.
        seed: Which users.
    """

    examples: int = 40
    users: int = 400
    candidates: int = 20
    seed: int = 0


async def calibrate(
    events: Iterable[FeedbackEvent],
    catalogue: Catalogue,
    interest: Interest,
    config: CalibrationConfig,
    progress: Progress,
    adapter: str | None = None,
) -> Blend:
    """Fit the blend on the last event of sampled users.

    Args:
        events: All feedback.
        progress: Called with a fraction in [0, 1] and what was done.
        adapter: The adapter version that scores; None is the base model.

    Returns:
        The fitted blend; not fitted (retrieval alone) where no event can be held out or none is covered.

    Raises:
        EngineError: The LLM could not score.
    """
    train, held = leave_last_out(events)
    if not held:
        return Blend()
    users = random.Random(config.seed).sample(sorted(held), min(config.users, len(held)))
    covered = await asyncio.to_thread(_replay, train, held, users, catalogue, config.candidates)
    examples = []
    sample = covered[: config.examples]
    for done, replayed in enumerate(sample, start=1):
        ids = [c.item_id for c in replayed.candidates]
        values, _ = await interest.score(RankingContext(replayed.profile, SessionState()), ids, adapter)
        scores = tuple(c.score for c in replayed.candidates)
        examples.append(BlendExample(scores, tuple(values), ids.index(replayed.target)))
        progress(done / len(sample), f"{done} of {len(sample)} held-out events")
    try:
        return fit_blend(examples, coverage=len(covered) / len(users))
    except DataError:  # nothing to learn from: a young ledger
        return Blend()


@dataclass(frozen=True, slots=True)
class _Replayed:
    profile: Profile
    candidates: list[Candidate]
    target: str


def _replay(
    train: Histories, held: Histories, users: Sequence[str], catalogue: Catalogue, k: int
) -> list[_Replayed]:
    """What retrieval offers to users as they were before their last event, where it offers that event's item."""
    found = []
    embedder = _NoText()
    with tempfile.TemporaryDirectory(prefix="convrec-") as folder:
        build_index(Path(folder), catalogue, [e for events in train.values() for e in events], embedder)
        with open_index(Path(folder), embedder) as index:
            retriever = HybridRetriever(index, catalogue, embedder)
            for user_id in users:
                profile = build_profile(user_id, train[user_id], catalogue.domain.rating_scale)
                candidates = retriever.retrieve(
                    RetrievalQuery(history=profile.history, exclude=profile.excluded), k
                )
                target = held[user_id][-1].item_id
                if target is not None and target in {c.item_id for c in candidates}:
                    found.append(_Replayed(profile, candidates, target))
    return found


class _NoText:
    """Stands in for the embedder of an index that nobody asks for text."""

    dimension = 1

    def embed(self, texts: Sequence[str]) -> Floats:
        return np.ones((len(texts), 1), np.float32)
