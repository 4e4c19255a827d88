"""Owns the fitting of the blend: replays held-out interactions through retrieval and the LLM.

The retriever of the replay is fitted without the held-out events; the serving index has seen them and would look
better than it is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.data.interactions import Histories, leave_last_out
from convrec.errors import DataError
from convrec.ledger.profile import build_profile, how_wanted
from convrec.progress import Progress
from convrec.ranking.base import RankingContext
from convrec.ranking.blend import Blend, BlendExample, fit_blend
from convrec.ranking.examples import Example, choice
from convrec.ranking.interest import Interest
from convrec.retrieval.embedding import NoText
from convrec.retrieval.hybrid import fitted_retriever
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
) -> Blend:
    """Fit the blend of the base model on the last event of sampled users.

    Args:
        events: All feedback.
        progress: Called with a fraction in [0, 1] and what was done.

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
    sample = covered[: config.examples]
    interests = []
    for done, example in enumerate(sample, start=1):
        values, _ = await interest.score(example.context, example.candidates)
        interests.append(values)
        progress(done / len(sample), f"{done} of {len(sample)} held-out events")
    return blend_of(sample, interests, len(covered) / len(users))


def blend_of(examples: Sequence[Example], interests: Sequence[Sequence[float]], coverage: float) -> Blend:
    """The blend of examples that neither retriever nor adapter has seen.

    Args:
        examples: In each that retrieval offered, the item that was wanted most is taken as chosen.
        interests: f of every candidate of every example.
        coverage: Share of all held-out events, in [0, 1], that retrieval offered and so became examples.

    Returns:
        The fitted blend; not fitted where there is nothing to learn from.
    """
    try:
        return fit_blend(
            [
                BlendExample(example.retrieval, tuple(values), example.chosen, max(example.labels))
                for example, values in zip(examples, interests, strict=True)
                if example.offered and max(example.labels) > 0
            ],
            coverage,
        )
    except DataError:  # a young ledger
        return Blend()


def _replay(
    train: Histories, held: Histories, users: Sequence[str], catalogue: Catalogue, k: int
) -> list[Example]:
    """What retrieval offers to users as they were before their last event, where it offers that event's item."""
    found, scale = [], catalogue.domain.rating_scale
    events = [event for own in train.values() for event in own]
    with fitted_retriever(catalogue, events, NoText()) as retriever:
        for user_id in users:
            profile = build_profile(user_id, train[user_id], scale)
            query = RetrievalQuery(history=profile.history, exclude=profile.excluded)
            candidates, last = retriever.retrieve(query, k), held[user_id][-1]
            example = last.item_id and choice(
                user_id,
                last.timestamp,
                RankingContext(profile, SessionState()),
                candidates,
                last.item_id,
                how_wanted(last, scale),
                event_ids=(last.event_id,),
            )
            if example:
                found.append(example)
    return found
