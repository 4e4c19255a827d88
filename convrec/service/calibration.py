"""Owns the fitting of the blend: replays held-out interactions through retrieval and the LLM.

The retriever of the replay is fitted without the held-out events; the serving index has seen them and would look
better than it is.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from convrec.data.catalogue import Catalogue
from convrec.data.interactions import leave_last_out
from convrec.errors import DataError
from convrec.ledger.profile import build_profile
from convrec.ranking.base import RankingContext
from convrec.ranking.blend import Blend, BlendExample, fit_blend
from convrec.ranking.interest import Interest
from convrec.retrieval.base import Retriever
from convrec.types import FeedbackEvent, Profile, RetrievalQuery, SessionState


@dataclass(frozen=True, slots=True)
class CalibrationConfig:
    """How much evidence the blend rests on.

    Args:
        examples: Held-out events, among those that retrieval covers, that the LLM scores.
        users: Users whose last event is held out to measure coverage.
        candidates: Items per example, as in serving.
        seed: Which users.
    """

    examples: int = 60
    users: int = 400
    candidates: int = 20
    seed: int = 0


async def calibrate(
    events: Iterable[FeedbackEvent],
    catalogue: Catalogue,
    interest: Interest,
    make_retriever: Callable[[Path, list[FeedbackEvent]], Retriever],
    config: CalibrationConfig,
    progress: Callable[[float, str], None],
) -> Blend:
    """Fit the blend on each sampled user's last event.

    Args:
        make_retriever: Builds a retriever from events in a folder that is gone afterwards.
        progress: Called with a fraction in [0, 1] and what was done.

    Returns:
        The fitted blend; not fitted (retrieval alone) where no event can be held out or none is covered.

    Raises:
        EngineError: The LLM could not score.
    """
    train, held = leave_last_out(events)
    if not held:
        return Blend()
    with tempfile.TemporaryDirectory(prefix="convrec-") as folder:
        retriever = make_retriever(Path(folder), [e for user in train.values() for e in user])
        users = random.Random(config.seed).sample(sorted(held), min(config.users, len(held)))
        covered: list[tuple[Profile, list[str], list[float], int]] = []
        for user_id in users:
            profile = build_profile(user_id, train[user_id], catalogue.domain.rating_scale)
            query = RetrievalQuery(history=profile.history, exclude=profile.excluded)
            candidates = retriever.retrieve(query, config.candidates)
            ids, target = [c.item_id for c in candidates], held[user_id][-1].item_id
            if target in ids:
                covered.append((profile, ids, [c.score for c in candidates], ids.index(target)))
    examples = []
    sample = covered[: config.examples]
    for done, (profile, ids, scores, chosen) in enumerate(sample, start=1):
        values, _ = await interest.score(RankingContext(profile, SessionState()), ids)
        examples.append(BlendExample(tuple(scores), tuple(values), chosen))
        progress(done / len(sample), f"{done} of {len(sample)} held-out events")
    try:
        return fit_blend(examples, coverage=len(covered) / len(users))
    except DataError:
        return Blend()
