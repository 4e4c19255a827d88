"""Owns the evidence for recommendations: facts of catalogue, conversation and history. Writes no prose.

An ATTRIBUTE without a title was asked for; with one, that liked item holds it too. The `value` of HISTORY says how
the item is known: "liked", "named" (in this conversation) or "known" (from the history); its `effect` is what the
score loses without it, see influence.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from convrec.data.catalogue import Catalogue, written
from convrec.dialogue.influence import Effects, Method, effects
from convrec.dialogue.language import STOP_WORDS, stem, stems, words
from convrec.dialogue.wording import label, listed
from convrec.retrieval.base import Retriever
from convrec.types import (
    Constraint,
    Domain,
    Evidence,
    EvidenceKind,
    FacetType,
    Item,
    Polarity,
    Profile,
    RetrievalQuery,
    SessionState,
)

_POOL = 50
_LIFT = 1.2
_WEIGHTS = {"must": 1.0, "prefer": 0.8}
_KNOWN = {"liked": "which you liked", "named": "which you named", "known": "from your history"}
_REQUEST, _HISTORY, _LIKED, _POPULARITY = 0.9, 0.6, 0.4, 0.1
_TELLING = 0.05 * _HISTORY
"""Weight of a history item below which it is not worth a word on a card: a twentieth of what carries most."""


class EvidenceFinder:
    """Finds what supports recommendations.

    Args:
        catalogue: What the items are.
        retriever: Says what items would score without a part of the history.
        popularity: item_id -> how many people have it in their history; without it nothing is called popular.
        method: How what the history carries is measured.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        retriever: Retriever,
        popularity: Mapping[str, int] | None = None,
        method: Method = "leave-one-out",
    ) -> None:
        self._catalogue = catalogue
        self._retriever = retriever
        self._popularity = popularity or {}
        self._method = method
        self._sets = tuple(facet.name for facet in catalogue.facets if facet.type is FacetType.SET)
        self._counts = {
            name: Counter(written(v) for item in catalogue.values() for v in item.values(name))
            for name in self._sets
        }

    def explain(
        self,
        item_ids: Sequence[str],
        state: SessionState,
        profile: Profile,
        query: RetrievalQuery,
        scale: float = 1.0,
        most: int = 2,
    ) -> list[tuple[Evidence, ...]]:
        """The evidence for each item, strongest first; () where nothing is known in its favour.

        Args:
            query: That the items were retrieved for.
            scale: What a unit of the retrieval score is in the score that ordered them.
            most: History items named per item.
        """
        known = self._known(state, profile)
        carried = effects(self._method, self._retriever, query, item_ids, list(known))
        liked = self._liked(state, profile)
        return [
            self._of(self._catalogue[item_id], state, liked, list(self._carrying(own, known, scale, most)))
            for item_id, own in zip(item_ids, carried, strict=True)
        ]

    def _of(
        self, item: Item, state: SessionState, liked: Sequence[str], history: Sequence[Evidence]
    ) -> tuple[Evidence, ...]:
        asked = tuple(self._asked(item, state.constraints))
        found = [
            *asked,
            *self._requested(item, state.query),
            *history,
            *self._shared(item, liked, {(e.facet, e.value) for e in asked}),
        ]
        count = self._popularity.get(item.item_id, 0)
        if not found and count > 0:
            found = [Evidence(EvidenceKind.POPULARITY, _POPULARITY, value=str(count))]
        return tuple(sorted(found, key=lambda evidence: -evidence.weight))

    def _asked(self, item: Item, constraints: Sequence[Constraint]) -> Iterator[Evidence]:
        """Values and ranges asked for, as the item has them."""
        wishes = [c for c in constraints if c.strength in _WEIGHTS and c.op != "exclude"]
        for facet in dict.fromkeys(c.facet for c in wishes):
            own = [c for c in wishes if c.facet == facet]
            if own[0].op == "include":
                for c in own:
                    for value in item.values(facet):
                        if written(value).casefold() == written(c.value).casefold():
                            yield Evidence(EvidenceKind.ATTRIBUTE, _WEIGHTS[c.strength], facet, written(value))
            elif all(self._catalogue.satisfies(item.item_id, c) for c in own) and item.values(facet):
                weight = max(_WEIGHTS[c.strength] for c in own)
                yield Evidence(EvidenceKind.ATTRIBUTE, weight, facet, written(item.values(facet)[0]))

    def _requested(self, item: Item, query: str) -> Iterator[Evidence]:
        """Words of the request that the item's title or values contain."""
        told = [item.title, *(written(v) for name in item.attributes for v in item.values(name))]
        has = {s for text in told for s in stems(text)}
        said = [w for w in dict.fromkeys(words(query)) if w not in STOP_WORDS and len(w) > 2 and stem(w) in has]
        if said:
            yield Evidence(EvidenceKind.REQUEST, _REQUEST, value=" ".join(said))

    def _known(self, state: SessionState, profile: Profile) -> dict[str, str]:
        """What can speak for an item: those that this person likes, named or turned to, and how they are known.

        What turned out not to be liked may carry a score as well, but is no reason to give.
        """
        chosen = (h.item_id for h in profile.history[-_POOL:] if h.signal > 0)
        known = {item_id: "known" for item_id in chosen if item_id not in profile.disliked}
        liked = {item_id: "liked" for item_id in profile.liked if item_id in known}
        named = {m.item_id: "named" for m in state.mentions if m.polarity in (Polarity.LIKED, Polarity.NEUTRAL)}
        return {i: how for i, how in {**known, **liked, **named}.items() if i in self._catalogue}

    def _carrying(self, own: Effects, known: Mapping[str, str], scale: float, most: int) -> Iterator[Evidence]:
        """The items without which the score would fall furthest."""
        best = sorted(((e, i) for i, e in own.items() if e > 0), key=lambda pair: (-pair[0], pair[1]))[:most]
        for effect, other in best:
            weight = _HISTORY * effect / best[0][0]
            title = self._catalogue[other].title
            yield Evidence(EvidenceKind.HISTORY, weight, None, known[other], other, title, effect=scale * effect)

    def _shared(
        self, item: Item, liked: Sequence[str], asked: set[tuple[str | None, str | None]]
    ) -> Iterator[Evidence]:
        """The value that liked items hold most beyond its share of the catalogue, if this item holds it too."""
        best: tuple[float, Evidence] | None = None
        for facet in self._sets:
            for value in map(written, item.values(facet)):
                holders = [i for i in liked if value in map(written, self._catalogue[i].values(facet))]
                share = len(holders) / max(len(liked), 1)
                usual = self._counts[facet][value] / len(self._catalogue)
                if not holders or (facet, value) in asked or share < _LIFT * usual:
                    continue
                if best is None or share - usual > best[0]:
                    title = self._catalogue[holders[0]].title
                    weight = _LIKED * share
                    best = (
                        share - usual,
                        Evidence(EvidenceKind.ATTRIBUTE, weight, facet, value, holders[0], title),
                    )
        if best is not None:
            yield best[1]

    def _liked(self, state: SessionState, profile: Profile) -> list[str]:
        """Items liked in this conversation and before, latest first."""
        said = [m.item_id for m in reversed(state.mentions) if m.polarity is Polarity.LIKED]
        return [i for i in dict.fromkeys([*said, *profile.liked[:_POOL]]) if i in self._catalogue]


def why(evidence: Sequence[Evidence], domain: Domain, catalogue: Catalogue) -> str:
    """Evidence in one line for a card: "Comedy, as you asked · near Alien and Aliens, which you liked".

    Args:
        evidence: Strongest first; () gives "".
        domain: What an item is called.
        catalogue: Says how values are put into words.
    """
    kinds: dict[EvidenceKind, list[Evidence]] = {}
    for fact in evidence:
        kinds.setdefault(fact.kind, []).append(fact)
    attributes = kinds.get(EvidenceKind.ATTRIBUTE, [])
    asked = [label(catalogue, e.facet or "", e.value or "") for e in attributes if e.title is None]
    parts = [f"{', '.join(asked)}, as you asked"] if asked else []
    parts += [f"matches “{e.value}”" for e in kinds.get(EvidenceKind.REQUEST, [])]
    told_of = [e for e in kinds.get(EvidenceKind.HISTORY, []) if e.weight >= _TELLING]
    for known, told in _KNOWN.items():
        near = [e.title or "" for e in told_of if e.value == known]
        parts += [f"near {listed(near)}, {told}"] if near else []
    parts += [f"{label(catalogue, e.facet or '', e.value or '')}, like {e.title}" for e in attributes if e.title]
    parts += [
        f"popular {domain.noun}: in the history of {e.value} people"
        for e in kinds.get(EvidenceKind.POPULARITY, [])
    ]
    return " · ".join(parts)
