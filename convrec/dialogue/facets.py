"""Owns the wishes on set facets in a message: which values, wanted or refused, and how strongly.

Reads nothing but the facets of the catalogue: their values and the domain's words for them. A phrase is matched by
stem, so plural and hyphens do not matter ("sci-fi westerns"), and with one letter wrong. Of values joined by "or",
and of plurals joined by "and", one is enough. What is said to be no matter ("I don't mind horror", "it doesn't
have to be a drama") is no wish but takes an earlier one back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from convrec.data.catalogue import Catalogue
from convrec.dialogue.language import (
    FUNCTION_WORDS,
    NEGATIONS,
    STOP_WORDS,
    Token,
    before,
    stem,
    stems,
    vocabulary,
    words,
)
from convrec.types import Constraint, FacetType, Op, Strength

_JOINTS = frozenset(("and", "or", "nor", "a", "an", "the", "some"))
_ARTICLES = frozenset(("a", "an", "the", "any", "some"))
_AVERSIONS = vocabulary("hate hated hates dislike dislikes disliked despise stand allergic loathe detest detests")
_REFUSALS = vocabulary(
    """ditch drop remove lose cut rid hide omit scrap unlike leave kick scratch filter zero refuse refuses refused
    nix ban banish"""
)
_AWAY_FROM = (("apart", "from"), ("aside", "from"), ("away", "from"), ("clear", "of"))
_OFF = (("out", "of", "it"), ("off", "the", "list"), ("off", "the", "menu"), ("are", "off", "limits"),
        ("is", "off", "limits"), ("are", "out"), ("is", "out"))  # fmt: skip
_IS_NOT = vocabulary("isnt arent aint wasnt werent")
_TASTES = vocabulary("thing things cup tea bag style taste scene jam favourite favorite me us")
"""After a refused "is" or "are": "westerns aren't really our thing"."""
_WEARY = vocabulary("tired sick bored fed enough many much fill")
_DAMPED = vocabulary("tone cut dial turn")
_HEDGES = vocabulary(
    "maybe perhaps preferably ideally possibly prefer preferred kinda somewhat hopefully might leaning"
)
_AFTERTHOUGHTS = (
    "if possible", "if you can", "if you have", "if available", "maybe", "perhaps", "preferably", "ideally",
    "would be nice", "would be fine", "would be ok", "would be okay", "would be a plus", "or so", "wouldnt hurt",
    "if at all possible", "would be a bonus", "would be a perk", "optional", "optionally", "is optional",
    "is a plus", "is a bonus", "doesnt hurt", "where possible", "if there is one", "if theres one",
    "if there are any", "if theres any", "when possible",
)  # fmt: skip
_LEADS = ("if possible", "if you can", "where possible", "if at all possible", "bonus points for")
_DEGREES = vocabulary("so as very that overly super particularly terribly extremely especially all really")
_NO_MATTER = (
    "mind", "dont care about", "dont care whether", "longer insist on",
    "longer care about", "longer need", "have to be",
    "has to be", "need to be", "needs to be", "necessarily", "must be", "need",
    "has to have", "have to have",
)  # fmt: skip
_WELCOME = vocabulary("fine ok okay allowed welcome alright acceptable")
_TERMS = vocabulary("requirement filter restriction constraint condition limit rule")
_LIFTING = vocabulary("skip drop remove lift ignore forget mind lose ditch clear")
_ALLOWING = vocabulary("include allow bring back permit")
_FEELS = vocabulary(
    """love loves loved adore adored adores hate hated hates like likes liked enjoy enjoyed saw have has had want
    wants"""
)
_NO_REFUSAL = vocabulary("only just necessarily lie lying seen watched tried kidding joking gonna 错 仅 只")
"""After a negation: "not only", "not gonna lie", "never seen a"."""
_TYPED = 6


@dataclass(frozen=True, slots=True)
class Reading:
    """A constraint and the tokens that asked for it, first <= i < last.

    Args:
        stated: False where no value or bound was named ("newer"): where to move, but nothing to hold items to.
        relative: With `stated` false: it compares with what was shown ("newer"), not with all items ("recent").
    """

    constraint: Constraint
    first: int
    last: int
    stated: bool = True
    relative: bool = False


@dataclass(frozen=True, slots=True)
class _Phrase:
    first: int
    last: int
    facet: str
    value: str


class FacetReader:
    """Reads set facets.

    Args:
        catalogue: Its facets, their values, the domain's words.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._phrases: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {}
        domain = catalogue.domain
        nouns = {stems(noun) for noun in (domain.name, domain.noun, domain.plural)}
        for facet in catalogue.facets:
            if facet.type is not FacetType.SET:
                continue
            for value in catalogue.facet_values(facet.name):
                for said in (value, *facet.words.get(value, ())):
                    phrase = stems(said)
                    for form in dict.fromkeys((phrase, (stem("".join(words(said))),))):
                        if form not in nouns and any(w not in FUNCTION_WORDS and not w.isdigit() for w in form):
                            known = self._phrases.get(form, ())
                            # One word may ask for two values of a facet ("romcom").
                            if not known or (known[0][0] == facet.name and (facet.name, value) not in known):
                                self._phrases[form] = (*known, (facet.name, value))
        self._longest = max((len(phrase) for phrase in self._phrases), default=0)
        self._typed = sorted(form[0] for form in self._phrases if len(form) == 1 and len(form[0]) >= _TYPED)

    def knows(self, word: str) -> bool:
        """Whether a single word asks for a value."""
        return (stem(word),) in self._phrases

    def read(
        self, tokens: Sequence[Token], taken: Collection[int]
    ) -> tuple[tuple[Reading, ...], tuple[Reading, ...]]:
        """The wishes in a message, in order, and those that it says are no matter.

        Args:
            taken: Tokens that already mean something else (titles, numbers).
        """
        phrases = self._find(tokens, taken)
        occupied = {i for phrase in phrases for i in range(phrase.first, phrase.last)} | set(taken)
        readings: list[Reading] = []
        dropped: list[Reading] = []
        for chain in _chains(phrases, tokens):
            refused = self._refused(chain, tokens, occupied)
            either = _is_either(chain, tokens, occupied)
            no_matter = _is_no_matter(chain, tokens, occupied)
            for phrase, no in zip(chain, refused, strict=True):
                op, strength = self._wish(phrase, tokens, occupied, no)
                one_of = either and (op, strength) == ("include", "must")
                constraint = Constraint(phrase.facet, op, phrase.value, strength, one_of)
                (dropped if no_matter else readings).append(Reading(constraint, phrase.first, phrase.last))
        return _consistent(readings), tuple(dropped)

    def _find(self, tokens: Sequence[Token], taken: Collection[int]) -> list[_Phrase]:
        found: list[_Phrase] = []
        stemmed = [stem(token.word) for token in tokens]
        i = 0
        while i < len(tokens):
            for length in range(min(self._longest, len(tokens) - i), 0, -1):
                if any(j in taken for j in range(i, i + length)):
                    continue
                meant = self._phrases.get(tuple(stemmed[i : i + length])) or self._misspelt(
                    stemmed[i : i + length]
                )
                if meant and not (i + length < len(tokens) and tokens[i + length].word in _FEELS):
                    found += [_Phrase(i, i + length, facet, value) for facet, value in meant]
                    i += length - 1
                    break
            i += 1
        return found

    def _misspelt(self, stemmed: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """What a single word means that is one letter away from one that means something."""
        word = stemmed[0]
        if len(stemmed) > 1 or len(word) < _TYPED - 1 or word in STOP_WORDS:
            return ()
        near = process.extractOne(word, self._typed, scorer=OSA.distance, score_cutoff=1)
        return self._phrases[(near[0],)] if near and near[0][0] == word[0] else ()

    def _refused(self, chain: Sequence[_Phrase], tokens: Sequence[Token], occupied: Collection[int]) -> list[bool]:
        """For each phrase of a chain, whether a negation reaches it ("no horror, war or crime" refuses three)."""
        head = chain[0].first
        negated = is_negated(tokens, head, occupied) or _is_put_off(tokens, chain[-1].last)
        through = any(tokens[i].word in ("or", "nor") for i in range(head, chain[-1].last))
        refused = []
        for phrase in chain:
            if phrase is not chain[0] and "," in tokens[phrase.first].gap and not through:
                negated = False
            refused.append(negated)
        return refused

    def _wish(
        self, phrase: _Phrase, tokens: Sequence[Token], occupied: Collection[int], refused: bool
    ) -> tuple[Op, Strength]:
        """Whether a value is wanted, and how much."""
        said = [token.word for token in before(tokens, phrase.first, occupied)]
        close = set(said[-3:])
        following = [token.word for token in tokens[phrase.last : phrase.last + 1]]
        if following == ["enough"] and refused:
            return "include", "prefer"
        if "down" in close and _DAMPED & set(said):
            return "exclude", "avoid"
        if {"less", "too", "fewer"} & close or (
            {"many", "much"} & set(said[-1:]) and not self._is_comparative(phrase, tokens)
        ):
            return "exclude", "avoid"
        if _WEARY & set(said) and {"of", "with", "up", "had", "enough"} & set(said) and said[-1:] != ["no"]:
            return "exclude", "avoid"
        if {"light", "low", "easy", "overdosed"} & set(said) and {"on"} & close:
            return "exclude", "avoid"
        if refused and (_DEGREES & set(said[-1:]) or _is_soft(said) or _is_afterthought(phrase, tokens)):
            return "exclude", "avoid"
        if refused and any(lead in " ".join(said) for lead in _LEADS):
            return "exclude", "avoid"
        if refused:
            return "exclude", "must"
        if self._is_comparative(phrase, tokens) or {"more", "extra"} & close:
            return "include", "prefer"
        return "include", "prefer" if _is_hedged(phrase, tokens, occupied) else "must"

    def _is_comparative(self, phrase: _Phrase, tokens: Sequence[Token]) -> bool:
        """ "funnier" beside "funny" is a comparative; "thriller" and "gangster" are not."""
        word = tokens[phrase.last - 1].word
        if phrase.last - phrase.first > 1 or not word.endswith("er"):
            return False
        bases = (word[:-3] + "y", word[:-2], word[:-1]) if word.endswith("ier") else (word[:-2], word[:-1])
        return any((phrase.facet, phrase.value) in self._phrases.get((base,), ()) for base in bases)


def is_negated(tokens: Sequence[Token], first: int, occupied: Collection[int]) -> bool:
    """Whether a negation reaches the token at `first`."""
    said = [token.word for token in before(tokens, first, occupied)]
    while said and said[-1] in _ARTICLES - {"any"}:
        said.pop()
    if tuple(said[-2:]) in _AWAY_FROM:
        return True
    if said[-3:] == ["the", "mood", "for"]:
        # What is said of a mood stands farther off than negations reach.
        clause = tokens[first - 1].clause
        return any(
            token.word in NEGATIONS for token in tokens[max(0, first - 8) : first] if token.clause == clause
        )
    if said[-2:] in (["anything", "but"], ["other", "than"], ["rather", "than"], ["instead", "of"]):
        return True
    if said[-1:] == ["than"] and {"rather", "prefer"} & {token.word for token in tokens[:first]}:
        return True
    if said[-2:] == ["nothing", "but"] or _is_welcomed(said):
        return False
    return any(
        (word in NEGATIONS or word in _AVERSIONS or word in _REFUSALS)
        and following not in _NO_REFUSAL
        and previous != "why"
        for previous, word, following in zip(["", *said], said, [*said[1:], ""], strict=False)
    )


def _is_put_off(tokens: Sequence[Token], last: int) -> bool:
    """Whether what follows refuses: "keep war out of it", "westerns are off limits"."""
    following = tuple(token.word for token in tokens[last : last + 5])
    # "western films are out": the noun stands between.
    if any(following[skipped : skipped + len(said)] == said for said in _OFF for skipped in (0, 1)):
        return True
    denied = next((n for n in (0, 1) if following[n : n + 1] and following[n] in _IS_NOT), None)
    clause = tokens[last - 1].clause
    return denied is not None and any(
        token.word in _TASTES and token.clause == clause for token in tokens[last + denied + 1 : last + denied + 6]
    )


def _is_welcomed(said: Sequence[str]) -> bool:
    """ "I wouldn't say no to", "I wouldn't mind"."""
    text = " ".join(said)
    return "say no" in text or "wouldnt mind" in text or "would not mind" in text


def _is_soft(said: Sequence[str]) -> bool:
    if (
        said[-2:] in (["rather", "than"], ["rather", "a"])
        or said[-3:-1] == ["rather", "than"]
        or "than" in said[-2:]
    ):
        return False
    return bool({"rather", "preferably", "ideally", "maybe", "possibly", "really"} & set(said))


def _is_hedged(phrase: _Phrase, tokens: Sequence[Token], occupied: Collection[int]) -> bool:
    """Whether "maybe", "if possible" and the like stand before or after a value in its clause."""
    clause = tokens[phrase.first].clause
    start = phrase.first
    while (
        start > 0 and start - 1 not in occupied and tokens[start - 1].clause == clause and phrase.first - start < 6
    ):
        start -= 1
    said = [token.word for token in tokens[start : phrase.first]]
    return (
        bool(_HEDGES & set(said) and not {"id", "prefer"} <= set(said))
        or any(lead in " ".join(said) for lead in _LEADS)
        or _is_welcomed(said)
        or _is_afterthought(phrase, tokens)
    )


def _is_afterthought(phrase: _Phrase, tokens: Sequence[Token]) -> bool:
    """Whether "if possible" and the like follow a value."""
    end = phrase.last
    while end < len(tokens) and tokens[end].clause == tokens[phrase.first].clause and "," not in tokens[end].gap:
        end += 1
    rest = [token.word for token in tokens[phrase.last : min(end, phrase.last + 5)]]
    return any(" ".join(rest[skipped:]) in _AFTERTHOUGHTS for skipped in (0, 1))


def _is_no_matter(chain: Sequence[_Phrase], tokens: Sequence[Token], occupied: Collection[int]) -> bool:
    """Whether values are said to be neither wanted nor refused."""
    first, last = chain[0].first, chain[-1].last
    said = [token.word for token in before(tokens, first, occupied)]
    text = " ".join(said)
    after = [token.word for token in tokens[last : last + 4] if token.clause == tokens[last - 1].clause]
    negated = any(word in NEGATIONS for word in said)
    if negated and not _is_welcomed(said) and any(f" {phrase} " in f" {text} " for phrase in _NO_MATTER):
        return "must be" not in text and "must have" not in text
    if (
        after[:1]
        and after[0] in ("isnt", "neednt")
        and {"must", "necessary", "required", "important"} & set(after)
    ):
        return True
    if len(after) > 1 and after[0] in ("is", "are") and _WELCOME & set(after[1:3]) and not negated:
        return True
    if after[:1] and after[0] in _TERMS and _LIFTING & set(said):
        return True
    if {"forget", "nevermind"} & set(said) or "never mind" in text:
        return True
    return bool(_ALLOWING & set(said)) and bool({"again", "back"} & set(after))


def _is_either(chain: Sequence[_Phrase], tokens: Sequence[Token], occupied: Collection[int]) -> bool:
    """Whether one of the values is enough: "a comedy or a western", "comedies and westerns"."""
    values = {(phrase.facet, phrase.value) for phrase in chain}
    between = {tokens[i].word for i in range(chain[0].first, chain[-1].last) if i not in occupied}
    several = any(_is_plural(tokens[phrase.last - 1].word, phrase.value) for phrase in chain[:-1])
    return len(values) > 1 and ("or" in between or ("and" in between and several))


def _chains(phrases: Sequence[_Phrase], tokens: Sequence[Token]) -> list[list[_Phrase]]:
    """Phrases with nothing but commas, connectors and articles between them belong together."""
    chains: list[list[_Phrase]] = []
    for phrase in phrases:
        between = range(chains[-1][-1].last, phrase.first) if chains else range(0)
        same = bool(chains) and tokens[chains[-1][-1].last - 1].clause == tokens[phrase.first].clause
        together = bool(chains) and phrase.first == chains[-1][-1].first
        if together or (same and all(tokens[i].word in _JOINTS for i in between)):
            chains[-1].append(phrase)
        else:
            chains.append([phrase])
    return chains


def _is_plural(word: str, value: str) -> bool:
    """Whether a word is a plural, and not because the value itself looks like one ("Children's")."""
    return stem(word) != word and word not in words(value)


def _consistent(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """In "horror, but not scary" the same value is asked for and refused: what was asked for stays."""
    wanted = {(r.constraint.facet, r.constraint.value) for r in readings if _is_wanted(r.constraint)}
    kept: dict[tuple[str, str | float], Reading] = {}
    for reading in readings:
        c = reading.constraint
        if not _is_wanted(c) and (c.facet, c.value) in wanted:
            continue
        known = kept.get((c.facet, c.value))
        if known is None or (known.constraint.strength != "must" and c.strength == "must"):
            kept[c.facet, c.value] = reading
    return tuple(sorted(kept.values(), key=lambda reading: reading.first))


def _is_wanted(constraint: Constraint) -> bool:
    return constraint.op == "include"
