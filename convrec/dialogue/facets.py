"""Owns the wishes on set facets in a message: which values, wanted or refused, and how strongly.

Reads nothing but the facets of the catalogue: their values and the domain's words for them. A phrase is matched by
stem, so plural and hyphens do not matter ("sci-fi westerns"). Two values joined by "or" become `prefer`: a
constraint names one value, and none of the two is required.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.dialogue.language import FUNCTION_WORDS, NEGATIONS, Token, before, stem, stems, vocabulary, words
from convrec.types import Constraint, FacetType, Op, Strength

_JOINTS = frozenset(("and", "or", "nor", "a", "an", "the"))
_AVERSIONS = vocabulary("hate hated hates dislike disliked despise tired sick bored stand")
_SOFTENERS = vocabulary(
    """maybe perhaps preferably ideally slightly possibly prefer preferred bit little kinda somewhat"""
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A constraint and the tokens that asked for it, first <= i < last."""

    constraint: Constraint
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Phrase:
    first: int
    last: int
    facet: str
    value: str


class FacetReader:
    """Reads set facets.

    Args:
        catalogue: Its facets, their values, the domain's words.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._phrases: dict[tuple[str, ...], tuple[str, str]] = {}
        domain = catalogue.domain
        nouns = {stems(noun) for noun in (domain.name, domain.noun, domain.plural)}
        for facet in catalogue.facets:
            if facet.type is not FacetType.SET:
                continue
            for value in catalogue.facet_values(facet.name):
                for said in (value, *facet.words.get(value, ())):
                    phrase = stems(said)
                    for form in (phrase, (stem("".join(words(said))),)):
                        if form not in nouns and any(w not in FUNCTION_WORDS and not w.isdigit() for w in form):
                            self._phrases.setdefault(form, (facet.name, value))
        self._longest = max((len(phrase) for phrase in self._phrases), default=0)

    def knows(self, word: str) -> bool:
        """Whether a single word asks for a value."""
        return (stem(word),) in self._phrases

    def read(self, tokens: Sequence[Token], taken: Collection[int]) -> tuple[Reading, ...]:
        """The wishes in a message, in order.

        Args:
            taken: Tokens that already mean something else (titles, numbers).
        """
        phrases = self._find(tokens, taken)
        occupied = {i for phrase in phrases for i in range(phrase.first, phrase.last)} | set(taken)
        readings: list[Reading] = []
        for chain in _chains(phrases, tokens):
            refused = self._refused(chain, tokens, occupied)
            for phrase, no in zip(chain, refused, strict=True):
                strength = self._strength(phrase, chain, tokens, occupied, no)
                op: Op = "exclude" if no and strength == "must" else "include"
                constraint = Constraint(phrase.facet, op, phrase.value, strength)
                readings.append(Reading(constraint, phrase.first, phrase.last))
        return _consistent(readings)

    def _find(self, tokens: Sequence[Token], taken: Collection[int]) -> list[_Phrase]:
        found: list[_Phrase] = []
        stemmed = [stem(token.word) for token in tokens]
        i = 0
        while i < len(tokens):
            for length in range(min(self._longest, len(tokens) - i), 0, -1):
                phrase = tuple(stemmed[i : i + length])
                if phrase in self._phrases and not any(j in taken for j in range(i, i + length)):
                    found.append(_Phrase(i, i + length, *self._phrases[phrase]))
                    i += length - 1
                    break
            i += 1
        return found

    def _refused(self, chain: Sequence[_Phrase], tokens: Sequence[Token], occupied: Collection[int]) -> list[bool]:
        """For each phrase of a chain, whether a negation reaches it ("no horror, war or crime" refuses three)."""
        head = chain[0].first
        negated = is_negated(tokens, head, occupied)
        through = any(tokens[i].word in ("or", "nor") for i in range(head, chain[-1].last))
        refused = []
        for phrase in chain:
            if phrase is not chain[0] and "," in tokens[phrase.first].gap and not through:
                negated = False
            refused.append(negated)
        return refused

    def _strength(
        self,
        phrase: _Phrase,
        chain: Sequence[_Phrase],
        tokens: Sequence[Token],
        occupied: Collection[int],
        refused: bool,
    ) -> Strength:
        said = [token.word for token in before(tokens, phrase.first, occupied)]
        closest = said[-1:] if said[-1:] != ["so"] else said[-2:]
        if {"less", "too"} & set(closest) or (refused and {"so", "as", "very"} & set(closest)):
            return "avoid"
        if refused:
            return "must"
        between = {tokens[i].word for i in range(chain[0].first, chain[-1].last) if i not in occupied}
        several = len(chain) > 1 and any(_is_plural(tokens[p.last - 1].word) for p in chain)
        if "or" in between or ("and" in between and several):
            return "prefer"
        comparative = self._is_comparative(phrase, tokens) or closest == ["more"]
        return "prefer" if comparative or _SOFTENERS & set(said) else "must"

    def _is_comparative(self, phrase: _Phrase, tokens: Sequence[Token]) -> bool:
        """ "funnier" beside "funny" is a comparative; "thriller" and "gangster" are not."""
        word = tokens[phrase.last - 1].word
        if phrase.last - phrase.first > 1 or not word.endswith("er"):
            return False
        bases = (word[:-3] + "y", word[:-2], word[:-1]) if word.endswith("ier") else (word[:-2], word[:-1])
        return any(self._phrases.get((base,)) == (phrase.facet, phrase.value) for base in bases)


def is_negated(tokens: Sequence[Token], first: int, occupied: Collection[int]) -> bool:
    """Whether a negation reaches the token at `first`."""
    said = [token.word for token in before(tokens, first, occupied)]
    if said[-2:] in (["anything", "but"], ["other", "than"], ["rather", "than"], ["instead", "of"]):
        return True
    if said[-2:] == ["nothing", "but"] or "enough" in said:
        return False
    return any(
        (word in NEGATIONS or word in _AVERSIONS)
        and following not in ("only", "just", "necessarily", "错", "仅", "只")
        and previous != "why"
        for previous, word, following in zip(["", *said], said, [*said[1:], ""], strict=False)
    )


def _chains(phrases: Sequence[_Phrase], tokens: Sequence[Token]) -> list[list[_Phrase]]:
    """Phrases with nothing but commas, connectors and articles between them belong together."""
    chains: list[list[_Phrase]] = []
    for phrase in phrases:
        between = range(chains[-1][-1].last, phrase.first) if chains else range(0)
        same = bool(chains) and tokens[chains[-1][-1].last - 1].clause == tokens[phrase.first].clause
        if same and all(tokens[i].word in _JOINTS for i in between):
            chains[-1].append(phrase)
        else:
            chains.append([phrase])
    return chains


def _is_plural(word: str) -> bool:
    return stem(word) != word


def _consistent(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """In "horror, but not scary" the same value is asked for and refused: what was asked for stays."""
    wanted = {(r.constraint.facet, r.constraint.value) for r in readings if _is_wanted(r.constraint)}
    kept: list[Reading] = []
    for reading in readings:
        c = reading.constraint
        repeated = any((k.constraint.facet, k.constraint.value) == (c.facet, c.value) for k in kept)
        if not repeated and (_is_wanted(c) or (c.facet, c.value) not in wanted):
            kept.append(reading)
    return tuple(kept)


def _is_wanted(constraint: Constraint) -> bool:
    return constraint.op == "include" and constraint.strength != "avoid"
