"""Owns the search for catalogue titles in a message: exact, with typos, quoted. Says nothing of how they are felt.

A title is an ordinary word until something speaks for it: quotes, capitals inside a sentence, a cue before it
("something like heat"), its year after it, or at least two words of its own. Misspelt words are first mapped to
words of titles, then whole titles are matched, so a typo costs one look-up per unknown word and not one per title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from convrec.data.catalogue import Catalogue
from convrec.dialogue.language import FUNCTION_WORDS, STOP_WORDS, Token, stem, stems, vocabulary
from convrec.dialogue.spelling import ARTICLES, spellings
from convrec.types import Item

_QUOTED = re.compile(r"\"[^\"]{1,120}\"|“[^”]{1,120}”|«[^»]{1,120}»|(?<!\w)['‘][^'’\n]{2,120}['’](?!\w)")
_CUES = vocabulary(
    """like liked love loved loving enjoy enjoyed adore adored hate hated dislike disliked unlike seen saw watched
    than favorite favourite stand"""
)
_CUE_PAIRS = frozenset(
    (first, second)
    for second, firsts in {
        "to": "similar close comparable akin",
        "of": "style vein spirit mood fan sort reminiscent reminds kind tone",
        "as": "such same good",
        "me": "reminds",
    }.items()
    for first in firsts.split()
)
_LINK_ENDS = vocabulary("and or but because as too was is also though instead only")
_MISSPELT_WORDS = 16
_FUZZY_QUOTES = 4
_QUOTE_SCORE = 88


@dataclass(frozen=True, slots=True)
class Link:
    """A title found in a message: tokens first <= i < last name the item (a year after it included)."""

    item_id: str
    first: int
    last: int


@dataclass(slots=True)
class _Node:
    """A node of the tree of titles, by word; `entries` are (how much was left out, item_id)."""

    children: dict[str, _Node] = field(default_factory=dict)
    entries: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Match:
    first: int
    last: int
    corrected: int
    entries: Sequence[tuple[int, str]]


class TitleLinker:
    """Finds the items that a message names.

    Args:
        catalogue: Whose titles.
        plain_words: Stems of the domain's nouns and facet words; alone they never name an item unless quoted.
    """

    def __init__(self, catalogue: Catalogue, plain_words: frozenset[str]) -> None:
        self._catalogue = catalogue
        self._plain_words = plain_words
        self._root = _Node()
        self._spellings: dict[str, str] = {}
        vocabulary: set[str] = set()
        for item in catalogue.values():
            for rank, title in spellings(item.title):
                self._insert(title, rank, item.item_id)
                self._spellings.setdefault(" ".join(title), item.item_id)
                vocabulary.update(title)
        self._vocabulary = vocabulary
        self._correctable = sorted(word for word in vocabulary if len(word) >= 5)

    def link(self, message: str, tokens: Sequence[Token]) -> tuple[Link, ...]:
        """The titles in a message, in order, never overlapping; the longest one wins."""
        alternatives = self._alternatives(tokens)
        quoted = self._quotes(message, tokens)
        matches = [m for i in range(len(tokens)) for m in self._matches(alternatives, i)]
        matches.sort(key=lambda m: (m.first - m.last, m.corrected, m.first))
        links = {link.first: link for link in quoted}
        taken = {i for link in quoted for i in range(link.first, link.last)}
        cased = _is_cased(tokens)
        # The second round reads lists: in "loved heat, speed and alien" each title speaks for the next.
        for _ in range(2):
            for match in matches:
                if taken.isdisjoint(range(match.first, match.last)):
                    link = self._accept(match, tokens, cased, {link.last for link in links.values()})
                    if link is not None:
                        links[link.first] = link
                        taken.update(range(link.first, link.last))
        return tuple(links[first] for first in sorted(links))

    def _insert(self, title: Sequence[str], rank: int, item_id: str) -> None:
        node = self._root
        for word in title:
            node = node.children.setdefault(word, _Node())
        node.entries.append((rank, item_id))

    def _alternatives(self, tokens: Sequence[Token]) -> list[tuple[str, ...]]:
        """For every token its word and, where no title has that word, the closest words of titles."""
        unknown = {
            token.word
            for token in tokens
            if len(token.word) >= 5
            and token.word not in self._vocabulary
            and token.word not in STOP_WORDS
            and stem(token.word) not in self._plain_words
        }
        corrections: dict[str, tuple[str, ...]] = {}
        for word in sorted(unknown, key=len, reverse=True)[:_MISSPELT_WORDS]:
            near = process.extract(
                word, self._correctable, scorer=OSA.distance, score_cutoff=1 if len(word) < 8 else 2, limit=3
            )
            corrections[word] = tuple(found for found, _, _ in near)
        return [(token.word, *corrections.get(token.word, ())) for token in tokens]

    def _matches(self, alternatives: Sequence[tuple[str, ...]], first: int) -> Iterator[_Match]:
        reached = [(self._root, 0)]
        for i in range(first, len(alternatives)):
            reached = [
                (child, corrected + (spelling > 0))
                for node, corrected in reached
                for spelling, word in enumerate(alternatives[i])
                if (child := node.children.get(word)) is not None
            ]
            if not reached:
                return
            for node, corrected in reached:
                if node.entries and corrected <= 2:
                    yield _Match(first, i + 1, corrected, node.entries)

    def _quotes(self, message: str, tokens: Sequence[Token]) -> list[Link]:
        links: list[Link] = []
        for match in list(_QUOTED.finditer(message))[:_FUZZY_QUOTES]:
            inside = [i for i, t in enumerate(tokens) if match.start() <= t.start and t.end <= match.end()]
            if not inside:
                continue
            first, last = inside[0], inside[-1] + 1
            spoken = " ".join(tokens[i].word for i in inside)
            exact = [m for m in self._matches([(tokens[i].word,) for i in inside], 0) if m.last == len(inside)]
            if exact:
                item_id, last = self._choose(exact[0].entries, tokens, last)
                links.append(Link(item_id, first, last))
            elif near := process.extractOne(
                spoken, self._spellings.keys(), scorer=fuzz.ratio, score_cutoff=_QUOTE_SCORE
            ):
                links.append(Link(self._spellings[near[0]], first, last))
        return links

    def _choose(self, entries: Sequence[tuple[int, str]], tokens: Sequence[Token], last: int) -> tuple[str, int]:
        """The item that a title means, and where the mention ends: a number after it decides among namesakes."""
        if last < len(tokens) and tokens[last].word.isdigit():
            number = float(tokens[last].word)
            dated = [entry for entry in entries if _has_number(self._catalogue[entry[1]], number)]
            if dated:
                return min(dated)[1], last + 1
        best = min(rank for rank, _ in entries)
        return next(item_id for rank, item_id in entries if rank == best), last

    def _accept(self, match: _Match, tokens: Sequence[Token], cased: bool, link_ends: set[int]) -> Link | None:
        item_id, last = self._choose(match.entries, tokens, match.last)
        span = tokens[match.first : match.last]
        if last > match.last and any(token.word not in FUNCTION_WORDS for token in span):
            return Link(item_id, match.first, last)
        if all(stem(token.word) in self._plain_words or token.word in ARTICLES for token in span):
            return None
        before = tokens[match.first - 1] if match.first else None
        after = tokens[match.last] if match.last < len(tokens) else None
        listed = match.first in link_ends or (
            before is not None and before.word in ("and", "or") and match.first - 1 in link_ends
        )
        cued = listed or self._is_cued(tokens, match.first)
        whole = min(rank for rank, _ in match.entries) < 2
        supported = (
            (cased and _stands_out(span, before, after))
            or _is_alone(span, before, after)
            or (
                cued
                and _ends_here(span, after)
                and (not match.corrected or len(span[0].word) >= 7 or len(span) > 1)
            )
            or (whole and self._speaks_for_itself(span, before, after))
        )
        return Link(item_id, match.first, last) if supported else None

    def _is_cued(self, tokens: Sequence[Token], first: int) -> bool:
        i = first - 1
        while i > 0 and (tokens[i].word in ARTICLES or stem(tokens[i].word) in self._plain_words):
            i -= 1
        if i < 0 or tokens[i].clause != tokens[first - 1].clause:
            return False
        return tokens[i].word in _CUES or (i > 0 and (tokens[i - 1].word, tokens[i].word) in _CUE_PAIRS)

    def _speaks_for_itself(self, span: Sequence[Token], before: Token | None, after: Token | None) -> bool:
        """Lower case without a cue: two words of its own, not the topic of "about a ...", not part of a phrase."""
        if before is not None and before.word in ("a", "an", "about", "some", "any", "with"):
            return False
        if after is not None and stem(after.word) in self._plain_words and not _breaks(after):
            return False
        return sum(token.word not in STOP_WORDS for token in span) >= 2


def _has_number(item: Item, number: float) -> bool:
    return any(
        isinstance(value, int | float) and not isinstance(value, bool) and value == number
        for attribute in item.attributes
        for value in item.values(attribute)
    )


def _is_cased(tokens: Sequence[Token]) -> bool:
    """Whether capitals mean something: not in a message that is written in capitals or Like a Headline."""
    return not tokens or sum(token.capital for token in tokens) <= 0.7 * len(tokens)


def _breaks(token: Token) -> bool:
    """Whether punctuation other than a hyphen stands before a token."""
    return any(c in ',.;:!?\n()"”/' for c in token.gap)


def _capitals(span: Sequence[Token]) -> bool:
    own = [t for t in span if t.word not in FUNCTION_WORDS] or list(span)
    return (
        all(t.capital or t.word[0].isdigit() for t in own) and any(t.capital for t in own) and span[0].word != "i"
    )


def _stands_out(span: Sequence[Token], before: Token | None, after: Token | None) -> bool:
    """Capitals inside a sentence, and not those of a longer name ("Michael Mann") or of a place ("in Brazil")."""
    own = [t for t in span if t.word not in FUNCTION_WORDS]
    if not _capitals(span):
        return False
    if len(own) >= 2:
        return True
    if span[0].opens:
        return len(own) == 1 and after is not None and after.word in ("was", "sucked") and not _breaks(after)
    if before is not None and before.word in ("in", "at", "near", "to") and not _breaks(span[0]):
        return False
    longer = after is not None and after.capital and not _breaks(after) and after.word not in FUNCTION_WORDS
    named = before is not None and before.capital and not before.opens and not _breaks(span[0])
    return not longer and not (named and before is not None and before.word not in FUNCTION_WORDS)


def _is_alone(span: Sequence[Token], before: Token | None, after: Token | None) -> bool:
    """The title is all there is between two punctuation marks ("Alien, Heat"), or in the whole message."""
    own = sum(token.word not in STOP_WORDS for token in span)
    if before is None and after is None and (len(span) >= 3 or (own and len(span) == 2)):
        return True
    bounded = (before is None or _breaks(span[0])) and (after is None or _breaks(after))
    return own > 0 and bounded and _capitals(span)


def _ends_here(span: Sequence[Token], after: Token | None) -> bool:
    """A lower-case title after a cue counts when the phrase ends there ("like heat", not "like big hats")."""
    if all(token.word in FUNCTION_WORDS for token in span):
        return len(span) > 2
    if sum(token.word not in STOP_WORDS for token in span) >= 2:
        return True
    return after is None or _breaks(after) or after.word in _LINK_ENDS


def plain_words(catalogue: Catalogue) -> frozenset[str]:
    """Stems that ordinary talk about a domain is made of: its nouns, its facets, their values and words."""
    domain = catalogue.domain
    spoken = [domain.name, domain.noun, domain.plural]
    for facet in catalogue.facets:
        spoken += [facet.name, *facet.words, *(word for said in facet.words.values() for word in said)]
        spoken += [*facet.more, *facet.less, *catalogue.facet_values(facet.name)]
    return frozenset(part for phrase in spoken for part in stems(phrase))
