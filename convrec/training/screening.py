"""Owns which feedback may train: what would let a few people, or one with many names, move everybody's adapter.

The ledger keeps all of it; left out of training, and so of what judges adapters, are

| reason | what |
| --- | --- |
| not shown | feedback on a slate that is not in the ledger, was another person's, or did not hold the item |
| user burst | more than `user_events` events of one person within `user_window_s` |
| item burst | `item_users` new people or more on one item within `item_window_s`, `item_share` of all or more |
| user cap | examples of one person beyond the newest `user_examples` |
| item cap | examples that speak of one item beyond the newest `item_examples` (a share, but never fewer than 10) |

In MovieLens-100K nobody has more than 30 events a minute, and no item more than 10 new people an hour. People are
new for `item_window_s` after their first event. Events without a time of their own (0, as in files without times)
make no burst. Who sends feedback may say when it was: bursts are found by what is said, and the caps hold whatever
is said.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from convrec.ranking.examples import Example
from convrec.types import FeedbackEvent, FeedbackType, ImpressionEvent

_FEWEST = 10


class Reason(StrEnum):
    """Why something does not train."""

    NOT_SHOWN = "not shown"
    USER_BURST = "user burst"
    ITEM_BURST = "item burst"
    USER_CAP = "user cap"
    ITEM_CAP = "item cap"


@dataclass(frozen=True, slots=True)
class ScreeningConfig:
    """What is too much; see the module's table.

    Args:
        user_events, user_window_s: Events of one person, and seconds.
        item_users, item_window_s, item_share: New people on one item, seconds, and their share of all new people.
        user_examples: Of one person in each part of the lessons.
        item_examples: Share of each part's examples that speak of one item, in (0, 1].
    """

    user_events: int = 60
    user_window_s: float = 60.0
    item_users: int = 20
    item_window_s: float = 3600.0
    item_share: float = 0.5
    user_examples: int = 20
    item_examples: float = 0.2


@dataclass(frozen=True, slots=True)
class Screened:
    """What trains and what does not.

    Args:
        trains: By time, as given.
        left_out: Why, by event_id.
    """

    trains: list[FeedbackEvent]
    left_out: Mapping[str, Reason]

    @property
    def counts(self) -> dict[str, int]:
        """How many were left out, by reason."""
        return dict(Counter(reason.value for reason in self.left_out.values()))


def screen(
    events: Sequence[FeedbackEvent], impressions: Iterable[ImpressionEvent], config: ScreeningConfig
) -> Screened:
    """Divide feedback into what trains and what does not.

    A retraction always counts: to leave one out would bring back what was taken back.

    Args:
        events: Of all users, by time.
        impressions: Of all users.
    """
    shown = {impression.event_id: (impression.user_id, frozenset(impression.slate)) for impression in impressions}
    timed = [event for event in events if event.timestamp > 0]
    left_out = dict.fromkeys(_item_bursts(timed, config), Reason.ITEM_BURST)
    left_out |= dict.fromkeys(_user_bursts(timed, config), Reason.USER_BURST)
    for event in events:
        if event.impression_id is not None and event.item_id is not None:
            whose, slate = shown.get(event.impression_id, ("", frozenset()))
            if whose != event.user_id or event.item_id not in slate:
                left_out[event.event_id] = Reason.NOT_SHOWN
    for event in events:
        if event.type is FeedbackType.RETRACTION:
            left_out.pop(event.event_id, None)
    return Screened([event for event in events if event.event_id not in left_out], left_out)


def capped(examples: Sequence[Example], config: ScreeningConfig, left_out: Counter[str]) -> list[Example]:
    """The examples that are within the caps, the newest first to count; in the order given.

    Args:
        left_out: Counts the others by reason.
    """
    most = max(_FEWEST, ceil(config.item_examples * len(examples)))
    of_user: Counter[str] = Counter()
    of_item: Counter[str] = Counter()
    kept = []
    for place in sorted(range(len(examples)), key=lambda n: -examples[n].moment):
        example = examples[place]
        items = _speaks_of(example)
        if of_user[example.user_id] >= config.user_examples:
            left_out[Reason.USER_CAP] += 1
        elif any(of_item[item_id] >= most for item_id in items):
            left_out[Reason.ITEM_CAP] += 1
        else:
            of_user[example.user_id] += 1
            of_item.update(items)
            kept.append(place)
    return [examples[place] for place in sorted(kept)]


def _speaks_of(example: Example) -> tuple[str, ...]:
    """What was wanted most; where nothing was wanted, all that was refused."""
    if example.labels[example.chosen] > 0:
        return (example.item_ids[example.chosen],)
    return example.item_ids


def _user_bursts(events: Sequence[FeedbackEvent], config: ScreeningConfig) -> Iterator[str]:
    for own in _by(events, lambda event: event.user_id).values():
        told = 0
        for first, last in _windows(own, config.user_window_s):
            if last - first >= config.user_events:
                yield from (event.event_id for event in own[max(first, told) : last + 1])
                told = last + 1


def _item_bursts(events: Sequence[FeedbackEvent], config: ScreeningConfig) -> Iterator[str]:
    begun: dict[str, float] = {}
    for event in events:
        begun.setdefault(event.user_id, event.timestamp)
    fresh = [event for event in events if event.timestamp - begun[event.user_id] <= config.item_window_s]
    newcomers = sorted(begun.values())
    for own in _by(fresh, lambda event: event.item_id or "").values():
        said: dict[str, FeedbackEvent] = {}
        for event in own:
            said.setdefault(event.user_id, event)
        firsts = list(said.values())
        crowd: set[str] = set()
        told = 0
        for first, last in _windows(firsts, config.item_window_s):
            here = last - first + 1
            if here >= config.item_users and firsts[first].item_id is not None:
                since, until = firsts[first].timestamp - config.item_window_s, firsts[last].timestamp
                everybody = bisect_right(newcomers, until) - bisect_left(newcomers, since)
                if here >= config.item_share * everybody:
                    crowd.update(event.user_id for event in firsts[max(first, told) : last + 1])
                    told = last + 1
        yield from (event.event_id for event in own if event.user_id in crowd)


def _by(events: Iterable[FeedbackEvent], key: Callable[[FeedbackEvent], str]) -> dict[str, list[FeedbackEvent]]:
    found: defaultdict[str, list[FeedbackEvent]] = defaultdict(list)
    for event in events:
        found[key(event)].append(event)
    return found


def _windows(events: Sequence[FeedbackEvent], seconds: float) -> Iterator[tuple[int, int]]:
    """For every event the first and the last place of the window that ends with it."""
    first = 0
    for last, event in enumerate(events):
        while event.timestamp - events[first].timestamp > seconds:
            first += 1
        yield first, last
