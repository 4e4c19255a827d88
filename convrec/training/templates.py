"""Owns message templates: lines of text with slots, and the labelled messages that filling them makes.

A slot is {name}, {name+label} or {name+label:words}; its last characters say what it means:

    {T+} {T-} {Ts} {T0}         a title that is liked, disliked, only seen, only named
    {G+} {P+} {M+} {g+} {a+}    a genre: "a western", "westerns", "horror", before a noun, after "is"; + is a must,
                                ~ preferred, - refused, ! avoided, 0 no wish; {C~} is a comparative ("scarier")
    {D+} {D~} {D-} {D0}         a decade; to refuse one names the outside of an interval, which is no wish
    {Y>+} {Y>=~} {Y<+} ...      a year with its comparison; {Y=+} is just that year, {I+} two years and all between
    {o} {num}                   a rank of the last slate, "second" or "2"
    {n} {N} {who} {when}        a word for item, for items, somebody, some time

What a slot's words are to mean is known, so the labels of a filled message are, whatever reads it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from convrec.data.catalogue import Catalogue
from convrec.dialogue.questions import NONE, Subject
from convrec.dialogue.spelling import ARTICLES, shortened
from convrec.types import IntentKind, Polarity

_SLOT = re.compile(r"\{(?P<name>[A-Za-z]+?)(?P<op>>=|<=|>|<|=)?(?P<label>[+\-~!0s])?\}")
_FEELINGS = {"+": Polarity.LIKED, "-": Polarity.DISLIKED, "s": Polarity.SEEN, "0": Polarity.NEUTRAL}
_WISHES = {"+": "must", "~": "prefer", "-": "exclude", "!": "avoid", "0": NONE}
_GENRES: Mapping[str, Mapping[str, str]] = {
    # As "a ...", plural, topic, before a noun, after "is", comparative; "|" separates ways to say it.
    "Action": {"G": "action film|action movie|action flick", "P": "action films|action movies", "M": "action",
               "g": "action|action-packed|explosive", "a": "action-packed|explosive", "C": "more action-packed"},
    "Adventure": {"G": "adventure|adventure film", "P": "adventures|adventure films|adventure movies",
                  "M": "adventure", "g": "adventurous", "a": "adventurous", "C": "more adventurous"},
    "Animation": {"G": "cartoon|animated film", "P": "cartoons|animated films|animated movies", "M": "animation",
                  "g": "animated", "a": "animated"},
    "Children's": {"G": "kids film|family film|children's movie", "P": "kids movies|family films",
                   "M": "kids stuff", "g": "kid-friendly|family-friendly", "a": "kid-friendly|family-friendly"},
    "Comedy": {"G": "comedy|funny one", "P": "comedies|funny films", "M": "comedy|humour",
               "g": "funny|hilarious|comic", "a": "funny|hilarious|humorous", "C": "funnier"},
    "Crime": {"G": "crime film|gangster film|heist movie", "P": "crime films|gangster movies|heist films",
              "M": "crime", "g": "crime|gangster"},
    "Documentary": {"G": "documentary", "P": "documentaries", "M": "documentary material", "g": "documentary"},
    "Drama": {"G": "drama", "P": "dramas", "M": "drama", "g": "dramatic", "a": "dramatic", "C": "more dramatic"},
    "Fantasy": {"G": "fantasy film|fantasy movie", "P": "fantasy films|fantasy movies", "M": "fantasy",
                "g": "magical|fantasy", "a": "magical", "C": "more magical"},
    "Film-Noir": {"G": "film noir|noir", "P": "film noirs|noirs", "M": "noir", "g": "noir"},
    "Horror": {"G": "horror film|horror movie|slasher|scary movie", "P": "horror films|scary movies|slashers",
               "M": "horror", "g": "scary|creepy|spooky|terrifying|frightening",
               "a": "scary|creepy|spooky|frightening", "C": "scarier|more frightening|creepier"},
    "Musical": {"G": "musical", "P": "musicals", "M": "musical stuff", "g": "musical", "a": "musical"},
    "Mystery": {"G": "mystery|whodunit|detective story", "P": "mysteries|whodunits|detective films",
                "M": "mystery", "g": "mystery|detective", "a": "full of mystery"},
    "Romance": {"G": "romance|love story|romantic film", "P": "romances|love stories|romantic movies",
                "M": "romance", "g": "romantic", "a": "romantic", "C": "more romantic"},
    "Sci-Fi": {"G": "sci-fi film|science fiction movie|scifi flick", "P": "sci-fi films|science fiction movies",
               "M": "sci-fi|science fiction", "g": "sci-fi|futuristic", "a": "futuristic",
               "C": "more futuristic"},
    "Thriller": {"G": "thriller", "P": "thrillers", "M": "suspense", "g": "suspenseful|thrilling",
                 "a": "suspenseful|thrilling", "C": "more suspenseful|more thrilling"},
    "War": {"G": "war film|war movie", "P": "war films|war movies", "M": "war", "g": "war|wartime"},
    "Western": {"G": "western|cowboy film", "P": "westerns|cowboy movies", "M": "cowboy stuff", "g": "western"},
}  # fmt: skip
_PLAIN: Mapping[str, Sequence[str]] = {
    "n": "film film movie movie flick picture".split(),
    "N": "films films movies movies flicks pictures".split(),
    "who": (
        "my wife|my husband|my girlfriend|my boyfriend|my mum|my dad|my sister|my brother|my best friend|my boss|"
        "my parents|our neighbours|the kids|my daughter|my son|my roommate|my grandmother|a colleague|my partner"
    ).split("|"),
    "when": (
        "tonight|this evening|tomorrow|the weekend|friday night|a sunday afternoon|after work|movie night|later|"
        "our anniversary|the holidays|a lazy evening"
    ).split("|"),
    "o": "first second third fourth fifth last".split(),
    "num": "1 2 3 4 5 one two three four five".split(),
}
_DECADES = "twenties thirties forties fifties sixties seventies eighties nineties".split()


@dataclass(frozen=True, slots=True)
class Template:
    """A line of a templates file.

    Args:
        name: Made of its text, so that other lines can come and go.
        kind: Of every message it makes.
        text: With slots.
    """

    name: str
    kind: IntentKind
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """Characters start <= i < end of a message, and what they mean: an option of a question on `subject`."""

    start: int
    end: int
    subject: Subject
    option: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A message with its labels; words that are in no part mean nothing by themselves."""

    unit: str
    message: str
    kind: IntentKind
    parts: tuple[Part, ...]


def read_templates(folder: Path) -> list[Template]:
    """The templates of a folder: one file per kind, named by it, one template a line."""
    return [
        Template(f"{kind}:{sha256(line.encode()).hexdigest()[:10]}", kind, line)
        for kind in IntentKind
        for line in (folder / f"{kind}.txt").read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]


class Filler:
    """Fills templates.

    Args:
        catalogue: Whose titles are used.
        seed: Of all choices.
    """

    def __init__(self, catalogue: Catalogue, seed: int = 0) -> None:
        self._titles = [(item_id, item.title) for item_id, item in catalogue.items()]
        self._dice = random.Random(seed)

    def fill(self, template: Template) -> Labelled:
        """A message of a template; every call makes another."""
        dice = self._dice
        pieces: list[tuple[str, tuple[Subject, str, str] | None]] = []
        end = 0
        text = _varied(template.text, dice)
        lower = dice.random() < 0.3
        for match in _SLOT.finditer(text):
            pieces.append((text[end : match.start()], None))
            pieces.append(self._slot(match["name"], match["op"] or "", match["label"] or ""))
            end = match.end()
        pieces.append((text[end:], None))
        return _labelled(template, pieces, lower, dice)

    def _slot(self, name: str, op: str, label: str) -> tuple[str, tuple[Subject, str, str] | None]:
        dice = self._dice
        if name == "T":
            item_id, title = dice.choice(self._titles)
            return _said(title, dice), (Subject.ITEM, _FEELINGS[label], item_id)
        if name in _PLAIN:
            return dice.choice(_PLAIN[name]), None
        if name == "D":
            return _decade(dice), (Subject.RANGE, NONE if label == "-" else _WISHES[label], "")
        if name in ("Y", "I"):
            year = dice.randint(1930, 1996)
            words = str(year)
            if name == "I":
                later = dice.randint(year + 1, 1998)
                words = dice.choice((f"{year} and {later}", f"{year}-{later}", f"{year} to {later}"))
            return words, (Subject.RANGE, _WISHES[label], op)
        value = dice.choice([value for value, forms in _GENRES.items() if name in forms])
        said = dice.choice(_GENRES[value][name].split("|"))
        if dice.random() < 0.04:
            said = _misspelt(said, dice)
        return said, (Subject.SET, _WISHES[label], value)


def _labelled(
    template: Template,
    pieces: Sequence[tuple[str, tuple[Subject, str, str] | None]],
    lower: bool,
    dice: random.Random,
) -> Labelled:
    message, parts = "", []
    for words, meaning in pieces:
        said = words.lower() if lower else words
        if meaning is not None or said:
            vowel = said[:1].lower() in "aeiou"
            message = re.sub(r"\b([Aa])n? $", r"\1n " if vowel else r"\1 ", message) if said else message
        start = len(message)
        message += said
        if meaning is not None:
            parts.append(Part(start, len(message), *meaning))
    if not lower and dice.random() < 0.5:
        message = message[:1].upper() + message[1:]
    return Labelled(template.name, message, template.kind, tuple(parts))


def _varied(text: str, dice: random.Random) -> str:
    """A template with other punctuation, a greeting, a thank-you, a slip of the fingers outside its slots."""
    if dice.random() < 0.15:
        text = text.rstrip(".!?")
    elif dice.random() < 0.1 and text[-1].isalnum():
        text += dice.choice(("!", ".", "...", "?" if text.endswith("?") else "."))
    if dice.random() < 0.06:
        text = f"{dice.choice(('hi, ', 'hey ', 'hello! ', 'ok, ', 'so, ', 'well, ', 'oh, '))}{text}"
    if dice.random() < 0.05:
        text = f"{text}{dice.choice((' please', ', please', ' thanks', ' pls', ' thx'))}"
    if dice.random() < 0.15:
        plain = list(re.finditer(r"(?<![{\w])[a-z]{5,}(?![\w}])", text))
        if plain:
            slip = dice.choice(plain)
            text = text[: slip.start()] + _misspelt(slip.group(), dice) + text[slip.end() :]
    return text


def _misspelt(word: str, dice: random.Random) -> str:
    """A word with one letter lost, doubled or swapped with the next, never its first."""
    if len(word) < 5:
        return word
    i = dice.randrange(1, len(word) - 1)
    way = dice.randrange(3)
    if way == 0:
        return word[:i] + word[i + 1 :]
    return word[: i + 1] + word[i:] if way == 1 else word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _said(title: str, dice: random.Random) -> str:
    """A title as people write it."""
    name = re.sub(r"\s*\([^()]*\)", "", title).strip() or title
    chance = dice.random()
    if chance < 0.08:
        return f'"{name}"'
    if chance < 0.2:
        return name.lower()
    words = name.split()
    if chance < 0.32 and len(words) > 1 and words[0].lower() in ARTICLES:
        return " ".join(words[1:])
    if chance < 0.36 and ": " in name:
        return name.split(": ")[0]
    if chance < 0.4 and len(words) > 1:
        parts = [" ".join(part) for part in shortened(title) if len(part) > 1]
        if parts:
            return dice.choice(parts)
    if chance < 0.48:
        longest = max(words, key=len)
        return name.replace(longest, _misspelt(longest, dice))
    if chance < 0.53 and re.search(r"\(\d{4}\)", title):
        return title
    return name


def _decade(dice: random.Random) -> str:
    n = dice.randrange(2, 10)
    return dice.choice((f"{n}0s", f"{n}0s", f"19{n}0s", f"19{n}0s", _DECADES[n - 2], f"{n}0's"))


def filled(templates: Sequence[Template], filler: Filler, passes: int) -> Iterator[Labelled]:
    """Messages of every template; those without slots occur in a few passes only."""
    for template in templates:
        for _ in range(passes if "{" in template.text else max(1, passes // 3)):
            yield filler.fill(template)
