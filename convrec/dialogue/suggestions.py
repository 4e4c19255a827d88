"""Owns what could be said next: short messages about the latest slate that understanding is known to take.

They are in the language of the latest message, made of the domain's own words and the slate, and hold no fact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from statistics import median

from convrec.data.catalogue import Catalogue, written
from convrec.dialogue.tongues import ENGLISH, Language, Tongues
from convrec.types import Facet, FacetType, Item, Recommendation, SessionState, Slate

_MOST = 5
_COMMON = 0.5
"""A value that so large a share of the slate has may be too much of it."""

_ANSWERS = ("yes", "start over")


class Suggester:
    """Suggests messages.

    Args:
        catalogue: Its facets are what can be said.
        tongues: The languages other than English.
    """

    def __init__(self, catalogue: Catalogue, tongues: Tongues | None = None) -> None:
        self._catalogue = catalogue
        self._tongues = tongues
        self._middles = {
            facet.name: median(numbers)
            for facet in catalogue.facets
            if facet.type is FacetType.RANGE and (numbers := _numbers(facet, catalogue.values()))
        }

    def suggest(self, message: str, state: SessionState, slate: Slate) -> tuple[str, ...]:
        """At most five messages; () where nothing is shown to speak of, but answers where something was asked.

        Args:
            message: The latest.
            state: As the slate was made for.
        """
        code = self._tongues.detect(message) if self._tongues else ENGLISH
        language = self._tongues[code] if self._tongues else None
        shown = slate.recommendations
        if not shown:
            return _ANSWERS if state.asked is not None and language is None else ()
        ways = (self._moves(shown, language), self._values(state, shown, language), _like(shown, language))
        return tuple(dict.fromkeys(chain.from_iterable(ways)))[:_MOST]

    def _moves(self, shown: Sequence[Recommendation], language: Language | None) -> Iterator[str]:
        """ "newer" where most of what is shown is old, and the other way round."""
        tongue = self._catalogue.domain.tongues.get(language.code) if language else None
        for facet in self._catalogue.facets:
            numbers = _numbers(facet, (entry.item for entry in shown))
            if not numbers or facet.name not in self._middles:
                continue
            more = median(numbers) <= self._middles[facet.name]
            if language is not None:
                words = tongue.moves.get(facet.name) if tongue else None
                word = words[0 if more else 1] if words else ""
            else:
                word = next(iter(facet.more if more else facet.less), "")
            if word:
                yield word

    def _values(
        self, state: SessionState, shown: Sequence[Recommendation], language: Language | None
    ) -> Iterator[str]:
        """Less of what most of the slate has, more of what some of it has; nothing that was spoken of."""
        tongue = self._catalogue.domain.tongues.get(language.code) if language else None
        for facet in self._catalogue.facets:
            if facet.type is not FacetType.SET:
                continue
            said = {str(c.value) for c in state.constraints if c.facet == facet.name}
            held = (dict.fromkeys(written(value) for value in r.item.values(facet.name)) for r in shown)
            counts = Counter(chain.from_iterable(held))
            free = [(value, n) for value, n in counts.most_common() if value not in said]
            labels = tongue.labels.get(facet.name, {}) if tongue else {}
            common = [value for value, n in free if n >= _COMMON * len(shown)]
            rarer = [value for value, n in free if n < _COMMON * len(shown)]
            if common:
                yield _phrase(language, "suggest_less", "less {value}", value=labels.get(common[0], common[0]))
            if rarer:
                yield _phrase(language, "suggest_more", "more {value}", value=labels.get(rarer[0], rarer[0]))


def _like(shown: Sequence[Recommendation], language: Language | None) -> Iterator[str]:
    place = min(2, len(shown))
    title = shown[place - 1].item.title
    yield _phrase(language, "suggest_like", "more like {rank}", rank=str(place), title=title)
    if language is None:
        yield "show me others"


def _phrase(language: Language | None, name: str, english: str, **facts: str) -> str:
    return (language.phrases[name][0] if language else english).format(**facts)


def _numbers(facet: Facet, items: Iterable[Item]) -> list[float]:
    return [] if facet.type is FacetType.SET else [n for item in items for n in item.numbers(facet.name)]
