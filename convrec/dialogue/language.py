"""Owns how a message is read as English: its tokens, and the words that carry no wish of their own.

Knows neither catalogue nor domain. Titles and facets in other scripts are found too (CJK text is split by
character); cues and stop words are English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import islice

MESSAGE_LIMIT = 2000
"""Characters of a message that are read; what follows is ignored, so that any input costs bounded work."""

_TOKEN_LIMIT = 300
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_CJK}]|&|\d+\.\d+|[^\W_{_CJK}]+(?:['’][^\W\d_{_CJK}]+)*")
_ROMAN = {"ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8"}
_SENTENCE_END = re.compile(r"[.!?;\n。！？]")


def vocabulary(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


_TURNS = frozenset(("but", "though", "although", "however"))
_BUT_FOR = frozenset(("anything", "nothing", "everything"))  # "anything but horror" is one clause

FUNCTION_WORDS = vocabulary(
    """a about above after again against all along already also although always am an and another any anything are
    around as at away back be because been before being below between both but by can cannot cant could couldnt
    did didnt do does doesnt doing dont down during each either else enough even ever every everything few for
    from further get gets getting give go going gonna good got had has hasnt have havent having he hello her
    here hers hey hi him his how however i id if ill im in instead into is isnt it its itself ive just kind last
    least less let lets like lot lots made make makes many may maybe me might mine more most much must my myself
    need never new no none nor not nothing now of off oh ok okay old on once one ones only onto or other others
    our ours out over own perhaps please put quite rather really right same say see seem seems she should so
    some someone something somewhat sort still stuff such sure take than thank thanks that thats the their them
    themselves then there these they thing things this those though through till to too two under until up upon
    us very want wanted wants was wasnt way we well were what whatever whats when where whether which while who
    whom whose why will with within without wont would wouldnt yeah yes yet you your yours"""
)
"""Words that never name an item when they stand alone in lower case."""

_WISH_WORDS = vocabulary(
    """actually best bring choose cool different evening fan feel feeling find first favorite favourite great idea
    ideas last liked look looking love mood morning nice night pick picks ready recommend recommendation
    recommendations recommended search show shows suggest suggested suggestion suggestions surprise next
    title titles tell today tomorrow tonight try trying wish wonder wondering know think help fine again bit
    little long top week worth anyone anybody hopefully ideally possibly preferably"""
)

_IDLE_ELSEWHERE = vocabulary(
    """quiero quisiera busco una un uno algo alguna alguno de del pelicula peliculas que para por ver gusta gustan
    gracias hola recomienda recomiendame dame muestrame
    我 想 要 看 喜 欢 的 找 个 一 部 电 影 片 子 推 荐 给 来 请 几"""
)
"""The same in Spanish and Chinese."""

STOP_WORDS = FUNCTION_WORDS | _WISH_WORDS | _IDLE_ELSEWHERE
"""Words that are cut from the edges of what is searched for."""


@cache
def common_words() -> frozenset[str]:
    """The 10,000 most frequent English words of three letters or more, in the order of BERT's vocabulary.

    Source: vocab.txt of bert-base-uncased (Apache-2.0).
    """
    return frozenset(files("convrec.dialogue").joinpath("common_words.txt").read_text(encoding="ascii").split())


_REACH = 5

_ZERO_TO_TWENTY = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty"""
NUMBERS = {word: n for n, word in enumerate(_ZERO_TO_TWENTY.split())}
"""English words for numbers."""

NEGATIONS = vocabulary(
    """no not never without none nothing nor neither dont doesnt didnt isnt arent wasnt werent cant cannot couldnt
    wont wouldnt shouldnt havent hasnt hadnt aint except excluding exclude avoid skip minus non
    sin ni excepto 不 别"""
)
"""Words that turn what follows them in the clause into its opposite."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a message.

    Args:
        word: Folded: lower case, no accents, no apostrophes; "&" is "and", "III" is "3".
        start, end: Characters of the message that it covers.
        capital: It begins with an upper-case letter.
        opens: It is the first of a sentence.
        clause: Number of its clause; a token of another clause is out of a cue's reach.
        gap: The characters between the token before it and itself.
        asked: Its clause ends in a question mark.
    """

    word: str
    start: int
    end: int
    capital: bool
    opens: bool
    clause: int
    gap: str
    asked: bool = False


def fold(text: str) -> str:
    """Lower case without accents, for comparison."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def tokenise(text: str) -> tuple[Token, ...]:
    """The tokens of a text, in order; the first 300."""
    tokens: list[Token] = []
    clause, end = 0, 0
    asked: set[int] = set()
    for match in islice(_TOKEN.finditer(text), _TOKEN_LIMIT):
        gap = text[end : match.start()]
        word = _normal(match.group())
        if "?" in gap:
            asked.add(clause)
        if tokens and (_SENTENCE_END.search(gap) or (word in _TURNS and tokens[-1].word not in _BUT_FOR)):
            clause += 1
        tokens.append(
            Token(
                word=word,
                start=match.start(),
                end=match.end(),
                capital=match.group()[0].isupper(),
                opens=not tokens or bool(_SENTENCE_END.search(gap)),
                clause=clause,
                gap=gap,
            )
        )
        end = match.end()
    if "?" in text[end:] or "？" in text[end:]:
        asked.add(clause)
    return tuple(replace(token, asked=True) if token.clause in asked else token for token in tokens)


def words(text: str) -> tuple[str, ...]:
    """The folded words of a text."""
    return tuple(_normal(match.group()) for match in _TOKEN.finditer(text))


def stem(word: str) -> str:
    """A word without its plural ending: the same for "comedy" and "comedies", "movie" and "movies"."""
    for ending in ("ies", "ie"):
        if len(word) > 4 and word.endswith(ending):
            return word.removesuffix(ending) + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def stems(text: str) -> tuple[str, ...]:
    """The stems of a text's words."""
    return tuple(stem(word) for word in words(text))


def trim(run: Sequence[Token], is_idle: Callable[[str], bool]) -> Sequence[Token]:
    """A run of tokens without the idle words at its two ends."""
    keep = [i for i, token in enumerate(run) if not is_idle(token.word)]
    return run[keep[0] : keep[-1] + 1] if keep else ()


def before(tokens: Sequence[Token], first: int, occupied: Collection[int]) -> Sequence[Token]:
    """What a cue at `first` may be changed by: up to five tokens before it, in its clause, after any comma.

    Args:
        occupied: Tokens with a meaning of their own; the reach ends at them.
    """
    start = first
    while start > 0 and first - start < _REACH:
        if "," in tokens[start].gap or start - 1 in occupied or tokens[start - 1].clause != tokens[first].clause:
            break
        start -= 1
    return tokens[start:first]


def _normal(word: str) -> str:
    if word == "&":
        return "and"
    folded = fold(word).replace("'", "").replace("’", "")
    return _ROMAN.get(folded, folded)
