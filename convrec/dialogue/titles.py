"""Owns the check that a text names no item outside a slate. Writes no text and repairs none.

A title is named where it stands word-bounded and without regard to case or spacing. Punctuation at its two ends is
not required ("Airplane!" is named by "airplane"). An occurrence inside an occurrence of a slate's own title does
not count: "Toy Story 2" does not name "Toy Story". Titles without a letter or digit cannot be named.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from convrec.data.catalogue import Catalogue

_WORD = re.compile(r"\w+")
_EDGES = re.compile(r"^\W+|\W+$")
_PAUSE = re.compile(r"[^\w\s]+ ")


class TitleScanner:
    """Finds titles in texts; built once per catalogue.

    Args:
        catalogue: Whose titles.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._named_by: dict[str, dict[str, str]] = {}
        self._by_first_word: dict[str, list[str]] = {}
        pauses: set[str] = set()
        for item in catalogue.values():
            whole = _fold(item.title)
            core = _EDGES.sub("", whole)
            first = _WORD.match(core)
            if first is None:
                continue
            if core not in self._named_by:
                self._by_first_word.setdefault(first.group(), []).append(core)
            self._named_by.setdefault(core, {}).setdefault(whole, item.title)
            pauses.update(core[: match.end() - 1] for match in _PAUSE.finditer(core))
        self._pauses = tuple(sorted(pauses))

    def outside(self, text: str, slate_ids: Collection[str]) -> list[str]:
        """Titles that a text names and that no item of the slate has, in order of appearance, each once."""
        folded = _fold(text)
        own = {_fold(self._catalogue[item_id].title) for item_id in slate_ids if item_id in self._catalogue}
        covered = [span for title in own for span in _spans(title, folded)]
        named: dict[str, None] = {}
        for start, end, core in self._occurrences(folded):
            if not any(first <= start and end <= last for first, last in covered):
                others = (title for whole, title in self._named_by[core].items() if whole not in own)
                named.update(dict.fromkeys(others))
        return list(named)

    def may_run_on(self, sentence: str) -> bool:
        """Whether a sentence ends as a title does before an inner pause ("Mr." of "Mr. Deeds").

        What follows such a sentence could complete the title.
        """
        folded = _fold(sentence)
        return folded.endswith(self._pauses) and any(
            folded.endswith(pause) and not _WORD.search(folded[: -len(pause)][-1:]) for pause in self._pauses
        )

    def _occurrences(self, folded: str) -> Iterator[tuple[int, int, str]]:
        for match in _WORD.finditer(folded):
            for core in self._by_first_word.get(match.group(), ()):
                end = match.start() + len(core)
                if folded.startswith(core, match.start()) and not _WORD.match(folded[end : end + 1]):
                    yield match.start(), end, core


def mentions_outside(text: str, slate_ids: Collection[str], catalogue: Catalogue) -> list[str]:
    """Titles of catalogue items outside a slate that a text names; see this module for what counts.

    Args:
        text: Prose about the slate.
        slate_ids: item_ids that may be named.
        catalogue: Whose titles.
    """
    return TitleScanner(catalogue).outside(text, slate_ids)


def _fold(text: str) -> str:
    """Lower case with single spaces. Dotted and dotless i are one, as they are for case-insensitive search."""
    folded = text.casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return " ".join(folded.split())


def _spans(title: str, folded: str) -> Iterator[tuple[int, int]]:
    """Where a folded title stands in a folded text, word-bounded where it begins and ends with a word."""
    pattern = rf"(?<!\w){re.escape(title)}" if _WORD.match(title) else re.escape(title)
    if title and _WORD.match(title[-1]):
        pattern += r"(?!\w)"
    return (match.span() for match in re.finditer(pattern, folded))
