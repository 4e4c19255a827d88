"""Owns what rankers are fitted and judged on: what retrieval offered at a moment, and what was wanted of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.ledger.profile import build_profile
from convrec.ranking.base import RankingContext
from convrec.types import Candidate, FeedbackEvent, Mention, Polarity, RetrievalQuery, SessionState


@dataclass(frozen=True, slots=True)
class Example:
    """One moment of one person.

    Args:
        user_id: Whose; what a bootstrap resamples and a deletion removes.
        moment: Seconds since the epoch.
        context: Whom the items were offered to, as it was then.
        item_ids: C candidates as retrieval offered them, distinct; nothing was added to them.
        retrieval: Their retrieval scores.
        labels: How much each was wanted, in [0, 1].
        weights: How much each label counts, >= 0.
        event_ids: The events that the labels come from.
        offset: The log odds that retrieval alone gives each candidate, once they are fitted; () until then.
        expected: Candidate.expected of each, by an index that has not seen the person; () without one.
        offered: Whether retrieval offered the candidates, as in serving. Only such examples say what its score is
            worth, and so how to blend; others say what the person makes of items, however those were come by.
    """

    user_id: str
    moment: float
    context: RankingContext
    item_ids: tuple[str, ...]
    retrieval: tuple[float, ...]
    labels: tuple[float, ...]
    weights: tuple[float, ...]
    event_ids: tuple[str, ...] = ()
    offset: tuple[float, ...] = ()
    expected: tuple[float | None, ...] = ()
    offered: bool = True

    @property
    def candidates(self) -> list[Candidate]:
        """The candidates as a ranker gets them."""
        told = self.expected or (None,) * len(self.item_ids)
        return [
            Candidate(item_id, score, expected=expected)
            for item_id, score, expected in zip(self.item_ids, self.retrieval, told, strict=True)
        ]

    @property
    def chosen(self) -> int:
        """The position of the item that was wanted most, the first of several."""
        return max(range(len(self.labels)), key=lambda n: (self.labels[n], -n))


def choice(
    user_id: str,
    moment: float,
    context: RankingContext,
    candidates: Sequence[Candidate],
    target: str,
    wanted: float = 1.0,
    others: Iterable[str] = (),
    event_ids: tuple[str, ...] = (),
) -> Example | None:
    """An example in which one item was chosen; None where retrieval did not offer it, or nothing beside it.

    Args:
        candidates: As offered, best first.
        target: What was chosen.
        wanted: How much, in [0, 1].
        others: item_ids that were chosen as well and so are no counter-examples; left out.
    """
    left_out = set(others) - {target}
    kept = [candidate for candidate in candidates if candidate.item_id not in left_out]
    if len(kept) < 2 or all(candidate.item_id != target for candidate in kept):
        return None
    return Example(
        user_id,
        moment,
        context,
        tuple(candidate.item_id for candidate in kept),
        tuple(candidate.score for candidate in kept),
        tuple(wanted if candidate.item_id == target else 0.0 for candidate in kept),
        (1.0,) * len(kept),
        event_ids,
        expected=tuple(candidate.expected for candidate in kept),
    )


def context_of(
    user_id: str, events: Sequence[FeedbackEvent], query: RetrievalQuery, catalogue: Catalogue
) -> RankingContext:
    """The context of a query that was not asked in a session: a history, a recorded conversation.

    Args:
        events: The person's feedback before that moment.
        query: Its text is the message, its seeds the items named.
    """
    profile = build_profile(user_id, events, catalogue.domain.rating_scale)
    mentions = tuple(
        Mention(item_id, catalogue[item_id].title, Polarity.LIKED if weight > 0 else Polarity.DISLIKED)
        for item_id, weight in query.seeds.items()
        if item_id in catalogue
    )
    return RankingContext(profile, SessionState(query=query.text, mentions=mentions), query.text)
