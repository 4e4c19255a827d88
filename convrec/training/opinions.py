"""Owns examples from what people thought of items: ratings, likes and dislikes, without a slate they were made on.

y is the rating's place on its scale; 1 for LIKE and PURCHASE, 0 for DISLIKE and NOT_INTERESTED. Choices say what a
person turns to; opinions say what they make of it, and are the only examples in which unwanted items were known.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.ledger.profile import build_profile, opinion, standing
from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.retrieval.hybrid import HybridRetriever
from convrec.types import FeedbackEvent, Profile, RetrievalQuery, SessionState


@dataclass(frozen=True, slots=True)
class Opinions:
    """What a person thought of a few items, one after the other.

    Args:
        profile: Before the first of them.
        events: Of the items; none is in the profile.
        labels: y of each, in [0, 1].
    """

    profile: Profile
    events: tuple[FeedbackEvent, ...]
    labels: tuple[float, ...]

    @property
    def unit(self) -> str:
        """The person."""
        return self.profile.user_id


def opinion_groups(
    events: Iterable[FeedbackEvent], catalogue: Catalogue, items: int, groups: int, since: float = -math.inf
) -> list[Opinions]:
    """Each person's last opinions from a moment on, cut into groups of at most `items`, at most `groups` of them.

    A group whose opinions are all alike is left out, and so is one without a history.
    """
    by_user: defaultdict[str, list[FeedbackEvent]] = defaultdict(list)
    for event in standing(events):
        by_user[event.user_id].append(event)
    scale = catalogue.domain.rating_scale
    found = []
    for user_id, own in by_user.items():
        end = len(own)
        for _ in range(groups):
            start = max(end - items, 1)
            profile = build_profile(user_id, own[:start], scale)
            told = {
                event.item_id: (event, thought)
                for event in own[start:end]
                if event.item_id in catalogue
                and event.item_id not in profile.excluded
                and event.timestamp >= since
                and (thought := opinion(event, scale)) is not None
            }
            labels = tuple(label for _, label in told.values())
            if profile.history and len(set(labels)) > 1:
                found.append(Opinions(profile, tuple(event for event, _ in told.values()), labels))
            end = start
            if end <= 1:
                break
    return found


def expressed(opinions: Sequence[Opinions], retriever: HybridRetriever) -> list[Example]:
    """Opinions as examples, with the scores of a retriever that has not seen them."""
    examples = []
    for group in opinions:
        ids = tuple(event.item_id or "" for event in group.events)
        found = retriever.assess(RetrievalQuery(history=group.profile.history), ids)
        examples.append(
            Example(
                group.unit,
                group.events[0].timestamp,
                RankingContext(group.profile, SessionState()),
                ids,
                tuple(candidate.score for candidate in found),
                group.labels,
                (1.0,) * len(ids),
                tuple(event.event_id for event in group.events),
                expected=tuple(candidate.expected for candidate in found),
                offered=False,
            )
        )
    return examples
