"""Owns the ways in which people name one title: with and without article, note or subtitle. Searches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from convrec.dialogue.language import FUNCTION_WORDS, vocabulary, words

ARTICLES = vocabulary("the a an la le les il lo el los das der die l")
"""Leading words that may be left out or, after a comma, stand at the end ("Usual Suspects, The")."""

_TRAILING_ARTICLE = re.compile(r"^(?P<rest>.*), (?P<article>\w{1,3}'?)$")
_ABBREVIATION = re.compile(r"(?:[A-Z]\.){2,}(?=\s)")
_NUMBERS = {
    str(number): word
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve thirteen".split(), start=1
    )
}
_SPOKEN = _NUMBERS | {word: number for number, word in _NUMBERS.items()}
_JOINED = 8
_SHORT = 6
_PARENTHESIS = re.compile(r"\(([^()]*)\)")


def spellings(title: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """How people may name a title, the fullest way first.

    Returns:
        Pairs of how much is left out (0 nothing, 1 an article, a note or "part", 2 a subtitle) and the words.
    """
    seen: set[tuple[str, ...]] = set()
    notes = _PARENTHESIS.findall(title)
    plain = _PARENTHESIS.sub(" ", title).strip() or title
    named = [(0, title), (0 if all(note.isdigit() for note in notes) else 1, plain)]
    named += [(1, note) for note in notes if not note.isdigit()]
    named += [(2, abbreviation.group()) for abbreviation in [_ABBREVIATION.match(plain)] if abbreviation]
    head = plain.split(": ", 1)[0]
    if head != plain:
        # "Terminator 2" names one film, "Star Trek" many.
        named.append((1 if head[-1:].isdigit() else 2, head.removesuffix(" or").removesuffix(",")))
    for rank, name in named:
        turned = _TRAILING_ARTICLE.match(name.strip())
        spoken = words(name)
        forms = [(rank, spoken)]
        if turned and turned["article"].lower().rstrip("'") in ARTICLES:
            forms = [(rank, spoken), (rank, (*words(turned["article"]), *words(turned["rest"])))]
        for form_rank, form in forms:
            bare = form[1:] if len(form) > 1 and form[0] in ARTICLES else ()
            for variant in dict.fromkeys((form, bare, *_variants(form), *_variants(bare))):
                variant_rank = form_rank if variant is form else max(form_rank, 1)
                if variant and variant not in seen:
                    seen.add(variant)
                    yield variant_rank, variant


def _variants(form: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """One title as it is also written: without "part", in one word, numbers in words, initials in one."""
    if "part" in form[:-1] and form[-1].isdigit():
        partless = tuple(word for word in form if word != "part")
        yield from (partless, (*partless[:-1], _SPOKEN.get(partless[-1], partless[-1])))
    if any(word in _SPOKEN for word in form):
        yield tuple(_SPOKEN.get(word, word) for word in form)
    initials = next((n for n, word in enumerate(form) if len(word) > 1 or word.isdigit()), len(form))
    if initials > 1:
        yield ("".join(form[:initials]), *form[initials:])
    if len(form) in (2, 3) and len("".join(form)) >= _JOINED:
        yield ("".join(form),)


def shortened(title: str) -> Iterator[tuple[str, ...]]:
    """Parts of a title that may stand for it where no other title has them: "shawshank", "private ryan"."""
    spoken = words(_PARENTHESIS.sub(" ", title)) or words(title)
    for length in range(1, len(spoken)):
        for first in range(len(spoken) - length + 1):
            part = spoken[first : first + length]
            if part[0] not in FUNCTION_WORDS and part[-1] not in FUNCTION_WORDS and len("".join(part)) >= _SHORT:
                yield part
