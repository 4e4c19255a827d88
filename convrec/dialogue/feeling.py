"""Owns how a message feels about each item it names: liked, disliked, seen or neutral. Finds no items itself.

A clause is read from left to right: a cue holds for the titles after it until the next cue or the clause's end, so
that "I loved Alien, Heat and Speed" likes three. A negation within five words before a cue turns it round.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from convrec.dialogue.language import NEGATIONS, NUMBERS, Token, before, vocabulary
from convrec.dialogue.linking import Link
from convrec.types import Domain, Polarity

_LIKED = (
    "love|loved|loves|loving|enjoy|enjoyed|enjoys|adore|adored|adores|liked|favorite|favorites|favourite|"
    "favourites|"
    "fan of|fans of|fond of|sucker for|cant get enough of|could watch|obsessed with|interested in|crazy about|"
    "into|prefer|prefers|"
    "impressed by|impressed with|thumbs up for|fond memories of|nothing beats|hype around|stars to|"
    "blown away by|in love with|appreciate|appreciated|admire|rewatch|watch again"
)
_DISLIKED = (
    "hate|hated|hates|dislike|disliked|dislikes|despise|despised|loathe|loathed|detest|detested|detests|bored by|"
    "disappointed by|disappointed in|tired of|sick of|fed up with|stand|stomach|regret|regretted|regret watching|"
    "walked out of|gave up on|fell asleep during|fell asleep in|fell asleep watching|turned off|thumbs down for|"
    "finish|get through"
)
_SEEN = (
    "own|owned|after watching|after seeing|seen|saw|already know|just finished|finished watching|caught|rewatched|"
    "know"
)
_ALIKE = (
    "something like|anything like|similar to|in the style of|in the vein of|resembling|people who loved|"
    "people who like|lovers of|fans of|to follow|meets|crossed with|in the spirit of|in the mood of|"
    "in the mood for|along the lines of|reminiscent of|reminds me of|remind me of|such as|as good as|close to|"
    "comparable to|akin to|same kind as|more like|just like|like|likes|another|something between|a cross between|"
    "cross of|mix of|blend of|combination of|mixture of|more of|in the line of|based on|inspired by|a la"
)
_ASKED = (
    "like to|love to|want to|wants to|show me|show|recommend|suggest|find me|what about|how about|tell me|"
    "have you seen|did you see|have you watched|want|want something|than|heard of|know about|know anything about"
)
_ALIENATED = "less like|unlike|nothing like|other than|rather than|instead of|anything but|everything but"
_GOOD = vocabulary(
    """great good amazing awesome excellent brilliant fantastic wonderful perfect superb fun funny beautiful best
    greatest masterpiece favorite favourite favorites favourites nice lovely better rocked rocks hilarious solid
    decent incredible stunning must stars phenomenal delightful enjoyable entertaining gem blast cry tears
    laughing laughed hooked goosebumps classic iconic timeless underrated ok okay fine magnificent outstanding
    ruled charming gripping touching captivating cool flawless thrilled tea"""
)
_BAD = vocabulary(
    """bad awful terrible boring horrible disappointing overrated dull weak worst stupid poor rubbish trash worse
    bored long slow sleep asleep nothing meh mediocre pointless pretentious cheesy unbearable dreadful lame crap
    garbage annoying annoyed disappointment disappointed flop unwatchable tedious snoozefest waste overhyped
    silly confusing cold mess awfully sucks sucked stinks hype nonsense forgettable dumb too dragged drags"""
)
_HINGES = vocabulary(
    """was were is are isnt wasnt arent werent scared cracked blew moved bores sucks sucked stinks rocked rocks
    ruled felt seemed looked made had put left did bored"""
)
_ADVERBS = vocabulary(
    """not at all never pretty really so very quite absolutely just totally too a an such what rather simply
    utterly but and it kinda kind of bit little far way truly still"""
)
_WONDERS = vocabulary("would will might may could should")
_PRONOUNS = vocabulary("i we you he she they it one me us")
_BACK = vocabulary("every each everything it them that those these both this either they")
_SPEAKERS = vocabulary("i we ive weve really also do dont did didnt doesnt always never absolutely both still")

_STARS, _TEN = 5.0, 10

VERDICTS = (_GOOD | _BAD | _HINGES) - vocabulary("classic cry did had made put left funny cold long slow sleep")
"""Words that only say how something was; no wish of their own."""


@dataclass(frozen=True, slots=True)
class Feeling:
    """How a message feels about one item.

    Args:
        wish: It asks for more of the kind, or for the item, instead of reporting.
        bare: Nothing is said of the item: in a wish for other items it is what they should be like.
    """

    polarity: Polarity
    wish: bool
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue phrase as found: tokens first <= i < last."""

    first: int
    last: int


_NEUTRAL = Feeling(Polarity.NEUTRAL, wish=True)
_BARE = Feeling(Polarity.NEUTRAL, wish=True, bare=True)
_UNSEEN = Feeling(Polarity.NEUTRAL, wish=False)
_ALIKE_WISH = Feeling(Polarity.LIKED, wish=True)


class FeelingReader:
    """Reads feelings from the words around titles.

    Args:
        domain: Its verb's participle ("watched") says that an item is known.
    """

    def __init__(self, domain: Domain) -> None:
        seen = f"{_SEEN}|{domain.past}|have {domain.past}|already {domain.past}|just {domain.past}"
        asked = f"{_ASKED}|{domain.verb}|to {domain.verb}"
        self._cues: dict[tuple[str, ...], Feeling] = {}
        for phrases, feeling in (
            (_ALIKE, Feeling(Polarity.LIKED, wish=True)),
            (_ALIENATED, Feeling(Polarity.DISLIKED, wish=True)),
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
                if n and tokens[i - 1].word in ("to", "over") and _prefers(cues, tokens, links[n - 1], i):
                    feelings[n] = Feeling(Polarity.DISLIKED, wish=False)
                elif current is None and n and _joined(tokens, links[n - 1].last, i) and feelings[n] == _BARE:
                    feelings[n] = feelings[n - 1]
                # A list ("Alien, Heat and Speed") shares the verdict that follows it; another clause starts anew.
                named = [named[0] if n and _joined(tokens, links[n - 1].last, i) else n, n + 1]
                i = links[n].last
                clause = tokens[i - 1].clause
                continue
            verdict = self._verdict(tokens, i, clause_start, links, named) or _grade(tokens, i)
            if verdict is not None:
                for n in range(*named):
                    feelings[n] = _judged(feelings[n], verdict)
            found = self._cue(tokens, starts, i)
            if found is None:
                if tokens[i].word == "similar" and not any(
                    f.wish and f.polarity is not Polarity.NEUTRAL for f in feelings
                ):
                    for n in range(*named):
                        if feelings[n].polarity is Polarity.NEUTRAL:
                            feelings[n] = _ALIKE_WISH
                i += 1
                continue
            last, cued = found
            feeling = self._turned(cued, tokens, i)
            cues.append(Cue(i, last))
            if named[1] and last < len(tokens) and tokens[last].word in _BACK and feeling is not _NEUTRAL:
                for n in range(*named):
                    if not feeling.wish or feelings[n].polarity is Polarity.NEUTRAL:
                        feelings[n] = feeling
            elif verdict is None or cued is not _NEUTRAL:
                current = feeling
            i = last
        return tuple(feelings), tuple(cues)

    def _cue(self, tokens: Sequence[Token], starts: dict[int, int], first: int) -> tuple[int, Feeling] | None:
        for length in range(min(self._longest, len(tokens) - first), 0, -1):
            phrase = tuple(token.word for token in tokens[first : first + length])
            within = range(first + 1, first + length)
            if phrase in self._cues and starts.keys().isdisjoint(within):
                return first + length, self._cues[phrase]
        so_long = first > 0 and tokens[first - 1].word in ("long", "far", "soon", "well")
        if (
            tokens[first].word == "as"
            and not so_long
            and any(t.word in ("as", "same") for t in tokens[max(0, first - 4) : first])
        ):
            return first + 1, _ALIKE_WISH
        return None

    def _turned(self, cued: Feeling, tokens: Sequence[Token], first: int) -> Feeling:
        """A cue under negation, and "like" as a verb ("I like Alien") instead of a comparison."""
        said = [token.word for token in before(tokens, first, ())]
        word = tokens[first].word
        if said[-1:] == ["id"] and word in ("love", "like"):
            return _NEUTRAL
        if len(said) > 1 and set(said[-2:]) & _WONDERS and set(said[-2:]) & _PRONOUNS:
            return _NEUTRAL
        if word in ("like", "likes") and said and said[-1] in _SPEAKERS:
            cued = Feeling(Polarity.LIKED, wish=False)
        elif word in ("stand", "stomach", "finish", "get"):
            negated = bool(said) and said[-1] in ("cant", "cannot", "couldnt", "not", "didnt")
            return Feeling(Polarity.DISLIKED, wish=False) if negated else _NEUTRAL
        elif word in ("know", "caught") and said[-1:] == ["you"]:
            return _NEUTRAL
        negated = any(word in NEGATIONS for word in said) and not {"only", "why"} & set(said)
        if not negated:
            return cued
        if cued.polarity is Polarity.LIKED:
            return Feeling(Polarity.DISLIKED, wish=cued.wish)
        return cued if cued.wish else _UNSEEN

    def _bare(self, tokens: Sequence[Token], first: int, clause_start: int) -> Feeling:
        """A title without a cue: "not Alien" refuses it, anything else only names it."""
        said = [token.word for token in tokens[max(clause_start, first - 2) : first]]
        if said == ["never", "again"]:
            return Feeling(Polarity.DISLIKED, wish=False)
        refused = (said and said[-1] in NEGATIONS and "why" not in said) or said == ["anything", "but"]
        return Feeling(Polarity.DISLIKED, wish=True) if refused else _BARE

    def _verdict(
        self, tokens: Sequence[Token], i: int, clause_start: int, links: Sequence[Link], named: Sequence[int]
    ) -> Feeling | None:
        """ "X was great", "X is my favourite": a verdict of the clause on the titles before it."""
        word = tokens[i].word
        if not named[1] or tokens[i].asked or (word not in _GOOD and word not in _BAD):
            return None
        since = links[named[1] - 1].last
        if since > i:
            return None
        said = [token.word for token in tokens[since:i]]
        if _HINGES.isdisjoint((*said, word)):
            # "Saw Heat last week, pretty good": an exclamation after a pause.
            pause = next((j for j in range(i, since - 1, -1) if _breaks(tokens[j].gap)), None)
            found_so = tokens[since - 1].clause == tokens[i].clause and any(
                token.word in ("find", "found", "thought", "consider", "considered")
                for token in tokens[clause_start:since]
            )
            if not found_so and (pause is None or any(t.word not in _ADVERBS for t in tokens[pause:i])):
                return None
        elif since <= clause_start and tokens[clause_start].word not in ("it", "they", "but", "though", "that"):
            return None
        bad = (word not in _GOOD) != any(w in NEGATIONS for w in said)
        return Feeling(Polarity.DISLIKED if bad else Polarity.LIKED, wish=False)


def _grade(tokens: Sequence[Token], i: int) -> Feeling | None:
    """ "8/10", "3 out of 5", "one star": liked above half of what can be given."""
    said = [token.word for token in tokens[i : i + 4]]
    given = _points(said[0])
    if given is None:
        return None
    if said[1:3] == ["out", "of"]:
        most = _points(said[3]) if len(said) > 3 else None
    elif said[1:2] and said[1] in ("star", "stars"):
        most = _STARS
    else:
        most = _points(said[1]) if len(said) > 1 and tokens[i + 1].gap == "/" else None
    if not most or most < _STARS or given > most:
        return None
    return Feeling(Polarity.LIKED if given > most / 2 else Polarity.DISLIKED, wish=False)


def _points(word: str) -> float | None:
    if re.fullmatch(r"\d{1,3}(?:\.\d)?", word):
        return float(word)
    spoken = NUMBERS.get(word)
    return None if spoken is None or spoken > _TEN else float(spoken)


def _judged(felt: Feeling, verdict: Feeling) -> Feeling:
    """An opinion outweighs having seen it; a wish for more of the kind remains one, and a refusal stands."""
    if felt.wish and felt.polarity is not Polarity.NEUTRAL:
        return felt
    if felt.polarity in (Polarity.DISLIKED, Polarity.LIKED) and not felt.wish:
        return felt
    return verdict


def _prefers(cues: Sequence[Cue], tokens: Sequence[Token], before_it: Link, first: int) -> bool:
    """ "I prefer X to Y"."""
    words = [token.word for cue in cues for token in tokens[cue.first : cue.last] if cue.last <= before_it.first]
    return bool({"prefer", "prefers", "preferred"} & set(words)) and before_it.last == first - 1


def _breaks(gap: str) -> bool:
    return any(c in gap for c in ",.;:!-–—(")


def _joined(tokens: Sequence[Token], last: int, first: int) -> bool:
    """Whether two titles stand in one list."""
    return all(token.word in ("and", "or") for token in tokens[last:first])
