"""Owns examples from the ledger: slates that were shown, and what the feedback on them says of their items.

Of an item's y in [0, 1] and of how much that counts:

| feedback | y | weight |
| --- | --- | --- |
| LIKE, PURCHASE | 1 | 1 |
| RATING | its place on the scale | 1 |
| CLICK, SAVE | 1 | 0.5 |
| DISLIKE, NOT_INTERESTED | 0 | 1 |
| none, but an item further down got one of y > 0 | 0 | 0.3 |
| SEEN, or none otherwise | left out | |

The last but one is "skip above" (Joachims 2002, "Optimizing Search Engines using Clickthrough Data", sec. 3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from convrec.data.catalogue import Catalogue
from convrec.dialogue.state import replay
from convrec.ledger.profile import build_profile, opinion, standing
from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.types import FeedbackEvent, FeedbackType, ImpressionEvent, SessionState, TurnEvent

_CLICKED = (1.0, 0.5)
_SKIPPED = (0.0, 0.3)


def feedback_examples(
    impressions: Iterable[ImpressionEvent],
    turns: Callable[[str], Sequence[TurnEvent]],
    feedback: Sequence[FeedbackEvent],
    catalogue: Catalogue,
) -> list[Example]:
    """An example per slate that got feedback, over the items that the table above says something of.

    Args:
        impressions: What was shown, with the retrieval scores of that moment.
        turns: The turns of a session, in order.
        feedback: Of all users; what was retracted does not count, and the latest on an item stands.
        catalogue: Items that left it are passed over.
    """
    scale = catalogue.domain.rating_scale
    of_user: defaultdict[str, list[FeedbackEvent]] = defaultdict(list)
    on_slate: defaultdict[str, dict[str, FeedbackEvent]] = defaultdict(dict)
    for event in standing(feedback):
        of_user[event.user_id].append(event)
        if event.impression_id and event.item_id:
            on_slate[event.impression_id][event.item_id] = event
    examples = []
    for impression in impressions:
        got = on_slate.get(impression.event_id, {})
        said = {item_id: saying for item_id, event in got.items() if (saying := says(event, scale))}
        wanted = [place for place, item_id in enumerate(impression.slate) if said.get(item_id, _SKIPPED)[0] > 0]
        for item_id in impression.slate[: max(wanted, default=0)]:
            if item_id not in got:
                said[item_id] = _SKIPPED
        scores = {candidate.item_id: candidate.retrieval for candidate in impression.candidates}
        shown = [item_id for item_id in impression.slate if item_id in said and item_id in catalogue]
        if shown and any(item_id in got for item_id in shown):
            examples.append(
                Example(
                    impression.user_id,
                    impression.timestamp,
                    _context(impression, turns, of_user[impression.user_id], scale),
                    tuple(shown),
                    tuple(scores[item_id] for item_id in shown),
                    tuple(said[item_id][0] for item_id in shown),
                    tuple(said[item_id][1] for item_id in shown),
                    (impression.event_id, *(event.event_id for event in got.values())),
                )
            )
    return examples


def says(event: FeedbackEvent, scale: tuple[float, float]) -> tuple[float, float] | None:
    """y and weight of one event by the table; None where it says neither yes nor no."""
    if event.type in (FeedbackType.CLICK, FeedbackType.SAVE):
        return _CLICKED
    thought = opinion(event, scale)
    return None if thought is None else (thought, 1.0)


def _context(
    impression: ImpressionEvent,
    turns: Callable[[str], Sequence[TurnEvent]],
    feedback: Iterable[FeedbackEvent],
    scale: tuple[float, float],
) -> RankingContext:
    """What was known when the slate was made."""
    before = [event for event in feedback if event.timestamp < impression.timestamp]
    profile = build_profile(impression.user_id, before, scale)
    said: list[TurnEvent] = []
    if impression.session_id is not None:
        for turn in turns(impression.session_id):
            if turn.user_id == impression.user_id:
                said.append(turn)
            if turn.event_id == impression.turn_id:
                break
    state = replay(turn.intent for turn in said) if said else SessionState()
    return RankingContext(profile, state, said[-1].message if said else "")
