"""Owns the wishes on range facets in a message: numbers, decades, intervals and words like "newer".

A number has no unit here: it belongs to a facet only when the facet is named, owns the comparing word, or is the
only one whose values in the catalogue make the number plausible.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.dialogue.facets import Reading, is_negated
from convrec.dialogue.language import Token, before, stem, vocabulary, words
from convrec.dialogue.linking import Link
from convrec.types import Constraint, Facet, FacetType, Op, Strength

_DECADE = re.compile(r"(?:(?P<century>1[0-9]|20))?(?P<ten>[0-9]0)s")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,4})?")
_DECADES = {
    "twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70, "eighties": 80,
    "nineties": 90, "noughties": 0,
}  # fmt: skip
_BEFORE: Mapping[tuple[str, ...], Op | None] = {
    ("at", "least"): ">=", ("minimum",): ">=", ("min",): ">=", ("since",): ">=",
    ("after",): ">", ("over",): ">", ("above",): ">", ("more", "than"): ">", ("later", "than"): ">",
    ("post",): ">", ("past",): ">",
    ("at", "most"): "<=", ("maximum",): "<=", ("max",): "<=", ("up", "to"): "<=", ("until",): "<=",
    ("till",): "<=",
    ("before",): "<", ("under",): "<", ("below",): "<", ("less", "than"): "<", ("earlier", "than"): "<",
    ("prior", "to"): "<", ("pre",): "<",
    ("despues", "de"): ">", ("antes", "de"): "<", ("desde",): ">=", ("hasta",): "<=",
    ("from",): None, ("in",): None, ("of",): None, ("around",): None, ("about",): None, ("between",): None,
}  # fmt: skip
_AFTER: Mapping[str, Op] = {
    "later": ">=", "more": ">=", "above": ">=", "up": ">=", "over": ">=", "onwards": ">=",
    "onward": ">=", "on": ">=",
    "earlier": "<=", "less": "<=", "below": "<=", "under": "<=",
}  # fmt: skip
_AFTER_TWO: Mapping[tuple[str, ...], Op] = {
    ("以", "后"): ">", ("之", "后"): ">", ("以", "来"): ">=", ("以", "前"): "<", ("之", "前"): "<",
}  # fmt: skip
_OPPOSITE: Mapping[Op, Op] = {">=": "<", "<=": ">", ">": "<=", "<": ">="}
_FILLERS = vocabulary("the a an early mid late year years of about around only los anos decada")
_TO = vocabulary("to until till and or y o a 和 或 到 至")
_TENS = {ten: f"{n}0s" for n, ten in enumerate("二三四五六七八九", start=2)}
_SOFT = vocabulary("maybe perhaps preferably ideally around about roughly possibly prefer hopefully")
_AFTERTHOUGHTS = (
    "if possible",
    "maybe",
    "perhaps",
    "preferably",
    "ideally",
    "if you can",
    "or so",
    "would be nice",
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What the catalogue says of a range facet: bounds and thirds of its values, and whether all are integers."""

    facet: Facet
    low: float
    high: float
    lower_third: float
    upper_third: float
    integral: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """A number or a decade in a message: the interval it stands for, and its tokens."""

    low: float
    high: float
    first: int
    last: int


class RangeReader:
    """Reads range facets.

    Args:
        catalogue: Its range facets and the values that occur.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._scales: list[_Scale] = []
        self._directions: dict[tuple[str, ...], tuple[_Scale, bool]] = {}
        for facet in catalogue.facets:
            if facet.type is not FacetType.RANGE or not (values := _values(catalogue, facet.name)):
                continue
            scale = _Scale(
                facet,
                low=values[0],
                high=values[-1],
                lower_third=values[len(values) // 3],
                upper_third=values[len(values) * 2 // 3],
                integral=all(value.is_integer() for value in values),
            )
            self._scales.append(scale)
            for upward, said in ((True, facet.more), (False, facet.less)):
                for phrase in said:
                    self._directions[words(phrase)] = (scale, upward)
        self._longest = max((len(phrase) for phrase in self._directions), default=0)

    def read(
        self, tokens: Sequence[Token], taken: Collection[int], links: Sequence[Link]
    ) -> tuple[tuple[Reading, ...], tuple[str, ...]]:
        """The wishes in a message, in order, and the facets of intervals that it refuses or calls no matter.

        Args:
            taken: Tokens that already mean something else (titles, the length asked for).
            links: Titles found; "older than Alien" compares with the item's own value.
        """
        if not self._scales:
            return (), ()
        readings: list[Reading] = []
        dropped: list[str] = []
        spans = self._spans(tokens, taken)
        while spans:
            pair = len(spans) > 1 and self._is_interval(spans[0], spans[1], tokens)
            readings += self._bounded(spans[: 2 if pair else 1], tokens, dropped)
            spans = spans[2 if pair else 1 :]
        used = set(taken) | {i for reading in readings for i in range(reading.first, reading.last)}
        explicit = {reading.constraint.facet for reading in readings}
        readings += self._compared(tokens, used, links, explicit)
        # A later bound on the same side replaces an earlier one, so that no message contradicts itself.
        latest = {(r.constraint.facet, r.constraint.op[0], r.stated): r for r in readings}
        return tuple(latest.values()), tuple(dropped)

    # --- numbers -----------------------------------------------------------------------------------------

    def _spans(self, tokens: Sequence[Token], taken: Collection[int]) -> list[_Span]:
        spans: list[_Span] = []
        for i, token in enumerate(tokens):
            if i in taken:
                continue
            if elsewhere := self._elsewhere(tokens, i):
                spans.append(elsewhere)
            elif decade := self._decade(token.word):
                early = 4 if i and tokens[i - 1].word == "early" else 9
                late = 5 if i and tokens[i - 1].word == "late" else 0
                spans.append(_Span(decade + late, decade + early, i, i + 1))
            elif (
                token.gap.endswith(("'", "’"))
                and re.fullmatch(r"[0-9]{2}", token.word)
                and (decade := self._decade(f"{token.word[0]}0s"))
            ):
                spans.append(_Span(decade + int(token.word[1]), decade + int(token.word[1]), i, i + 1))
            elif _NUMBER.fullmatch(token.word):
                spans.append(_Span(float(token.word), float(token.word), i, i + 1))
        return spans

    def _elsewhere(self, tokens: Sequence[Token], i: int) -> _Span | None:
        """ "90年代", "九十年代", "1994年", "los 90", "los años 90"."""
        word, said = tokens[i].word, "".join(token.word for token in tokens[i + 1 : i + 4])
        for mark, year in (("十年代", _TENS.get(word, "")), ("年代", f"{word}s")):
            decade = self._decade(year) if said.startswith(mark) else None
            if decade is not None:
                return _Span(decade, decade + 9, i, i + 1 + len(mark))
        if said.startswith("年") and re.fullmatch(r"1[89][0-9]{2}|20[0-9]{2}", word):
            return _Span(float(word), float(word), i, i + 2)
        if i and tokens[i - 1].word in ("los", "anos") and re.fullmatch(r"[2-9]0", word):
            decade = self._decade(f"{word}s")
            return None if decade is None else _Span(decade, decade + 9, i, i + 1)
        return None

    def _decade(self, word: str) -> float | None:
        """The first year of "1990s", "90s" or "nineties", in the century that the catalogue knows."""
        match = _DECADE.fullmatch(word)
        if match and match["century"]:
            return float(match["century"] + match["ten"])
        ten = int(match["ten"]) if match else _DECADES.get(word)
        if ten is None:
            return None
        for scale in self._scales:
            for century in (1900, 2000, 1800):
                if scale.integral and scale.low <= century + ten + 9 and century + ten <= scale.high:
                    return float(century + ten)
        return None

    def _is_interval(self, one: _Span, two: _Span, tokens: Sequence[Token]) -> bool:
        """ "1980-1990", "1980 to 1990", "between 1980 and 1990"; "80s or 90s" is the stretch of both."""
        between = [token.word for token in tokens[one.last : two.first] if token.word not in _FILLERS]
        if (one.low < 100) != (two.low < 100):
            return False
        if not between:
            return any(mark in tokens[two.first].gap for mark in "-–—,")
        return len(between) == 1 and between[0] in _TO

    def _bounded(self, spans: Sequence[_Span], tokens: Sequence[Token], dropped: list[str]) -> list[Reading]:
        """The constraints of one number, or of the two ends of an interval."""
        low, high = min(span.low for span in spans), max(span.high for span in spans)
        first, last = spans[0].first, spans[-1].last
        while first and tokens[first - 1].word in _FILLERS and tokens[first - 1].clause == tokens[first].clause:
            first -= 1
        cue_first, op, owner = self._cue(tokens, first)
        named = self._named(tokens, cue_first, last) or owner
        last, trailing, follower = self._trailing(tokens, last)
        op, named = op or trailing, named or follower
        scale = named or self._plausible(low, high, cued=op is not None or len(spans) > 1)
        if scale is None:
            return []
        negated = is_negated(tokens, cue_first, ())
        around = {token.word for token in (*before(tokens, cue_first, ()), *tokens[cue_first : spans[0].first])}
        clause = tokens[first].clause
        rest = " ".join(token.word for token in tokens[last : last + 4] if token.clause == clause)
        around -= {"about", "around"} - {token.word for token in tokens[spans[0].first - 1 : spans[0].first]}
        soft = bool(_SOFT & around) or rest.startswith(_AFTERTHOUGHTS) or _is_led(tokens, cue_first)
        strength: Strength = "prefer" if soft else "must"
        if op is None and tokens[cue_first].word == "from" and len(spans) == 1 and not scale.integral:
            op = ">="
        bounds: list[tuple[Op, float]]
        if op is None:
            if negated:
                # The outside of an interval is no constraint that an item could be held to.
                dropped.append(scale.facet.name)
                return []
            bounds = [(">=", low), ("<=", high)]
        else:
            bounds = [(op, low if op in (">=", "<") else high)]
            if negated:
                bounds = [(_OPPOSITE[op], bounds[0][1])]
        return [Reading(Constraint(scale.facet.name, o, value, strength), cue_first, last) for o, value in bounds]

    def _cue(self, tokens: Sequence[Token], first: int) -> tuple[int, Op | None, _Scale | None]:
        """Where the phrase around a number begins, the comparison it makes, and the facet that owns its words."""
        said = [token.word for token in tokens[max(0, first - 4) : first]]
        if said and said[-1] == "than":
            for length in range(min(self._longest, len(said) - 1), 0, -1):
                direction = self._directions.get(tuple(said[-1 - length : -1]))
                if direction:
                    return first - length - 1, ">" if direction[1] else "<", direction[0]
        for length in (2, 1):
            phrase = tuple(said[-length:])
            if len(phrase) == length and phrase in _BEFORE:
                return first - length, _BEFORE[phrase], None
        return first, None, None

    def _trailing(self, tokens: Sequence[Token], last: int) -> tuple[int, Op | None, _Scale | None]:
        """ "1990 or newer", "1990 onwards": where the phrase ends, what it compares, whose words it uses."""
        said = [token.word for token in tokens[last : last + 4]]
        if said[:3] in (["at", "the", "latest"], ["at", "the", "earliest"]):
            return last + 3, "<=" if said[2] == "latest" else ">=", None
        joined = said[:1] in (["or"], ["and"])
        for length in range(self._longest if joined else 0, 0, -1):
            phrase = tuple(said[1 : 1 + length])
            if direction := self._directions.get(phrase):
                return last + 1 + len(phrase), ">=" if direction[1] else "<=", direction[0]
        if after := _AFTER_TWO.get(tuple(said[:2])):
            return last + 2, after, None
        word = said[joined] if len(said) > joined else ""
        if word in _AFTER and (joined or word.startswith("on")) and "," not in tokens[last].gap:
            return last + 1 + joined, _AFTER[word], None
        return last, None, None

    def _named(self, tokens: Sequence[Token], first: int, last: int) -> _Scale | None:
        """The range facet whose name stands beside a number ("price under 20")."""
        near = {stem(token.word) for token in (*tokens[max(0, first - 2) : first], *tokens[last : last + 1])}
        near |= {stem(token.word) for token in tokens[first:last]}
        return next((s for s in self._scales if near.issuperset(map(stem, words(s.facet.name)))), None)

    def _plausible(self, low: float, high: float, cued: bool) -> _Scale | None:
        """The one facet that a number fits: near its values with a comparison, or among them."""
        if not cued and high < 100:
            return None
        for reach in (0.0, 0.5) if cued else (0.0,):
            fitting = [
                s for s in self._scales
                if s.low - reach * (s.high - s.low) <= high and low <= s.high + reach * (s.high - s.low)
            ]  # fmt: skip
            if fitting:
                return fitting[0] if len(fitting) == 1 else None
        return None

    # --- words -------------------------------------------------------------------------------------------

    def _compared(
        self, tokens: Sequence[Token], used: Collection[int], links: Sequence[Link], explicit: Collection[str]
    ) -> list[Reading]:
        """ "newer", "nothing old", "older than Alien": only the last names a bound."""
        starts = {link.first: link for link in links}
        readings: list[Reading] = []
        i = 0
        while i < len(tokens):
            for length in range(min(self._longest, len(tokens) - i), 0, -1):
                phrase = tuple(token.word for token in tokens[i : i + length])
                direction = self._directions.get(phrase)
                if direction is None or any(j in used for j in range(i, i + length)):
                    continue
                scale, upward = direction
                last = i + length
                referent = starts.get(last + 1) if last < len(tokens) and tokens[last].word == "than" else None
                if referent is not None:
                    readings += self._against(referent, i, last, scale, upward)
                elif scale.facet.name not in explicit and (own := self._vague(tokens, i, scale, upward)):
                    relative = phrase[0] in ("more", "less") or phrase[-1].endswith("er")
                    readings.append(Reading(own, i, last, stated=False, relative=relative))
                i = last - 1
                break
            i += 1
        return readings

    def _against(self, referent: Link, first: int, last: int, scale: _Scale, upward: bool) -> list[Reading]:
        numbers = self._catalogue[referent.item_id].numbers(scale.facet.name)
        op: Op = ">" if upward else "<"
        return [Reading(Constraint(scale.facet.name, op, n, "must"), first, last + 1) for n in numbers[:1]]

    def _vague(self, tokens: Sequence[Token], first: int, scale: _Scale, upward: bool) -> Constraint | None:
        """Where "recent", "old" and the like point: the outer third of the catalogue's values."""
        said = [token.word for token in before(tokens, first, ())]
        if "about" in said[-3:] or "any" in said[-1:]:
            return None  # "about an old man" is a topic, "any old western" none at all
        turned = is_negated(tokens, first, ()) or said[-1:] == ["too"] or said[-1:] == ["less"]
        bound = scale.upper_third if upward else scale.lower_third
        op: Op = (">=" if upward else "<=") if not turned else ("<" if upward else ">")
        return Constraint(scale.facet.name, op, bound, "prefer")


def _is_led(tokens: Sequence[Token], first: int) -> bool:
    """Whether "if possible" or a hedge before a comma leads to a number."""
    clause = tokens[first].clause
    said = [token.word for token in tokens[max(0, first - 3) : first] if token.clause == clause]
    return said[-2:] == ["if", "possible"] or bool(said and said[-1] in _SOFT)


def _values(catalogue: Catalogue, attribute: str) -> list[float]:
    return sorted(number for item in catalogue.values() for number in item.numbers(attribute))
