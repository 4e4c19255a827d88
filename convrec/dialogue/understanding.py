"""Owns message -> Intent: composes the readers of titles, feelings, numbers and facets; decides what is wanted.

Rules only: every value of an Intent is a value of the catalogue or words of the message, by construction. A reader
that asks a language model can stand in front of it: it needs the same one method.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from convrec.data.catalogue import Catalogue
from convrec.dialogue.facets import FacetReader, Reading
from convrec.dialogue.feeling import VERDICTS, Cue, Feeling, FeelingReader
from convrec.dialogue.language import (
    MESSAGE_LIMIT,
    NEGATIONS,
    STOP_WORDS,
    Token,
    stem,
    stems,
    tokenise,
    trim,
    vocabulary,
)
from convrec.dialogue.linking import Link, TitleLinker, plain_words
from convrec.dialogue.ranges import RangeReader
from convrec.types import Constraint, Domain, Intent, IntentKind, Mention, Polarity, SessionState

MAX_K = 20

_QUERY_LIMIT = 300
_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
_COUNTED = vocabulary("""recommendation suggestion idea title pick option choice more other result example""")
_RESET = re.compile(
    r"\b(start (?:over|again|afresh)|forget (?:that|it|this|everything|all)|reset|new search|scratch that)\b", re.I
)
_SOCIAL = vocabulary(
    """hi hello hey hiya yo greetings good morning afternoon evening night day thanks thank you thx cheers bye
    goodbye ciao ok okay cool great nice awesome perfect wow lol haha how are doing there very much so a lot for
    your the help that is was were welcome see later all fine sweet brilliant lovely again"""
)
_SOCIAL_SIGNS = vocabulary(
    """hi hello hey hiya yo greetings thanks thank thx cheers bye goodbye morning evening"""
)
_WHY = re.compile(
    r"^(?:but |and |so )?(?:why\b(?! not)|how come\b)|\bwhy (?:did|do|are|is|was|these|those|this|that)\b"
)
_WHY_NOT = re.compile(r"^(?:but |and |so )?why (?:not|isnt|wasnt|no)(?: show me| show| recommend| suggest)?(?= )")
_COMPARE = re.compile(r"\b(compare|versus|vs|difference between|which (?:one )?is better|better than)\b")
_ASK = re.compile(
    r"\b(tell me (?:more )?about|what is|whats|who (?:made|directed|wrote|is in|stars)|when (?:was|did)|describe|"
    r"is it (?:any )?good|worth)\b|^(?:is|was|does|did) "
)
_ELSEWHERE = re.compile(
    r"\b(ignore (?:all |any )?(?:the |your )?(?:previous|prior|above) (?:instructions?|prompts?)|system prompt|"
    r"(?:write|generate|debug) (?:me )?(?:a |an |some |my )?(?:code|poem|essay|script|email|python|program|song)|"
    r"translate|what time is it|whats the weather|weather (?:today|tomorrow|forecast|in)|calculate|solve)\b"
)
_WISHES = vocabulary(
    """want need looking search recommend suggest show find give suggestion suggestions recommendation
    recommendations something anything more another similar should could can please wish"""
)
_ADDITIVE = vocabulary("also too both additionally plus")


class Understander(Protocol):
    """Anything that reads a message."""

    def understand(self, message: str, state: SessionState) -> Intent:
        """A message as an intent, given what the conversation has established; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class _Reading:
    """Everything that the readers found in one message."""

    tokens: tuple[Token, ...]
    links: tuple[Link, ...]
    feelings: tuple[Feeling, ...]
    cues: tuple[Cue, ...]
    readings: tuple[Reading, ...]
    k: int | None
    taken: frozenset[int]


class Understanding:
    """Reads messages by rule.

    Args:
        catalogue: Its titles, facets and values are all that can be understood.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._linker = TitleLinker(catalogue, plain_words(catalogue))
        self._feelings = FeelingReader(catalogue.domain)
        self._ranges = RangeReader(catalogue)
        self._facets = FacetReader(catalogue)
        self._nouns = _nouns(catalogue.domain)
        self._stop = STOP_WORDS | VERDICTS | _SOCIAL_SIGNS | {catalogue.domain.verb, catalogue.domain.past}

    def understand(self, message: str, state: SessionState) -> Intent:
        """A message as an intent.

        Args:
            message: Anything; what follows the first 2,000 characters is ignored.
            state: What the conversation has established before this message.
        """
        text = unicodedata.normalize("NFC", message[:MESSAGE_LIMIT])
        text, resets = _RESET.subn(" ", text)
        if resets:
            state = SessionState()
        found = self._read(text)
        query = self._query(text, found)
        kind = self._kind(found, query, state, bool(resets))
        return Intent(
            kind=kind,
            query=query if kind is IntentKind.RECOMMEND else "",
            k=found.k,
            mentions=self._mentions(found),
            constraints=self._constraints(found, state),
            reset=bool(resets),
        )

    def _read(self, text: str) -> _Reading:
        tokens = tokenise(text)
        links = self._linker.link(text, tokens)
        feelings, cues = self._feelings.read(tokens, links)
        taken = {i for link in links for i in range(link.first, link.last)}
        k, counted = self._k(tokens, taken)
        ranges = self._ranges.read(tokens, taken | counted, links)
        taken |= counted | {i for reading in ranges for i in range(reading.first, reading.last)}
        sets = self._facets.read(tokens, taken)
        taken |= {i for reading in sets for i in range(reading.first, reading.last)}
        return _Reading(tokens, links, feelings, cues, (*sets, *ranges), k, frozenset(taken))

    def _k(self, tokens: Sequence[Token], taken: Collection[int]) -> tuple[int | None, set[int]]:
        """How many items are asked for ("five films", "top 10", "3 good ones"), and the token that says so."""
        for i, token in enumerate(tokens):
            n = _number(token.word)
            if n is None or i in taken:
                continue
            top = i > 0 and tokens[i - 1].word in ("top", "best")
            following = [t for t in tokens[i + 1 : i + 4] if t.clause == token.clause]
            near = [stem(t.word) for t in following]
            counted = bool(near) and any(w in self._nouns or w in _COUNTED for w in near[: 1 if n == 1 else 3])
            plural = any(t.word != stem(t.word) and self._facets.knows(t.word) for t in following[:2])
            told = i > 0 and tokens[i - 1].word in ("me", "give", "show", "just", "only")
            asked = told and (not following or following[0].word == "of" or "," in following[0].gap)
            if top or counted or plural or asked:
                return min(max(n, 1), MAX_K), {i}
        return None, set()

    def _query(self, text: str, found: _Reading) -> str:
        """What is left for text retrieval when everything understood is taken out."""
        left_out = {i for cue in found.cues if found.links for i in range(cue.first, cue.last)}
        left_out |= found.taken | _refused(found.tokens)
        parts: list[str] = []
        run: list[Token] = []
        for i, token in enumerate(found.tokens):
            if i in left_out:
                parts += self._part(text, run)
                run = []
            else:
                run.append(token)
        parts += self._part(text, run)
        return " ".join(" ".join(parts).split())[:_QUERY_LIMIT].strip()

    def _part(self, text: str, run: Sequence[Token]) -> list[str]:
        kept = trim(run, lambda word: word in self._stop or stem(word) in self._nouns)
        return [text[kept[0].start : kept[-1].end]] if kept else []

    def _mentions(self, found: _Reading) -> tuple[Mention, ...]:
        """Items named, once each: what is said last of an item counts."""
        named: dict[str, Mention] = {}
        for link, feeling in zip(found.links, found.feelings, strict=True):
            named[link.item_id] = Mention(link.item_id, self._catalogue[link.item_id].title, feeling.polarity)
        return tuple(named.values())

    def _constraints(self, found: _Reading, state: SessionState) -> tuple[Constraint, ...]:
        """The message's constraints; "romantic too" repeats earlier ones on its facets, so that both hold."""
        new = tuple(reading.constraint for reading in found.readings)
        if not any(token.word in _ADDITIVE for token in found.tokens):
            return new
        wanted = {c.facet for c in new if c.op == "include"}
        values = {(c.facet, c.value) for c in new}
        kept = tuple(
            c for c in state.constraints
            if c.op == "include" and c.facet in wanted and (c.facet, c.value) not in values
        )  # fmt: skip
        return kept + new

    def _kind(self, found: _Reading, query: str, state: SessionState, reset: bool) -> IntentKind:
        plain = _plain(found.tokens)
        said = {token.word for token in found.tokens}
        understood = bool(found.links or found.readings or found.k)
        asks_items = any(stem(word) in self._nouns for word in said)
        if not understood and not reset:
            if not said or (said <= _SOCIAL and said & _SOCIAL_SIGNS and not asks_items):
                return IntentKind.SMALL_TALK
            if _ELSEWHERE.search(plain) and not asks_items:
                return IntentKind.OUT_OF_SCOPE
        if _WHY.search(plain) or (found.links and _asks_why_not(plain, found.links[0])):
            return IntentKind.WHY
        if len(found.links) >= 2 and _COMPARE.search(plain):
            return IntentKind.COMPARE
        wishes = any(feeling.wish and feeling.polarity is not Polarity.NEUTRAL for feeling in found.feelings)
        if len(found.links) == 1 and not wishes and not found.readings and _ASK.search(plain):
            return IntentKind.ASK_ITEM
        reports = bool(found.links) and not any(feeling.wish for feeling in found.feelings)
        if reports and not found.readings and found.k is None and not said & _WISHES and not asks_items:
            return IntentKind.FEEDBACK
        if state.turns and not query and not found.links:
            return IntentKind.REFINE
        return IntentKind.RECOMMEND


def _asks_why_not(plain: str, link: Link) -> bool:
    """ "Why not Alien?", but not "why not something like Alien"."""
    asked = _WHY_NOT.match(plain)
    return asked is not None and len(asked.group().split()) == link.first


def _number(word: str) -> int | None:
    if re.fullmatch(r"[0-9]{1,3}", word):
        return int(word)
    spoken = _NUMBERS.split()
    return spoken.index(word) if word in spoken else None


def _refused(tokens: Sequence[Token]) -> set[int]:
    """The ends of clauses that refuse something ("without violence"), which text retrieval cannot negate."""
    refused: set[int] = set()
    own, end = 0, len(tokens)
    for i in reversed(range(len(tokens))):
        if i + 1 < len(tokens) and tokens[i + 1].clause != tokens[i].clause:
            own, end = 0, i + 1
        if own == 1 and (tokens[i].word in NEGATIONS or tokens[i].word in ("less", "too")):
            refused.update(range(i + 1, end))
        own += tokens[i].word not in STOP_WORDS
    return refused


def _plain(tokens: Sequence[Token]) -> str:
    return " ".join(token.word for token in tokens)


def _nouns(domain: Domain) -> frozenset[str]:
    """Stems of what people call the items: the domain's name counts too ("movies")."""
    return frozenset(s for noun in (domain.name, domain.noun, domain.plural) for s in stems(noun)[-1:])
