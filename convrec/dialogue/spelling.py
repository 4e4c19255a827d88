"""Owns the ways in which people name one title: with and without article, note or subtitle. Searches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convrec.dialogue.language import vocabulary, words

ARTICLES = vocabulary("the a an la le les il lo el los das der die l")
"""Leading words that may be left out or, after a comma, stand at the end ("Usual Suspects, The")."""

_TRAILING_ARTICLE = re.compile(r"^(?P<rest>.*), (?P<article>\w{1,3}'?)$")
_PARENTHESIS = re.compile(r"\(([^()]*)\)")


def spellings(title: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """How people may name a title, the fullest way first.

    Returns:
        Pairs of how much is left out (0 nothing, 1 an article or a note, 2 a subtitle) and the words.
    """
    seen: set[tuple[str, ...]] = set()
    notes = _PARENTHESIS.findall(title)
    plain = _PARENTHESIS.sub(" ", title).strip() or title
    named = [(0, title), (0 if all(note.isdigit() for note in notes) else 1, plain)]
    named += [(1, note) for note in notes if not note.isdigit()]
    head = plain.split(": ", 1)[0]
    if head != plain:
        named.append((2, head.removesuffix(" or").removesuffix(",")))
    for rank, name in named:
        turned = _TRAILING_ARTICLE.match(name.strip())
        spoken = words(name)
        forms = [(rank, spoken)]
        if turned and turned["article"].lower().rstrip("'") in ARTICLES:
            forms = [(rank, spoken), (rank, (*words(turned["article"]), *words(turned["rest"])))]
        for form_rank, form in forms:
            bare = form[1:] if len(form) > 1 and form[0] in ARTICLES else ()
            for variant_rank, variant in ((form_rank, form), (max(form_rank, 1), bare)):
                if variant and variant not in seen:
                    seen.add(variant)
                    yield variant_rank, variant
