"""Owns whether a sentence about a slate is true as far as the catalogue can tell: repairs it, or refuses it.

Pure: a sentence and facts in, a sentence or nothing out. It reads what can be looked up (titles, years and other
numbers, facet values, what the person is said to have liked) and refuses what cannot: names that no item of the
slate has, credits, awards and plots. An opinion ("a gripping choice") is no fact and passes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue, written
from convrec.dialogue.facets import FacetReader
from convrec.dialogue.language import NEGATIONS, fold, stems, tokenise, words
from convrec.dialogue.linking import plain_words
from convrec.dialogue.patterns import COUNTS
from convrec.dialogue.titles import TitleScanner
from convrec.types import EvidenceKind, Item, Recommendation, SessionState, Slate

_CLAIMS = re.compile(
    r"\b(direct(?:s|ed|or|ing)|star(?:s|red|ring)|cast|actors?|actress(?:es)?|written|writer|screenplay|novel|"
    r"based on|adapt(?:ed|ation)|won|wins?|winn(?:er|ing)|awards?|oscars?|nominat\w+|box office|budget|gross\w*|"
    r"minutes|hours|rated|ratings?|stars?|sequel|prequel|remake|franchise|trilogy|series|soundtrack|score|"
    r"tells?|follows?|story of|set in|takes place|plot|protagonist|characters?|hero|heroine|plays?|portray\w*|"
    r"released|premiered|filmed|produced|studio|critics?|reviews?|first|last|only|most|best-selling|highest)\b",
    re.IGNORECASE,
)
"""Credits, awards, plots, superlatives: nothing that a catalogue could confirm."""
_LIKED = re.compile(
    r"\byou(?:'ve|’ve| have| had)?(?: also| already| really)? (?:liked|loved|enjoyed|rated|praised)\b", re.I
)
_MET = re.compile(
    r"\byou(?:'ve|’ve| have| had)?(?: also| already)? (?:watched|seen|bought|read|played|heard|tried|named)\b"
    r"|\byour (?:history|favou?rites?|past|taste)\b",
    re.I,
)
_POPULAR = re.compile(r"\b(popular|many people|everybody|everyone|favou?rite of)\b", re.I)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTE = re.compile(r"[\"“«]([^\"”»]+)[\"”»]")
_CAPITAL = re.compile(r"(?<![\w’'])[A-ZÀ-Þ][\w’'-]*")
_FREE = frozenset(("I", "I'm", "I’m", "I'd", "I’d", "I've", "I’ve", "I'll", "I’ll", "OK"))


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a sentence.

    Args:
        text: As it may be said; "" where it may not.
        problem: Why it was changed or refused; "" where it was right.
        about: item_ids that it names.
    """

    text: str
    problem: str = ""
    about: frozenset[str] = frozenset()


class Checker:
    """Checks sentences about slates of one catalogue.

    Args:
        catalogue: What is true.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._scanner = TitleScanner(catalogue)
        self._facets = FacetReader(catalogue)
        self._plain = plain_words(catalogue)

    def check(
        self,
        sentence: str,
        slate: Slate,
        state: SessionState,
        about: Collection[str] = (),
        claims: re.Pattern[str] | None = None,
    ) -> Checked:
        """One sentence.

        Args:
            slate: What may be named.
            state: What was asked for; its words may be said back.
            about: item_ids that the sentence before named: what "it" refers to.
            claims: What cannot be told in the language of the sentence; that of English where None.
        """
        text = " ".join(sentence.split())
        own = frozenset(r.item.item_id for r in slate.recommendations)
        if outside := self._scanner.outside(text, own):
            return Checked("", f"names {outside[0]}, which is not on the slate")
        named = [r for r in slate.recommendations if mentioned(text, r.item.title)]
        text, repaired = self._years(text, named)
        found = frozenset(r.item.item_id for r in named)
        subject = named or [r for r in slate.recommendations if r.item.item_id in about]
        rest = _without(text, [r.item.title for r in named])
        problem = (
            self._names(rest, slate, state)
            or self._claims(rest, claims or _CLAIMS)
            or self._numbers(rest, subject, slate, state)
            or self._values(rest, subject, slate)
            or self._person(rest, subject)
        )
        return Checked("", problem, found) if problem else Checked(text, repaired, found)

    def _years(self, text: str, named: Sequence[Recommendation]) -> tuple[str, str]:
        """The text with the right year after each title."""
        repaired = ""
        for recommendation in named:
            item = recommendation.item
            years = {written(v) for name in item.attributes for v in item.values(name)} & set(_years_of(item))
            pattern = re.compile(rf"({re.escape(item.title)} ?)\((\d{{4}})\)", re.I)
            for match in list(pattern.finditer(text)):
                if match[2] not in years:
                    right = f" ({min(years)})" if years else ""
                    text = text.replace(match[0], match[1].rstrip() + right)
                    repaired = f"gave {item.title} the year {match[2]}"
        return text, repaired

    def _names(self, rest: str, slate: Slate, state: SessionState) -> str:
        """Quotes and capitals inside the sentence must be words of the slate, the catalogue or the person."""
        known = self._known(slate, state)
        for match in _QUOTE.finditer(rest):
            if not set(words(match[1])) <= known:
                return f"quotes {match[0]}"
        opens = True
        for match in re.finditer(r"\S+", rest):
            for capital in _CAPITAL.findall(match[0]):
                if not opens and capital not in _FREE and not set(stems(capital)) <= known:
                    return f"names {capital}"
            opens = match[0][-1] in ".!?:"
        return ""

    def _known(self, slate: Slate, state: SessionState) -> set[str]:
        said = [state.query, *(str(c.value) for c in state.constraints)]
        for recommendation in slate.recommendations:
            said += [
                written(v) for name in recommendation.item.attributes for v in recommendation.item.values(name)
            ]
        known = {word for text in said for word in (*words(text), *stems(text))}
        return known | self._plain

    def _claims(self, rest: str, claims: re.Pattern[str]) -> str:
        claim = claims.search(rest)
        return f"claims {claim[0]!r}, which the catalogue cannot tell" if claim else ""

    def _numbers(self, rest: str, subject: Sequence[Recommendation], slate: Slate, state: SessionState) -> str:
        """Digits must be a value of every item that is spoken of, of the request, or the length of the slate."""
        asked = {written(c.value) for c in state.constraints} | set(_NUMBER.findall(state.query))
        count = len(slate.recommendations)
        values = [
            {written(v) for name in r.item.attributes for v in r.item.values(name)}
            | {e.value for e in r.evidence if e.kind is EvidenceKind.POPULARITY and e.value}
            for r in subject
        ]
        for number in _NUMBER.findall(rest):
            if number in asked or number == str(count) or (values and all(number in own for own in values)):
                continue
            return f"says {number}"
        decade = re.search(r"\b(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ies\b|\b\d0s\b", rest, re.I)
        if decade:
            return f"says {decade[0]}"
        for token in words(rest):
            if token in COUNTS[2:] and COUNTS.index(token) != count:
                return f"counts {token}"
        return ""

    def _values(self, rest: str, subject: Sequence[Recommendation], slate: Slate) -> str:
        """Facet values must be those of every item that is spoken of; of all where none is."""
        tokens = tokenise(rest)
        readings = [reading for found in self._facets.read(tokens, ()) for reading in found]
        if not readings:
            return ""
        if any(token.word in NEGATIONS for token in tokens):
            return "denies something"
        for reading in readings:
            wanted = reading.constraint
            for r in subject or slate.recommendations:
                own = {fold(written(v)) for v in r.item.values(wanted.facet)}
                if fold(str(wanted.value)) not in own:
                    return f"calls {r.item.title} {wanted.value}"
        return ""

    def _person(self, rest: str, subject: Sequence[Recommendation]) -> str:
        """What is said of the person, and of others, must be evidence of what is spoken of."""
        facts = [e for r in subject for e in r.evidence]
        if _LIKED.search(rest) and not any(e.value == "liked" or (e.title and e.facet) for e in facts):
            return "says what the person liked"
        if _MET.search(rest) and not any(e.kind is EvidenceKind.HISTORY for e in facts):
            return "says what the person knows"
        if _POPULAR.search(rest) and not any(e.kind is EvidenceKind.POPULARITY for e in facts):
            return "calls something popular"
        return ""


def sentences(text: str, titles: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The sentences of a text, and whether each is whole: the last one may go on.

    Args:
        titles: A sentence does not end inside one of them ("Mr. Deeds").
    """
    start = 0
    for match in re.finditer(r"[.!?]+[\"”»)]*(?=\s)|[。！？]|\n+", text):
        if any(_inside(text, match.start(), title) for title in titles):
            continue
        if part := text[start : match.end()].strip():
            yield part, True
        start = match.end()
    if rest := text[start:].strip():
        yield rest, False


def _inside(text: str, place: int, title: str) -> bool:
    """Whether a place of the text is within a title, or at its end while the sentence goes on."""
    lowered, wanted = text.casefold(), title.casefold()
    first = lowered.find(wanted, max(0, place - len(wanted) + 1))
    last = first + len(wanted) - 1
    goes_on = text[place + 1 :].lstrip()[:1].islower()
    return first != -1 and first <= place and (place < last or (place == last and goes_on))


def mentioned(text: str, title: str) -> bool:
    """Whether a text names an item."""
    return re.search(rf"(?<!\w){re.escape(title)}(?!\w)", text, re.I) is not None


def _without(text: str, titles: Sequence[str]) -> str:
    """The text with a mark where its titles stood, and without the years in brackets after them."""
    for title in sorted(titles, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(title)}(?!\w)(?: ?\(\d{{4}}\))?", "it", text, flags=re.I)
    return text


def _years_of(item: Item) -> tuple[str, ...]:
    numbers = (written(v) for name in item.attributes for v in item.values(name))
    return tuple(n for n in numbers if re.fullmatch(r"(?:1[5-9]|20)\d\d", n))
