"""Owns the search for catalogue titles in a message: exact, with typos, quoted. Says nothing of how they are felt.

A title is an ordinary word until something speaks for it: quotes, capitals inside a sentence, a cue before it
("something like heat"), its year after it, or at least two words of its own. Misspelt words are first mapped to
words of titles, then whole titles are matched, so a typo costs one look-up per unknown word and not one per title.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from convrec.data.catalogue import Catalogue
from convrec.dialogue.language import FUNCTION_WORDS, STOP_WORDS, Token, common_words, stem, stems, vocabulary
from convrec.dialogue.spelling import ARTICLES, shortened, spellings
from convrec.dialogue.wording import is_calendar
from convrec.types import Item

_QUOTED = re.compile(r"\"[^\"]{1,120}\"|“[^”]{1,120}”|«[^»]{1,120}»|(?<!\w)['‘][^'’\n]{2,120}['’](?!\w)")
_CUES = vocabulary(
    """like liked likes love loved loves loving enjoy enjoyed enjoys adore adored adores hate hated hates dislike
    disliked unlike seen saw watched watching watch rewatch finished rewatching rewatched recommend recommended
    recommending suggest suggested remove skip own owned except finish than favorite favourite stand between is
    into"""
)
_CUE_PAIRS = frozenset(
    (first, second)
    for second, firsts in {
        "to": "sequel similar close closer comparable akin",
        "of": "instead line lines style vein spirit mood fan fans sort reminiscent reminds kind tone more enough "
        "out think mix heard",
        "as": "such same good mood vibe feel funny dark style",
        "me": "reminds",
        "for": "care up down",
        "during": "asleep",
        "than": "rather",
        "by": "impressed bored disappointed moved touched",
        "with": "up impressed compared disappointed",
        "about": "everything me know what how more",
    }.items()
    for first in firsts.split()
)
_LINK_ENDS = vocabulary(
    """and or but because as too was is were also though instead only imo tbh please pls plz so really already yet
    again at last yesterday tonight when btw lol twice did made had to vs versus than then if bored put just
    with except which who what how compare compared on for in by would could should might will can"""
)
PREDICATES = vocabulary(
    """cracked moved blew put left gave bores was is has had sucked sucks rocks rocked made bored scared did felt
    seemed looks isnt wasnt"""
)
"""What follows the subject of a sentence about an item."""

_LIKENED = frozenset(("something", "anything", "more", "stuff", "ones", "another", "one"))
_ASKED_OF = frozenset(("is", "was", "does", "did", "has", "whats"))
_ORDINARY = vocabulary("a an about some any with im am are were be being been my your his her our their")
_FOLLOWERS = vocabulary("but please again meets vs versus or")
_SUFFIXES = vocabulary("type style like esque vibe vibes ish kind")
_VAGUE = vocabulary("something anything someone nothing very so really too more most")
_CASTING = vocabulary(
    """star stars acting plays actor actress actors lead villain happens music cast who score ending plot scene"""
)
_LISTED = frozenset(("and", "or", "to", "vs", "versus", "over", "nor", "than", "with", "meets"))
_PLACES = frozenset(("in", "at", "near", "to", "on", "from", "by", "this", "last", "every"))
_PART = 3
_MOST_SHORTENED = 50_000
_LEAST_CORRECTED = 4
_MISSPELT_WORDS = 16
_FUZZY_QUOTES = 4
_QUOTE_SCORE = 88
_DOUBTFUL = 3
_WHOLE = 3


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
        self._calendars = [facet.name for facet in catalogue.facets if is_calendar(catalogue, facet)]
        self._root = _Node()
        self._spellings: dict[str, str] = {}
        vocabulary: set[str] = set()
        for item in catalogue.values():
            for rank, title in spellings(item.title):
                self._insert(title, rank, item.item_id)
                self._spellings.setdefault(" ".join(title), item.item_id)
                vocabulary.update(title)
        if len(catalogue) <= _MOST_SHORTENED:
            self._shorten(catalogue)
        self._vocabulary = vocabulary
        self._correctable = sorted(word for word in vocabulary if len(word) >= _LEAST_CORRECTED)

    def link(self, message: str, tokens: Sequence[Token]) -> tuple[Link, ...]:
        """The titles in a message, in order, never overlapping; the longest one wins."""
        return self.read(message, tokens)[0]

    def read(self, message: str, tokens: Sequence[Token]) -> tuple[tuple[Link, ...], tuple[Link, ...]]:
        """The titles in a message, and what could be titles but for which nothing speaks; none overlap."""
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
                    link = self._accept(match, tokens, cased, links.values())
                    if link is not None:
                        links[link.first] = link
                        taken.update(range(link.first, link.last))
        doubtful: dict[int, Link] = {}
        for match in matches:
            free = len(doubtful) < _DOUBTFUL and taken.isdisjoint(range(match.first, match.last))
            if free and self._is_possible(match, tokens):
                item_id, last = self._choose(match.entries, tokens, match.last)
                doubtful[match.first] = Link(item_id, match.first, last)
                taken.update(range(match.first, last))
        return tuple(links[i] for i in sorted(links)), tuple(doubtful[i] for i in sorted(doubtful))

    def _shorten(self, catalogue: Catalogue) -> None:
        """Let parts that only one title has stand for it."""
        owners: dict[tuple[str, ...], set[str]] = {}
        for item in catalogue.values():
            for part in shortened(item.title):
                owners.setdefault(part, set()).add(item.item_id)
        for part, item_ids in owners.items():
            if len(item_ids) == 1 and not all(stem(word) in self._plain_words for word in part):
                self._insert(part, _PART, *item_ids)

    def _insert(self, title: Sequence[str], rank: int, item_id: str) -> None:
        node = self._root
        for word in title:
            node = node.children.setdefault(word, _Node())
        node.entries.append((rank, item_id))

    def _alternatives(self, tokens: Sequence[Token]) -> list[tuple[str, ...]]:
        """For every token its word and the closest words of titles; a title's own word is rarely misspelt."""
        candidates = {
            token.word
            for token in tokens
            if len(token.word) >= _LEAST_CORRECTED
            and token.word not in STOP_WORDS
            and stem(token.word) not in self._plain_words
        }
        corrections: dict[str, tuple[str, ...]] = {}
        for word in sorted(candidates, key=lambda w: (w in self._vocabulary, -len(w)))[:_MISSPELT_WORDS]:
            near = process.extract(
                word, self._correctable, scorer=OSA.distance, score_cutoff=1 if len(word) < 8 else 2, limit=12
            )
            corrections[word] = tuple(found for found, _, _ in near if found != word)
        return [(token.word, *corrections.get(token.word, ())) for token in tokens]

    def _matches(self, alternatives: Sequence[tuple[str, ...]], first: int) -> Iterator[_Match]:
        # "good fellas" for "GoodFellas".
        for length in (2, 3):
            run = alternatives[first : first + length]
            node = self._root.children.get("".join(words[0] for words in run))
            if node is not None and node.entries and len(run) == length and len("".join(w[0] for w in run)) >= 8:
                yield _Match(first, first + length, 0, node.entries)
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
                if node.entries and corrected <= 2 and corrected < max(i + 1 - first, 2):
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
        named = [item_id for rank, item_id in entries if rank == best]
        # What only begins like several titles means the first of the series.
        return (min(named, key=self._age) if best > 1 else named[0]), last

    def _age(self, item_id: str) -> float:
        item = self._catalogue[item_id]
        return min((min(item.numbers(name), default=inf) for name in self._calendars), default=inf)

    def _accept(self, match: _Match, tokens: Sequence[Token], cased: bool, links: Collection[Link]) -> Link | None:
        item_id, last = self._choose(match.entries, tokens, match.last)
        span = tokens[match.first : match.last]
        dated = last > match.last and any(token.word not in FUNCTION_WORDS for token in span)
        whole = min(rank for rank, _ in match.entries)
        if dated and whole < _PART and not match.corrected:
            return Link(item_id, match.first, last)
        if all(stem(token.word) in self._plain_words or token.word in ARTICLES for token in span):
            return None
        before = tokens[match.first - 1] if match.first else None
        after = tokens[match.last] if match.last < len(tokens) else None
        listed = _is_listed(match, tokens, links)
        cued = listed or self._is_cued(tokens, match.first)
        own = sum(token.word not in STOP_WORDS for token in span)
        cued = cued or (after is not None and after.word in _SUFFIXES and not _breaks(after))
        if not match.corrected and whole == 0 and len(span) > _WHOLE:
            return Link(item_id, match.first, last)
        if match.corrected and own == 1 and not all(t.word in ARTICLES or self._is_misspelt(t.word) for t in span):
            return None
        rare = self._is_rare(match, span, cued, before, after)
        if whole == _PART:
            likened = own > 1 or rare or self._is_likened(span, tokens, match.first)
            named = rare and _is_named(span, before, after)
            supported = (cued and _ends_here(span, after) and likened) or named
        else:
            supported = (
                (rare and (whole < 2 or cued or _is_named(span, before, after)))
                or (cased and _stands_out(span, before, after) and not (match.corrected and own == 1))
                or (_is_alone(span, before, after) and not (match.corrected and own == 1))
                or (
                    cued
                    and _ends_here(span, after)
                    and (not match.corrected or len(span[0].word) >= 6 or len(span) > 1)
                )
                or (whole < 2 and self._speaks_for_itself(span, before, after))
                or (whole < 2 and not match.corrected and self._is_subject(span, before, after))
            )
        return Link(item_id, match.first, last) if supported else None

    def _is_possible(self, match: _Match, tokens: Sequence[Token]) -> bool:
        """Whether a title for which nothing speaks is worth a question: a whole one, spelt right or long."""
        span = tokens[match.first : match.last]
        own = [t for t in span if t.word not in STOP_WORDS and stem(t.word) not in self._plain_words]
        part = min(rank for rank, _ in match.entries) == _PART
        if (not own and len(span) < _WHOLE) or (part and len(own) == 1 and own[0].word in common_words()):
            return False
        return not match.corrected or len(span) > 1 or self._is_misspelt(own[0].word)

    def _is_misspelt(self, word: str) -> bool:
        """Whether a word that stands alone for a title may be one with a slip, and no other word."""
        return len(word) > _LEAST_CORRECTED and word not in self._vocabulary and word not in common_words()

    def _is_rare(
        self, match: _Match, span: Sequence[Token], cued: bool, before: Token | None, after: Token | None
    ) -> bool:
        """A single word that hardly means anything but the title, where no phrase around it says otherwise."""
        own = [token for token in span if token.word not in ARTICLES]
        if len(own) != 1 or len(own[0].word) < (4 if not match.corrected else 7):
            return False
        word = own[0].word
        if (
            not word.isalpha()
            or word in common_words()
            or stem(word) in self._plain_words
            or stem(word) in common_words()
        ):
            return False
        if cued:
            return True
        joined = before is not None and not _breaks(span[0])
        if joined and before is not None and (before.word in _ORDINARY | _PLACES | _VAGUE):
            return False
        name = own[0].capital and joined and before is not None and before.capital and not before.opens
        longer = own[0].capital and after is not None and after.capital and not _breaks(after)
        return not name and not longer and not (after is not None and stem(after.word) in self._plain_words)

    def _is_likened(self, span: Sequence[Token], tokens: Sequence[Token], first: int) -> bool:
        """A single word of a title stands for it in "something like shawshank" and "I loved Shawshank"."""
        i = first - 1
        while i > 0 and tokens[i].word in ARTICLES:
            i -= 1
        said = (tokens[i - 1].word if i > 0 else "", tokens[i].word)
        likened = said[1] == "like" and (stem(said[0]) in self._plain_words or said[0] in _LIKENED)
        return (likened and span[0].word not in STOP_WORDS) or (span[0].capital and not span[0].opens)

    def _is_cued(self, tokens: Sequence[Token], first: int) -> bool:
        i = first - 1
        while i > 0 and (tokens[i].word in ARTICLES or stem(tokens[i].word) in self._plain_words):
            i -= 1
        if i < 0 or tokens[i].clause != tokens[first - 1].clause:
            return False
        if tokens[i].word in ("in", "of") and any(t.word in _CASTING for t in tokens[max(0, i - 4) : i]):
            return True
        return tokens[i].word in _CUES or (i > 0 and (tokens[i - 1].word, tokens[i].word) in _CUE_PAIRS)

    def _is_subject(self, span: Sequence[Token], before: Token | None, after: Token | None) -> bool:
        """ "fargo was great", "the graduate bored me", "is jaws scary?": what a sentence is about, in lower
        case."""
        own = [
            token for token in span if token.word not in STOP_WORDS and stem(token.word) not in self._plain_words
        ]
        if not own or after is None or _breaks(after) or len(own[0].word) < 4:
            return False
        if span[0].opens or _breaks(span[0]):
            return after.word in PREDICATES
        asked = before is not None and before.word in _ASKED_OF and not _breaks(span[0])
        return asked and (span[0].asked or (before is not None and before.word == "whats"))

    def _speaks_for_itself(self, span: Sequence[Token], before: Token | None, after: Token | None) -> bool:
        """Lower case without a cue: two words of its own, not the topic of "about a ...", not part of a phrase."""
        if before is not None and before.word in _ORDINARY:
            return False
        if after is not None and stem(after.word) in self._plain_words and not _breaks(after):
            return False
        return sum(token.word not in STOP_WORDS for token in span) >= 2


def _is_listed(match: _Match, tokens: Sequence[Token], links: Collection[Link]) -> bool:
    """Whether another title stands right before or after, joined by nothing or by "and", "or", "to" ..."""
    first, last = match.first, match.last
    ends = {link.last for link in links}
    starts = {link.first for link in links}
    return (
        first in ends
        or (first > 0 and tokens[first - 1].word in _LISTED and first - 1 in ends)
        or (last < len(tokens) and tokens[last].word in ("and", "or", "vs", "versus") and last + 1 in starts)
        or (last in starts and "," in tokens[last].gap)
    )


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
        return len(own) == 1 and after is not None and after.word in PREDICATES | _FOLLOWERS and not _breaks(after)
    if len(span) == 1 and before is not None and before.word in _PLACES and not _breaks(span[0]):
        return False
    longer = after is not None and after.capital and not _breaks(after) and after.word not in FUNCTION_WORDS
    named = before is not None and before.capital and not before.opens and not _breaks(span[0])
    return not longer and not (named and before is not None and before.word not in FUNCTION_WORDS)


def _is_named(span: Sequence[Token], before: Token | None, after: Token | None) -> bool:
    """Whether a part of a title stands as a name: with a capital inside a sentence, as a subject, or first."""
    if after is not None and after.word in PREDICATES | _FOLLOWERS and not _breaks(after):
        return True
    return before is None or (span[0].capital and not span[0].opens)


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
    return frozenset(part for phrase in spoken for part in stems(phrase) if part not in FUNCTION_WORDS)
