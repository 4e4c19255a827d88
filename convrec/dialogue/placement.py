"""Owns where an item stands for a request: on the slate, behind it, or barred from it; in facts and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from convrec.data.catalogue import Catalogue
from convrec.dialogue.wording import bounded
from convrec.types import Constraint, Evidence, Item, Profile, RetrievalQuery, SessionState


class BarKind(StrEnum):
    """What can keep an item off every slate."""

    KNOWN = "known"
    NAMED = "named"
    CONSTRAINT = "constraint"


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing that keeps an item off the slate.

    Args:
        kind: KNOWN (the profile excludes it), NAMED (this conversation did), CONSTRAINT (it fails one).
        detail: "liked", "disliked" or "known"; how it was named; the facet.
        constraint: That it fails.
    """

    kind: BarKind
    detail: str
    constraint: Constraint | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an item stands for a request, as it is scored now.

    Args:
        item: The one asked about.
        bars: What keeps it off; empty where it may be shown.
        evidence: What speaks for it, strongest first, whether or not it may be shown.
        score: What it scores, comparable with shown_score.
        shown: How many items the slate has.
        rank: Its place among all that may be shown, 1 is best; None where it is barred or further than was looked.
        looked: How far was looked.
        shown_score: The score of the last item of the slate; None where it is empty.
        interest: The LLM's f; None where it was not asked about this item.
    """

    item: Item
    bars: tuple[Bar, ...]
    evidence: tuple[Evidence, ...]
    score: float
    shown: int
    rank: int | None
    looked: int
    shown_score: float | None
    interest: float | None = None

    @property
    def is_shown(self) -> bool:
        """Whether it is on the slate."""
        return self.rank is not None and self.rank <= self.shown


def bars(
    item_id: str, state: SessionState, profile: Profile, query: RetrievalQuery, catalogue: Catalogue
) -> tuple[Bar, ...]:
    """Everything that keeps an item off the slates of a query."""
    return tuple(_bars(item_id, state, profile, query, catalogue))


def _bars(
    item_id: str, state: SessionState, profile: Profile, query: RetrievalQuery, catalogue: Catalogue
) -> Iterable[Bar]:
    for mention in state.mentions:
        if mention.item_id == item_id:
            yield Bar(BarKind.NAMED, mention.polarity.value)
    if item_id in profile.excluded:
        opinions = {"liked": profile.liked, "disliked": profile.disliked}
        yield Bar(BarKind.KNOWN, next((name for name, ids in opinions.items() if item_id in ids), "known"))
    for wish in query.constraints:
        if wish.strength == "must" and not catalogue.satisfies(item_id, wish):
            yield Bar(BarKind.CONSTRAINT, wish.facet, wish)


# Without "it", which is a title somewhere.
_BARRED = {
    "liked": "you like this one already, and I recommend what is new to you",
    "disliked": "you did not like this one",
    "known": "your history has this one already",
    "seen": "you have seen this one",
    "neutral": "you named this one yourself in this conversation",
}


def placed(placement: Placement, catalogue: Catalogue) -> str:
    """Why an item is shown or is not, in one sentence that does not name it.

    Args:
        catalogue: Says how constraints are put into words.
    """
    noun, plural = catalogue.domain.noun, catalogue.domain.plural
    if placement.bars:
        reasons = dict.fromkeys(_reason(bar, catalogue) for bar in placement.bars)
        return f"The {noun} you ask about is left out because {'; '.join(reasons)}."
    if placement.is_shown:
        return f"The {noun} you ask about is number {placement.rank} of the {plural} shown."
    place = (
        f"is number {placement.rank} for you" if placement.rank else f"is not among the first {placement.looked}"
    )
    if placement.shown_score is None:
        return f"The {noun} you ask about {place}."
    return (
        f"The {noun} you ask about {place}, with a score of {placement.score:.2f}; "
        f"the last one shown has {placement.shown_score:.2f}."
    )


def _reason(bar: Bar, catalogue: Catalogue) -> str:
    if bar.constraint is None:
        return _BARRED[bar.detail]
    return f"you asked for {_wish(bar.constraint, catalogue)}"


def _wish(wish: Constraint, catalogue: Catalogue) -> str:
    if wish.op == "exclude":
        return f"no {wish.value}"
    if wish.op == "include":
        return str(wish.value)
    bound: Sequence[str] = bounded(catalogue, (wish,))
    return f"{catalogue.domain.plural} {' '.join(bound)}"
