"""Owns how many items a message asks for: "five films", "top 10", "cinco películas", "推荐10部"."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from convrec.dialogue.language import NUMBERS, Token, stem, vocabulary

MAX_K = 20

# "un", "una" and "once" are other words as well.
_SPANISH = {2: "dos", 3: "tres", 4: "cuatro", 5: "cinco", 6: "seis", 7: "siete", 8: "ocho", 9: "nueve", 10: "diez"}
_SPOKEN = NUMBERS | {word: n for n, word in _SPANISH.items()}
_CHINESE = {word: n for n, word in enumerate("一二三四五六七八九十", start=1)} | {"两": 2}
_MEASURES = vocabulary("部 个 本 款 种 张 首 件 条")
_NO_ITEMS = vocabulary("人 小 月 星 孩 年 字")
_COUNTED = vocabulary("""recommendation suggestion idea title pick option choice more other result example""")
_AFTER_COUNT = vocabulary("of please pls plz instead more then max tops this")


class CountReader:
    """Reads how many.

    Args:
        nouns: Stems of what people call the items.
        names_value: Whether a word asks for a value of a facet ("two comedies").
    """

    def __init__(self, nouns: Collection[str], names_value: Callable[[str], bool]) -> None:
        self._nouns, self._names_value = nouns, names_value

    def read(self, tokens: Sequence[Token], taken: Collection[int]) -> tuple[int | None, set[int]]:
        """How many items are asked for, at most MAX_K, and the tokens that say so.

        Args:
            taken: Tokens that already mean something else.
        """
        for i, token in enumerate(tokens):
            if i in taken:
                continue
            measured = _measured(tokens, i)
            if measured is not None:
                n, last = measured
                return min(n, MAX_K), set(range(i, last))
            count = _digits(token.word)
            count = _SPOKEN.get(token.word) if count is None else count
            if count is not None and self._is_asked(tokens, i, count):
                return min(max(count, 1), MAX_K), {i}
        return None, set()

    def _is_asked(self, tokens: Sequence[Token], i: int, n: int) -> bool:
        """Whether the number at `i` counts items: "five films", "top 10", "3 good ones", "give me 4"."""
        said = [token.word for token in tokens[max(0, i - 2) : i]]
        if said[-1:] in (["in"], ["and"]):
            return False
        following = [t for t in tokens[i + 1 : i + 4] if t.clause == tokens[i].clause]
        near = [stem(t.word) for t in following]
        if said[-1:] in (["top"], ["best"]) or near[:2] in (["are", "enough"], ["is", "enough"]):
            return True
        if any(w in self._nouns or w in _COUNTED for w in near[: 1 if n == 1 and i else 3]):
            return True
        if any(t.word != stem(t.word) and self._names_value(t.word) for t in following[:2]):
            return True
        told = said[-1:] and said[-1] in ("me", "give", "show", "just", "only", "exactly")
        told = told or said in (["make", "it"], ["make", "that"])
        return bool(told) and (not following or following[0].word in _AFTER_COUNT or "," in following[0].gap)


def _measured(tokens: Sequence[Token], first: int) -> tuple[int, int] | None:
    """A number before a Chinese measure word, and where both end; "一部" is an article."""
    n, last = 0, first
    while last < len(tokens) and (digit := _CHINESE.get(tokens[last].word)) is not None:
        n = (n or 1) * 10 if digit == 10 else n + digit
        last += 1
    if last == first and (digits := _digits(tokens[first].word)) is not None:
        n, last = digits, first + 1
    said = [token.word for token in tokens[last : last + 2]]
    ordinal = first > 0 and tokens[first - 1].word in ("第", "这", "那")
    if ordinal or said[:1] == [] or said[0] not in _MEASURES or (said[1:] and said[1] in _NO_ITEMS):
        return None
    return (n, last + 1) if n > 1 else None


def _digits(word: str) -> int | None:
    return int(word) if re.fullmatch(r"[0-9]{1,3}", word) else None
