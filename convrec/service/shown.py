"""Owns what is remembered of slates for the metrics: whether they were accepted, and whether match was right.

Of this process and in memory alone: it begins anew with every start. The ledger has everything (convrec stats).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from convrec.ledger.profile import LIKED_FROM
from convrec.service.requests import SlateReady
from convrec.training.impressions import says
from convrec.types import FeedbackEvent

_SLATES = 10_000
_JUDGED = 1_000
_PART = 50


@dataclass(slots=True)
class _Shown:
    """A slate: match by item, none where it is degraded."""

    adapter: str | None
    requested: bool
    items: frozenset[str]
    match: dict[str, float]
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A slate that an item was first accepted from, by the adapter that ranked it."""

    adapter: str | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of the items judged last: what match expected, and what feedback said, both means in [0, 1]."""

    expected: float
    observed: float
    judged: int


class ShownSlates:
    """The last slates of a server, and the last items of them that feedback judged.

    Args:
        slates, judged: How many are remembered, the latter of each kind.
    """

    def __init__(self, slates: int = _SLATES, judged: int = _JUDGED) -> None:
        self._most, self._most_judged = slates, judged
        self._slates: OrderedDict[str, _Shown] = OrderedDict()
        self._judged: dict[bool, OrderedDict[tuple[str, str], tuple[float, float]]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }

    def add(self, ready: SlateReady) -> None:
        """Remember a slate."""
        slate, state = ready.slate, ready.state
        match = {r.item.item_id: r.match for r in slate.recommendations}
        requested = bool(state.query or state.mentions or state.constraints)
        self._slates[ready.impression_id] = _Shown(
            slate.adapter, requested, frozenset(match), {} if slate.degraded else match
        )
        if len(self._slates) > self._most:
            self._slates.popitem(last=False)

    def judge(self, event: FeedbackEvent, rating_scale: tuple[float, float]) -> Accepted | None:
        """Take in a feedback event; the latest on an item of a slate stands.

        Returns:
            The slate, where this is the first item of it that was clicked, liked, bought or rated highly.
        """
        shown = self._slates.get(event.impression_id or "")
        said = says(event, rating_scale)
        if shown is None or said is None or event.item_id not in shown.items:
            return None
        wanted, _ = said
        if event.item_id in shown.match:
            judged, key = self._judged[shown.requested], (str(event.impression_id), event.item_id)
            judged.pop(key, None)
            judged[key] = (shown.match[event.item_id], wanted)
            if len(judged) > self._most_judged:
                judged.popitem(last=False)
        if wanted < LIKED_FROM or shown.accepted:
            return None
        shown.accepted = True
        return Accepted(shown.adapter)

    def calibration(self, *, requested: bool) -> Calibration:
        """How match compares with what happened; not a number where nothing was judged.

        Args:
            requested: Of slates that something was asked for, whose match compares within a slate only, or of the
                others, where match is a probability.
        """
        return _calibration(list(self._judged[requested].values()))

    def drift(self, *, requested: bool) -> tuple[Calibration, ...]:
        """The same in parts of 50 items in the order of their feedback; what is left over is the first, oldest.

        Args:
            requested: As for `calibration`.
        """
        judged = list(self._judged[requested].values())
        left = len(judged) % _PART
        parts = [judged[:left]] if left else []
        parts += [judged[start : start + _PART] for start in range(left, len(judged), _PART)]
        return tuple(map(_calibration, parts))


def _calibration(judged: Sequence[tuple[float, float]]) -> Calibration:
    if not judged:
        return Calibration(float("nan"), float("nan"), 0)
    return Calibration(fmean(e for e, _ in judged), fmean(o for _, o in judged), len(judged))
