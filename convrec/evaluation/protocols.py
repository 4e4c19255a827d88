"""Owns how a retriever is judged on histories: leave-one-out by time, over the whole catalogue. Owns no metric.

Each user's events are sorted by timestamp, equal ones in the order of the file. The test item is that of the last
event, the validation item that of the second last; what lies before it is the history, and the events before it of
all users are what the retriever may be built from. Every item of the catalogue competes except those of the user's
history (no sampled negatives: Krichene and Rendle 2020, "On Sampled Metrics for Item Recommendation"). Ties are
broken as the retriever breaks them, by item_id, which knows nothing of the held-out item.

Source: the leave-one-out split of Kang and McAuley 2018, "Self-Attentive Sequential Recommendation", section IV-A.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from convrec.data.interactions import leave_last_out
from convrec.evaluation.metrics import Values
from convrec.ledger.profile import build_profile
from convrec.retrieval.base import Retriever
from convrec.types import FeedbackEvent, RetrievalQuery

Split = Literal["valid", "test"]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One prediction: what a user had done until then, and the item that came next."""

    user_id: str
    history: tuple[FeedbackEvent, ...]
    item_id: str


def leave_one_out(events: Iterable[FeedbackEvent], split: Split) -> list[HeldOut]:
    """The predictions of a split, in the order in which users first occur.

    Args:
        events: Of all users, each with an item; equal timestamps keep the order given.
        split: `test` holds out each user's last event, `valid` the second last (the last is then not used at all).

    Returns:
        One prediction per user with events enough to have a history besides what is held out.
    """
    train, held = leave_last_out(events, hold=1 if split == "test" else 2)
    return [
        HeldOut(user_id, train[user_id], item_id)
        for user_id, own in held.items()
        if (item_id := own[0].item_id) is not None
    ]


def rank_held_out(
    retriever: Retriever, cases: Sequence[HeldOut], rating_scale: tuple[float, float], depth: int
) -> Values:
    """The rank of every held-out item among what a retriever offers for the history alone.

    Args:
        retriever: Built from the histories only.
        cases: Q predictions.
        rating_scale: Of the ratings in the histories.
        depth: How many items are retrieved; metrics at k up to it are those of the full ranking.

    Returns:
        ranks_Q, infinity where the item is not among the first `depth`.
    """
    ranks_Q = np.full(len(cases), math.inf)
    for row, case in enumerate(cases):
        profile = build_profile(case.user_id, case.history, rating_scale)
        query = RetrievalQuery(history=profile.history, exclude=profile.excluded)
        found = [candidate.item_id for candidate in retriever.retrieve(query, depth)]
        if case.item_id in found:
            ranks_Q[row] = found.index(case.item_id) + 1
    return ranks_Q
