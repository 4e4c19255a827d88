"""What feedback says of a user: signals, the profile, beliefs. Pure functions; owns no storage and no clock.

| feedback | signal | opinion | excluded |
| --- | --- | --- | --- |
| LIKE, PURCHASE | 1 | liked | yes |
| RATING, R in [0, 1] on its scale | 0.5 + 0.5 R | liked from R = 0.75 on, disliked up to 0.25 | yes |
| SEEN, SAVE | 0.5 | none | yes |
| CLICK | 0.25 | none | no |
| DISLIKE, NOT_INTERESTED | -1 | disliked | yes |
| COMMENT, RETRACTION | none | none | no |

A signal weighs an item as a predictor of the next one. Having chosen an item is taken to say more there than how
it was rated, so a low rating is a weaker positive signal, while the opinion on the item itself is negative. The
numbers are conventions, not fitted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import ceil

from convrec.types import Belief, Facet, FacetType, FeedbackEvent, FeedbackType, HistoryEntry, Item, Profile

_SIGNALS = {
    FeedbackType.LIKE: 1.0,
    FeedbackType.PURCHASE: 1.0,
    FeedbackType.SEEN: 0.5,
    FeedbackType.SAVE: 0.5,
    FeedbackType.CLICK: 0.25,
    FeedbackType.DISLIKE: -1.0,
    FeedbackType.NOT_INTERESTED: -1.0,
}
# How much a kind of feedback tells of one item: of two on the same item the more telling stands, then the later.
_TELLING = {FeedbackType.CLICK: 0, FeedbackType.SAVE: 1, FeedbackType.SEEN: 1}
_OPINION = 2

LIKED_FROM = 0.75
"""From this place on its scale a rating says that its item is liked."""
_DISLIKED_TO = 0.25

_BELIEFS = 12
_LEAST_WEIGHT = 0.05
# Opinions on nothing in particular that every user is taken to hold besides their own.
_PSEUDO_OPINIONS = 5
_QUARTILE_ITEMS = 4


def signal(event: FeedbackEvent, rating_scale: tuple[float, float]) -> float | None:
    """The signal in [-1, 1] of one event for its item (see the module's table); None where it has none.

    Args:
        event: Any feedback.
        rating_scale: Lowest and highest rating, lowest < highest; ratings outside are clipped to it.
    """
    if event.rating is not None:
        return 0.5 + 0.5 * unit_rating(event.rating, rating_scale)
    return _SIGNALS.get(event.type)


def opinion(event: FeedbackEvent, rating_scale: tuple[float, float]) -> float | None:
    """What one event says its user thinks of its item, in [0, 1]; None where it does not say.

    A rating's place on its scale; 1 for LIKE and PURCHASE, 0 for DISLIKE and NOT_INTERESTED.
    """
    if event.rating is not None:
        return unit_rating(event.rating, rating_scale)
    value = _SIGNALS.get(event.type, 0.0)
    return max(value, 0.0) if abs(value) == 1.0 else None


def how_wanted(event: FeedbackEvent, rating_scale: tuple[float, float]) -> float:
    """How much a chosen item was wanted, in [0, 1]: what its user thought of it; 1 where they did not say."""
    thought = opinion(event, rating_scale)
    return 1.0 if thought is None else thought


def standing(events: Iterable[FeedbackEvent]) -> list[FeedbackEvent]:
    """Feedback by time, less the retractions and what they take back."""
    told = sorted(events, key=lambda event: event.timestamp)
    retracted = {event.retracts for event in told if event.type is FeedbackType.RETRACTION}
    return [e for e in told if e.type is not FeedbackType.RETRACTION and e.event_id not in retracted]


def build_profile(user_id: str, events: Iterable[FeedbackEvent], rating_scale: tuple[float, float]) -> Profile:
    """Fold a user's feedback into a profile.

    A retraction takes back the event that it names, wherever it stands among the events; it must be of the same
    user, and cannot be taken back itself. Of several events on one item an opinion (like, dislike, not
    interested, purchase, rating) stands over SEEN and SAVE, and these over CLICK; among equals the latest stands.

    Args:
        user_id: Events of other users are passed over.
        events: By timestamp, or in any order; those of equal timestamps count as given.
        rating_scale: As for `signal`.
    """
    own = sorted((event for event in events if event.user_id == user_id), key=lambda event: event.timestamp)
    retracted = {event.retracts for event in own if event.type is FeedbackType.RETRACTION}
    standing: dict[str, FeedbackEvent] = {}
    comments: list[str] = []
    for event in own:
        if event.event_id in retracted:
            continue
        if event.type is FeedbackType.COMMENT and event.text is not None:
            comments.append(event.text)
        elif event.item_id is not None and signal(event, rating_scale) is not None:
            earlier = standing.get(event.item_id)
            if earlier is None or _telling(event) >= _telling(earlier):
                # Deleted first so that the dictionary keeps the order of the standing events.
                standing.pop(event.item_id, None)
                standing[event.item_id] = event
    verdicts = {item_id: _verdict(event, rating_scale) for item_id, event in reversed(standing.items())}
    return Profile(
        user_id=user_id,
        history=tuple(
            HistoryEntry(item_id, value, event.timestamp, opinion(event, rating_scale))
            for item_id, event in standing.items()
            if (value := signal(event, rating_scale)) is not None
        ),
        liked=tuple(item_id for item_id, verdict in verdicts.items() if verdict > 0),
        disliked=tuple(item_id for item_id, verdict in verdicts.items() if verdict < 0),
        excluded=frozenset(i for i, event in standing.items() if event.type is not FeedbackType.CLICK),
        comments=tuple(reversed(comments)),
        saved=tuple(i for i, event in reversed(standing.items()) if event.type is FeedbackType.SAVE),
    )


def beliefs(profile: Profile, items: Mapping[str, Item], facets: Sequence[Facet]) -> tuple[Belief, ...]:
    """What the profile implies about facet values, strongest first, at most twelve.

    Set facets: weight = liked share - disliked share of the value, each smoothed: n(value) / (n + 5). It is 0 for
    what a user likes and dislikes equally often, so someone who likes most of what they try is not said to
    like everything. Range facets: the interval that holds the middle half of the liked values ("1990-1999");
    weight = liked share (smoothed) - share of the catalogue inside, so an interval no narrower than the
    catalogue's own is no belief. Weights below 0.05 are left out; clicks and things merely seen imply nothing.

    Args:
        profile: Whose liked and disliked count; items that are not in `items` are passed over.
        items: The catalogue by item_id.
        facets: The domain's.

    Source: the weight is the risk difference of 2 x 2 tables.
    """
    liked = [items[item_id] for item_id in profile.liked if item_id in items]
    disliked = [items[item_id] for item_id in profile.disliked if item_id in items]
    found: list[Belief] = []
    for facet in facets:
        if facet.type is FacetType.SET:
            found += _set_beliefs(facet.name, liked, disliked)
        else:
            found += _range_beliefs(facet.name, liked, items)
    found = [belief for belief in found if abs(belief.weight) >= _LEAST_WEIGHT]
    found.sort(key=lambda belief: (-abs(belief.weight), -belief.support, belief.facet, belief.value))
    return tuple(found[:_BELIEFS])


def unit_rating(rating: float, rating_scale: tuple[float, float]) -> float:
    """A rating's place on its scale, in [0, 1]; outside it is clipped."""
    lowest, highest = rating_scale
    return min(max((rating - lowest) / (highest - lowest), 0.0), 1.0)


def _telling(event: FeedbackEvent) -> int:
    return _TELLING.get(event.type, _OPINION)


def _verdict(event: FeedbackEvent, rating_scale: tuple[float, float]) -> int:
    """1 liked, -1 disliked, 0 neither."""
    thought = opinion(event, rating_scale)
    return 0 if thought is None else int(thought >= LIKED_FROM) - int(thought <= _DISLIKED_TO)


def _set_beliefs(facet: str, liked: Sequence[Item], disliked: Sequence[Item]) -> list[Belief]:
    ups, downs = _value_counts(facet, liked), _value_counts(facet, disliked)
    return [
        Belief(facet, value, _share(ups[value], len(liked)) - _share(downs[value], len(disliked)), n)
        for value, n in (ups + downs).items()
    ]


def _range_beliefs(facet: str, liked: Sequence[Item], items: Mapping[str, Item]) -> list[Belief]:
    numbers = sorted(_numbers(facet, liked))
    if len(numbers) < _QUARTILE_ITEMS:
        return []
    last = len(numbers) - 1
    low, high = numbers[last // 4], numbers[ceil(last * 3 / 4)]
    inside = sum(low <= number <= high for number in numbers)
    everywhere = _numbers(facet, items.values())
    usual = sum(low <= number <= high for number in everywhere) / len(everywhere)
    weight = _share(inside, len(numbers)) - usual
    return [Belief(facet, f"{low:.10g}-{high:.10g}", weight, inside)] if weight > 0 else []


def _share(n: int, total: int) -> float:
    return n / (total + _PSEUDO_OPINIONS)


def _value_counts(facet: str, items: Iterable[Item]) -> Counter[str]:
    return Counter(chain.from_iterable({str(value) for value in item.values(facet)} for item in items))


def _numbers(facet: str, items: Iterable[Item]) -> list[float]:
    return list(chain.from_iterable(item.numbers(facet) for item in items))
