"""Owns what a message says of earlier wishes: drops of facets or of all, "undo", "what are my filters?"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.dialogue.facets import Reading
from convrec.dialogue.language import NEGATIONS, Token, stem, stems, vocabulary
from convrec.dialogue.wording import is_calendar
from convrec.types import Drop

_CALENDAR = vocabulary("year decade era date age period time")
_LIFTING = vocabulary("forget drop remove ignore skip lift clear delete nevermind mind")
_WISHES = "filters?|constraints?|restrictions?|criteria|wishes|requirements?|limits?"
_ALL = re.compile(
    rf"\b(?:(?:clear|remove|drop|forget|delete|ignore|lift|reset|no)(?: all)?(?: of)?(?: the| my| these|"
    rf" those)? (?:{_WISHES})|"
    r"anything goes)\b(?! on)"
)
_UNDO = re.compile(
    r"\b(?:undo|take (?:that|it) back|go back|revert|scratch that|as before|forget (?:that|this|it))\b"
)
_OTHERS = re.compile(
    r"\b(?:show (?:me )?(?:\w+ )?(?:more|others?)|more (?:options|suggestions|recommendations|ideas|please|"
    r"choices)|what else|any(?:thing)? (?:others?|else|more)|"
    r"(?:something|anything) (?:else|different)|others?\b(?! than)|another(?: one)?$|another (?:one|set|batch|"
    r"list)|different (?:ones|set|batch|list)|next(?: one| ones| page| batch)?$|"
    r"none of (?:these|those|them)|not (?:these|those)|try again|alternatives?|(?:seen|know|watched) (?:all|them)|"
    r"(?:dont|didnt) (?:like|want) any of|more$|new ones|got any others)\b"
)
_LISTS = re.compile(
    rf"\b(?:(?:what|which)(?: are| were| is)?(?: all)?(?: the| my| your)?(?: current| active)? (?:{_WISHES})|"
    rf"(?:show|list|tell|give)(?: me)?(?: all)?(?: the| my)?(?: current| active)? (?:{_WISHES})|"
    r"what (?:have i|did i) (?:asked?|said|say|told|tell|wanted|want)(?: you)?(?: for)?(?: so far)?)\b"
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a message says of earlier wishes."""

    drops: tuple[Drop, ...] = ()
    undo: bool = False
    lists: bool = False
    others: bool = False

    def __bool__(self) -> bool:
        """Whether earlier wishes are touched."""
        return bool(self.drops) or self.undo or self.lists


class ChangeReader:
    """Reads changes.

    Args:
        catalogue: Its facets are what can be dropped by name.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._names = {
            facet.name: {stem(word) for word in stems(facet.name)}
            | (_CALENDAR if is_calendar(catalogue, facet) else set())
            for facet in catalogue.facets
        }

    def read(self, tokens: Sequence[Token], values: Sequence[Reading], ranges: Sequence[str]) -> Changes:
        """The changes in a message.

        Args:
            values: Wishes that the message calls no matter.
            ranges: Facets of intervals that it calls no matter.
        """
        plain = " ".join(token.word for token in tokens)
        drops = [Drop(reading.constraint.facet, str(reading.constraint.value)) for reading in values]
        drops += [Drop(facet) for facet in ranges]
        if _ALL.search(plain):
            drops.append(Drop())
        for facet, names in self._names.items():
            if any(stem(token.word) in names and _is_dropped(tokens, i) for i, token in enumerate(tokens)):
                drops.append(Drop(facet))
        lists = bool(_LISTS.search(plain))
        return Changes(
            drops=() if lists else tuple(dict.fromkeys(drops)),
            undo=bool(_UNDO.search(plain)),
            lists=lists,
            others=bool(_OTHERS.search(plain)),
        )


def _is_dropped(tokens: Sequence[Token], at: int) -> bool:
    """ "forget the year", "any genre is fine", "the year doesn't matter", "no year limit"."""
    clause = tokens[at].clause
    said = [token.word for token in tokens[max(0, at - 4) : at] if token.clause == clause]
    after = " ".join(token.word for token in tokens[at + 1 : at + 5] if token.clause == clause)
    if said[-1:] in (["any"], ["whatever"], ["whichever"]):
        return (
            not after
            or re.match(r"(?:is |are |will |would |works?|goes|please|now|again|be )", f"{after} ") is not None
        )
    if re.match(
        r"(?:doesnt|does not|dont|do not|isnt|is not|no longer) (?:really )?(?:matters?|important|care)", after
    ):
        return True
    if re.match(r"(?:limit|filter|restriction|requirement|constraint|range)", after):
        return bool((_LIFTING | NEGATIONS | {"without"}) & set(said))
    if "no longer care about" in f"{' '.join(said)}" or " ".join(said[-4:-1]) == "longer care about":
        return True
    lifted = bool(_LIFTING & set(said[-3:])) and "for" not in said
    return lifted or (
        " ".join(said[-3:]) in ("dont care about", "not care about", "care about the")
        and bool(NEGATIONS & set(said))
    )
