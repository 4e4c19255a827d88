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

from convrec.data.catalogue import Catalogue
from convrec.data.interactions import Histories, leave_last_out
from convrec.errors import DataError
from convrec.ledger.profile import build_profile
from convrec.progress import Progress
from convrec.ranking.base import RankingContext
from convrec.ranking.blend import Blend, BlendExample, fit_blend
from convrec.ranking.examples import Example, choice
from convrec.ranking.interest import Interest
from convrec.retrieval.embedding import NoText
from convrec.retrieval.hybrid import HybridRetriever
from convrec.retrieval.index import build_index, open_index
from convrec.types import FeedbackEvent, RetrievalQuery, SessionState


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
    return await fit_on(covered[: config.examples], len(covered) / len(users), interest, progress, adapter)


async def fit_on(
    examples: Sequence[Example],
    coverage: float,
    interest: Interest,
    progress: Progress,
    adapter: str | None = None,
) -> Blend:
    """Fit the blend on examples that neither retriever nor adapter has seen.

    Args:
        examples: In each, the item that was wanted most is taken as chosen.
        coverage: Share of all held-out events, in [0, 1], that retrieval offered and so became examples.
        progress, adapter: As for `calibrate`.

    Returns:
        The fitted blend; not fitted where there is nothing to learn from.
    """
    fitted = []
    for done, example in enumerate(examples, start=1):
        values, _ = await interest.score(example.context, example.item_ids, adapter)
        fitted.append(BlendExample(example.retrieval, tuple(values), example.chosen))
        progress(done / len(examples), f"{done} of {len(examples)} held-out events")
    try:
        return fit_blend(fitted, coverage)
    except DataError:  # a young ledger
        return Blend()


def _replay(
    train: Histories, held: Histories, users: Sequence[str], catalogue: Catalogue, k: int
) -> list[Example]:
    """What retrieval offers to users as they were before their last event, where it offers that event's item."""
    found = []
    embedder = NoText()
    with tempfile.TemporaryDirectory(prefix="convrec-") as folder:
        build_index(Path(folder), catalogue, [e for events in train.values() for e in events], embedder)
        with open_index(Path(folder), embedder) as index:
            retriever = HybridRetriever(index, catalogue, embedder)
            for user_id in users:
                profile = build_profile(user_id, train[user_id], catalogue.domain.rating_scale)
                query = RetrievalQuery(history=profile.history, exclude=profile.excluded)
                candidates, last = retriever.retrieve(query, k), held[user_id][-1]
                example = last.item_id and choice(
                    user_id,
                    last.timestamp,
                    RankingContext(profile, SessionState()),
                    candidates,
                    last.item_id,
                    event_ids=(last.event_id,),
                )
                if example:
                    found.append(example)
    return found
