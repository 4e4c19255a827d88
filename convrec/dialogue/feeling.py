"""Owns how a message feels about each item it names: liked, disliked, seen or neutral. Finds no items itself.

A clause is read from left to right: a cue holds for the titles after it until the next cue or the clause's end, so
that "I loved Alien, Heat and Speed" likes three. A negation within five words before a cue turns it round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convrec.dialogue.language import NEGATIONS, Token, before, vocabulary
from convrec.dialogue.linking import Link
from convrec.types import Domain, Polarity

_LIKED = (
    "love|loved|loving|enjoy|enjoyed|adore|adored|liked|favorite|favorites|favourite|favourites|fan of|fond of"
)
_DISLIKED = "hate|hated|hates|dislike|disliked|despise|despised|bored by|disappointed by|tired of|sick of|stand"
_SEEN = "seen|saw|already know"
_ALIKE = (
    "something like|anything like|similar to|in the style of|in the vein of|in the spirit of|in the mood of|"
    "along the lines of|reminiscent of|reminds me of|remind me of|such as|as good as|close to|comparable to|"
    "akin to|same kind as|more like|just like|like|likes"
)
_ASKED = (
    "like to|love to|want to|wants to|show me|show|recommend|suggest|find me|what about|how about|tell me|"
    "have you seen|did you see|have you watched|want|want something"
)
_GOOD = vocabulary(
    """great good amazing awesome excellent brilliant fantastic wonderful perfect superb fun beautiful best
    masterpiece favorite favourite nice lovely"""
)
_BAD = vocabulary(
    """bad awful terrible boring horrible disappointing overrated dull weak worst stupid poor rubbish trash"""
)
_SPEAKERS = vocabulary("i we ive weve really also do dont did didnt doesnt always never absolutely both still")
_HINGES = vocabulary("was were is are sucks sucked")

VERDICTS = _GOOD | _BAD | _HINGES
"""Words that only say how something was; no wish of their own."""


@dataclass(frozen=True, slots=True)
class Feeling:
    """How a message feels about one item; `wish` where it asks for more of the kind instead of reporting."""

    polarity: Polarity
    wish: bool


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue phrase as found: tokens first <= i < last."""

    first: int
    last: int


_NEUTRAL = Feeling(Polarity.NEUTRAL, wish=True)


class FeelingReader:
    """Reads feelings from the words around titles.

    Args:
        domain: Its verb's participle ("watched") says that an item is known.
    """

    def __init__(self, domain: Domain) -> None:
        seen = f"{_SEEN}|{domain.past}|have {domain.past}|already {domain.past}"
        asked = f"{_ASKED}|{domain.verb}|to {domain.verb}"
        self._cues: dict[tuple[str, ...], Feeling] = {}
        for phrases, feeling in (
            (_ALIKE, Feeling(Polarity.LIKED, wish=True)),
            ("less like", Feeling(Polarity.DISLIKED, wish=True)),
            (_LIKED, Feeling(Polarity.LIKED, wish=False)),
            (_DISLIKED, Feeling(Polarity.DISLIKED, wish=False)),
            (seen, Feeling(Polarity.SEEN, wish=False)),
            (asked, _NEUTRAL),
        ):
            for phrase in phrases.split("|"):
                self._cues[tuple(phrase.lower().split())] = feeling
        self._longest = max(len(phrase) for phrase in self._cues)

    def read(self, tokens: Sequence[Token], links: Sequence[Link]) -> tuple[tuple[Feeling, ...], tuple[Cue, ...]]:
        """One feeling per link, and the cue phrases that the message contains."""
        starts = {link.first: n for n, link in enumerate(links)}
        feelings: list[Feeling] = [_NEUTRAL] * len(links)
        cues: list[Cue] = []
        current: Feeling | None = None
        clause, clause_start, named, i = -1, 0, [0, 0], 0
        while i < len(tokens):
            if tokens[i].clause != clause:
                clause, clause_start, current = tokens[i].clause, i, None
            if i in starts:
                n = starts[i]
                feelings[n] = current or self._bare(tokens, i, clause_start)
                # A list ("Alien, Heat and Speed") shares the verdict that follows it; another clause starts anew.
                named = [named[0] if n and _joined(tokens, links[n - 1].last, i) else n, n + 1]
                i = links[n].last
                clause = tokens[i - 1].clause
                continue
            found = self._cue(tokens, starts, i)
            if found is None:
                verdict = self._verdict(tokens, i, clause_start, links, named)
                if verdict is not None:
                    for n in range(*named):
                        feelings[n] = verdict
                i += 1
                continue
            last, cued = found
            feeling = self._turned(cued, tokens, i)
            cues.append(Cue(i, last))
            if last < len(tokens) and tokens[last].word in ("it", "them", "that", "both") and not feeling.wish:
                for n in range(*named):
                    feelings[n] = feeling
            else:
                current = feeling
            i = last
        return tuple(feelings), tuple(cues)

    def _cue(self, tokens: Sequence[Token], starts: dict[int, int], first: int) -> tuple[int, Feeling] | None:
        for length in range(min(self._longest, len(tokens) - first), 0, -1):
            phrase = tuple(token.word for token in tokens[first : first + length])
            within = range(first + 1, first + length)
            if phrase in self._cues and starts.keys().isdisjoint(within):
                return first + length, self._cues[phrase]
        return None

    def _turned(self, cued: Feeling, tokens: Sequence[Token], first: int) -> Feeling:
        """A cue under negation, and "like" as a verb ("I like Alien") instead of a comparison."""
        said = before(tokens, first, ())
        if tokens[first].word in ("like", "likes") and said and said[-1].word in _SPEAKERS:
            cued = Feeling(Polarity.LIKED, wish=False)
        elif tokens[first].word == "stand":
            negated = bool(said) and said[-1].word in ("cant", "cannot", "couldnt", "not")
            return Feeling(Polarity.DISLIKED, wish=False) if negated else _NEUTRAL
        if not any(token.word in NEGATIONS for token in said) or any(token.word == "only" for token in said):
            return cued
        if cued.polarity is Polarity.LIKED:
            return Feeling(Polarity.DISLIKED, wish=cued.wish)
        return _NEUTRAL

    def _bare(self, tokens: Sequence[Token], first: int, clause_start: int) -> Feeling:
        """A title without a cue: "not Alien" refuses it, anything else only names it."""
        said = [token.word for token in tokens[max(clause_start, first - 2) : first]]
        refused = (said and said[-1] in NEGATIONS) or said == ["anything", "but"]
        return Feeling(Polarity.DISLIKED, wish=True) if refused else _NEUTRAL

    def _verdict(
        self, tokens: Sequence[Token], i: int, clause_start: int, links: Sequence[Link], named: Sequence[int]
    ) -> Feeling | None:
        """ "X was great", "X is my favourite": a verdict of the clause on the titles before it."""
        word = tokens[i].word
        if not named[1] or word not in VERDICTS or word in ("was", "were", "is", "are"):
            return None
        since = links[named[1] - 1].last
        said = [token.word for token in tokens[since:i]]
        about_them = since > clause_start or tokens[clause_start].word in ("it", "they")
        if not about_them or not any(w in _HINGES for w in (*said, word)):
            return None
        bad = (word not in _GOOD) != any(w in NEGATIONS for w in said)
        return Feeling(Polarity.DISLIKED if bad else Polarity.LIKED, wish=False)


def _joined(tokens: Sequence[Token], last: int, first: int) -> bool:
    """Whether two titles stand in one list."""
    return all(token.word in ("and", "or") for token in tokens[last:first])
