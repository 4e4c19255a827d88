"""Owns what shown slates led to: figures per adapter version or prompt version, and how versions differ.

Of a slate's feedback counts what names it (impression_id), is of the person that it was shown to, speaks of an
item in it, and was not retracted:

| figure | of | came true |
| --- | --- | --- |
| ctr | slates | a click, a like or a save |
| conversion | slates | a purchase |
| satisfaction | opinions | a like, or a rating of 75 % of its scale or more (4 of 1 to 5) |
| degraded | slates | retrieval alone ordered it |

Turns that showed nothing, questions to the person among them, are no slates, and those by which versions are
compared directly are contests.py's alone. An opinion is the latest like,
dislike, not interested or rating of a person on an item of a slate. Slates and opinions come in clusters, each
person's: see clustered.py for the intervals.
A slate that degraded counts for the adapter version that was asked, and for no prompt: none was rendered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from convrec.errors import NotFoundError
from convrec.evaluation.clustered import Share, ShareDifference, Trials, difference, share
from convrec.evaluation.contests import ContestFigures, contest_figures
from convrec.ledger.profile import LIKED_FROM, standing, unit_rating
from convrec.types import FeedbackEvent, FeedbackType, ImpressionEvent

BASE = "base"
"""The name of what ranks without an adapter."""
NO_PROMPT = "none"

_CLICKED = frozenset({FeedbackType.CLICK, FeedbackType.LIKE, FeedbackType.SAVE})
_OPINIONS = frozenset({FeedbackType.LIKE, FeedbackType.DISLIKE, FeedbackType.NOT_INTERESTED, FeedbackType.RATING})


class By(StrEnum):
    """What is compared."""

    ADAPTER = "adapter"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """What the slates of a version led to.

    Args:
        version: Its name; `base` without an adapter, `none` without a prompt.
        impressions, users: Slates, and how many people they were shown to.
        latency_p50_s, latency_p95_s: Seconds from request to slate.
    """

    version: str
    impressions: int
    users: int
    ctr: Share
    conversion: Share
    satisfaction: Share
    degraded: Share
    latency_p50_s: float
    latency_p95_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much higher the shares of a version are than those of another."""

    version: str
    against: str
    ctr: ShareDifference
    conversion: ShareDifference
    satisfaction: ShareDifference
    degraded: ShareDifference


@dataclass(frozen=True, slots=True)
class Stats:
    """Versions, the one with the most slates first, the others compared with one of them, and direct contests."""

    by: By
    versions: tuple[VersionFigures, ...]
    comparisons: tuple[Comparison, ...]
    contests: tuple[ContestFigures, ...] = ()


@dataclass(slots=True)
class _Tally:
    """What is counted of a version: figure -> person -> [hits, trials]."""

    latencies_s: list[float] = field(default_factory=list)
    counts: defaultdict[str, defaultdict[str, list[int]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: [0, 0]))
    )

    def add(self, figure: str, user_id: str, hit: bool) -> None:
        count = self.counts[figure][user_id]
        count[0] += hit
        count[1] += 1

    def trials(self, figure: str) -> Trials:
        return Trials({user_id: (hits, n) for user_id, (hits, n) in self.counts[figure].items()})


def online_stats(
    impressions: Iterable[ImpressionEvent],
    feedback: Iterable[FeedbackEvent],
    rating_scale: tuple[float, float],
    by: By = By.ADAPTER,
    against: str | None = None,
) -> Stats:
    """Figures of every version.

    Args:
        impressions: What was shown.
        feedback: Of anybody, retractions among it.
        rating_scale: Lowest and highest rating.
        against: The version that the others are compared with; the one with the most slates where None.

    Raises:
        NotFoundError: No slate is of `against`.
    """
    impressions, feedback = tuple(impressions), tuple(feedback)
    of_slate: defaultdict[str, list[FeedbackEvent]] = defaultdict(list)
    for event in standing(feedback):
        if event.impression_id is not None:
            of_slate[event.impression_id].append(event)
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    for impression in impressions:
        if not impression.slate or impression.contest is not None:
            continue
        version = (impression.adapter or BASE) if by is By.ADAPTER else _prompt(impression)
        _count(tallies[version], impression, of_slate[impression.event_id], rating_scale)
    names = sorted(tallies, key=lambda name: (-len(tallies[name].latencies_s), name))
    if against is not None and against not in tallies:
        raise NotFoundError(
            f"no slate of {against!r} in this time; there are those of: {', '.join(names) or 'none'}"
        )
    base = against or next(iter(names), "")
    return Stats(
        by,
        tuple(_figures(name, tallies[name]) for name in names),
        tuple(_compare(name, tallies[name], base, tallies[base]) for name in names if name != base),
        contest_figures(impressions, feedback, rating_scale),
    )


def _prompt(impression: ImpressionEvent) -> str:
    """The version of the prompt, which the hash of what was rendered follows."""
    return impression.prompt_hash.partition(":")[0] or NO_PROMPT


def _count(
    tally: _Tally,
    impression: ImpressionEvent,
    feedback: Sequence[FeedbackEvent],
    rating_scale: tuple[float, float],
) -> None:
    user_id, shown = impression.user_id, frozenset(impression.slate)
    own = [event for event in feedback if event.user_id == user_id and event.item_id in shown]
    tally.latencies_s.append(impression.latency_s)
    tally.add("degraded", user_id, impression.degraded)
    kinds = {event.type for event in own}
    tally.add("ctr", user_id, bool(kinds & _CLICKED))
    tally.add("conversion", user_id, FeedbackType.PURCHASE in kinds)
    opinions = {event.item_id: event for event in own if event.type in _OPINIONS}  # the latest of each item
    for event in opinions.values():
        liked = event.type is FeedbackType.LIKE
        if event.rating is not None:
            liked = unit_rating(event.rating, rating_scale) >= LIKED_FROM
        tally.add("satisfaction", user_id, liked)


def _figures(name: str, tally: _Tally) -> VersionFigures:
    p50, p95 = np.quantile(tally.latencies_s, [0.5, 0.95])
    return VersionFigures(
        version=name,
        impressions=len(tally.latencies_s),
        users=len(tally.counts["degraded"]),
        ctr=share(tally.trials("ctr")),
        conversion=share(tally.trials("conversion")),
        satisfaction=share(tally.trials("satisfaction")),
        degraded=share(tally.trials("degraded")),
        latency_p50_s=float(p50),
        latency_p95_s=float(p95),
    )


def _compare(name: str, tally: _Tally, against: str, base: _Tally) -> Comparison:
    def less(figure: str) -> ShareDifference:
        return difference(tally.trials(figure), base.trials(figure))

    return Comparison(name, against, less("ctr"), less("conversion"), less("satisfaction"), less("degraded"))
