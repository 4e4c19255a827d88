"""Owns the references of a message to the last slate: "the second", "number 3", "the last two", "1 and 4".

A reference is a link to a rank instead of an item, so that feelings are read for it as they are for titles. A bare
number refers where the words around it leave nothing else: after "like", "compare", "seen", or as the whole
    message.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from convrec.dialogue.language import NUMBERS, Token, stem, vocabulary
from convrec.dialogue.linking import Link

USUAL_LENGTH = 5
"""How long the last slate is taken to be where it is not known ("the last one")."""

_LONGEST = 20
_ORDINALS = {
    word: rank
    for rank, words in enumerate(
        "first 1st|second 2nd|third 3rd|fourth 4th|fifth 5th|sixth 6th|seventh 7th|eighth 8th|ninth 9th|"
        "tenth 10th".split("|"),
        start=1,
    )
    for word in words.split()
}  # fmt: skip
_CARDINALS = {word: n for word, n in NUMBERS.items() if 1 <= n <= 10}
_SPANS = vocabulary("year decade day week month hour time minute act part season")
_MARKS = vocabulary("number no nr option pick choice suggestion recommendation result entry item")
_THINGS = vocabulary("one ones of pick option choice suggestion recommendation result entry item title")
_AFTER = vocabulary(
    """was is were are and or but looks look sounds sound seems seem instead please pls too again bored has had
    again only just than vs versus made does with without minus except if already fits fit cracked any though dont
    doesnt because"""
)
_REFERRING = vocabulary(
    """like why compare seen loved liked hated not versus vs number watched saw love hate enjoyed dislike disliked
    prefer replace swap skip remove"""
)
_LISTING = frozenset(("and", "or", "vs", "versus", "to", "than", "nor", "with"))
_POINTERS = frozenset(("that", "this", "it"))
_REFERRED = vocabulary("like not than to replace about")


@dataclass(frozen=True, slots=True)
class Reference:
    """A rank of the last slate that a message refers to: tokens first <= i < last."""

    rank: int
    first: int
    last: int

    @property
    def link(self) -> Link:
        """The reference in the place of a title."""
        return Link(f"#{self.rank}", self.first, self.last)


def references(
    tokens: Sequence[Token], taken: Collection[int], nouns: Collection[str], length: int
) -> tuple[Reference, ...]:
    """The references in a message, in order, each rank once.

    Args:
        taken: Tokens that name items or numbers of other kinds.
        nouns: Stems of what items are called.
        length: Of the last slate; 0 where there is none.
    """
    found: dict[int, Reference] = {}
    free = [i not in taken for i in range(len(tokens))]
    for reference in (
        *_ordinals(tokens, free, nouns, length),
        *_marked(tokens, free),
        *_bare(tokens, free, nouns),
        *(_pointed(tokens, free, nouns) if length else ()),
    ):
        if 1 <= reference.rank <= max(length, _LONGEST):
            found.setdefault(reference.rank, reference)
    return tuple(sorted(found.values(), key=lambda reference: (reference.first, reference.rank)))


def _ordinals(
    tokens: Sequence[Token], free: Sequence[bool], nouns: Collection[str], length: int
) -> Iterator[Reference]:
    for i, token in enumerate(tokens):
        last_ones = token.word == "last"
        if not free[i] or not (token.word in _ORDINALS or last_ones):
            continue
        said = [t.word for t in tokens[i + 1 : i + 4]]
        definite = i > 0 and tokens[i - 1].word in ("the", "your", "my", "that", "this", "only")
        if (
            said
            and said[0] in _CARDINALS
            and said[0] != "one"
            and (definite or i == 0)
            and token.word not in _ORDINALS_BUT_FIRST
        ):
            # "the first two", "the last three": not "the last two years".
            if len(said) > 1 and stem(said[1]) in _SPANS:
                continue
            count = _CARDINALS[said[0]]
            end = length or USUAL_LENGTH
            ranks = range(end - count + 1, end + 1) if last_ones else range(1, count + 1)
            yield from (Reference(rank, i - definite, i + 2) for rank in ranks)
            continue
        if not (definite or i == 0 or tokens[i - 1].word in _LISTING):
            continue
        thing = bool(said) and tokens[i + 1].clause == token.clause and _is_thing(said[0], nouns)
        ends = (
            not said
            or tokens[i + 1].clause != token.clause
            or "," in tokens[i + 1].gap
            or said[0] in _AFTER
            or said[0].endswith("er")
        )
        if last_ones and not (said and _is_thing(said[0], nouns) and said[0] not in ("of", "ones")):
            continue
        if thing or (ends and not last_ones):
            if thing and said[0] not in _THINGS and len(said) > 1 and said[1] in ("ever", "in", "by"):
                continue
            rank = (length or USUAL_LENGTH) if last_ones else _ORDINALS[token.word]
            yield Reference(rank, i - definite, i + 1 + (thing and said[0] != "of"))


def _marked(tokens: Sequence[Token], free: Sequence[bool]) -> Iterator[Reference]:
    """ "number 3", "#3", "option two"."""
    for i, token in enumerate(tokens):
        rank = _rank(token.word)
        if rank is None or not free[i]:
            continue
        if token.gap.endswith("#") or (
            i > 1 and tokens[i - 1].word in _LISTING and stem(tokens[i - 3 if i > 2 else 0].word) == "number"
        ):
            yield Reference(rank, i, i + 1)
        elif (
            i > 0
            and stem(tokens[i - 1].word) in _MARKS
            and (tokens[i - 1].word not in ("no", "item") or rank < 10)
        ):
            yield Reference(rank, i - 1, i + 1)


def _bare(tokens: Sequence[Token], free: Sequence[bool], nouns: Collection[str]) -> Iterator[Reference]:
    """ "more like 3", "compare 1 and 3", "2 or 4?", "1 and 2 are too dark"."""
    i = 0
    while i < len(tokens):
        run = _run(tokens, free, i)
        if not run:
            i += 1
            continue
        last = run[-1] + 1
        before = tokens[i - 1].word if i else ""
        after = tokens[last].word if last < len(tokens) else ""
        ends = last == len(tokens) or tokens[last].clause != tokens[i].clause or "," in tokens[last].gap
        single = len(run) == 1
        # A list of ranks may also begin a message; a number before a noun counts.
        leads = (
            before in _REFERRING
            or (tokens[i].asked and before in _ASKED_OF and (not single or before != "for"))
            or (not before and not single)
            or (not before and after in ("was", "is", "looks"))
        )
        counts = not ends and (stem(after) in nouns or after not in _AFTER | _LINKING)
        if leads and not counts and all(tokens[j].word.isdigit() or not single for j in run):
            yield from (Reference(int(_rank(tokens[j].word) or 0), j, j + 1) for j in run)
        i = last


def _run(tokens: Sequence[Token], free: Sequence[bool], first: int) -> list[int]:
    """Places of ranks in a list that begins at a token: "1, 2 and 4"."""
    run: list[int] = []
    i = first
    while i < len(tokens) and free[i] and re.fullmatch(r"[0-9]{1,2}", tokens[i].word) and _rank(tokens[i].word):
        run.append(i)
        joined = i + 2 < len(tokens) and tokens[i + 1].word in _LISTING
        if joined and tokens[i + 2].word in ("number", "nr"):
            break
        i += 2 if joined else 1
        if not joined and i < len(tokens) and "," not in tokens[i].gap and "&" not in tokens[i].gap:
            break
    return run


def _pointed(tokens: Sequence[Token], free: Sequence[bool], nouns: Collection[str]) -> Iterator[Reference]:
    """ "not that one", "more like this": the first, which is what a person looks at."""
    for i, token in enumerate(tokens):
        if token.word not in _POINTERS or not free[i] or not i or tokens[i - 1].word not in _REFERRED:
            continue
        thing = i + 1 < len(tokens) and _is_thing(tokens[i + 1].word, nouns) and tokens[i + 1].word != "ones"
        ends = i + 1 == len(tokens) or tokens[i + 1].clause != token.clause or tokens[i + 1].word in _AFTER
        if thing or ends:
            yield Reference(1, i, i + 1 + thing)


def _is_thing(word: str, nouns: Collection[str]) -> bool:
    return stem(word) in nouns or stem(word) in _THINGS or word in _THINGS


def _rank(word: str) -> int | None:
    if re.fullmatch(r"[0-9]{1,2}", word):
        return int(word) if 1 <= int(word) <= _LONGEST else None
    return _CARDINALS.get(word)


_ORDINALS_BUT_FIRST = frozenset(_ORDINALS) - {"first", "1st"}
_ASKED_OF = frozenset(("is", "was", "does", "did", "for"))
_LINKING = vocabulary("are were but and or both please then")
