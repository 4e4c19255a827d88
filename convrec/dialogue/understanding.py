"""Owns message -> Intent: composes the readers of titles, feelings, numbers and facets; decides what is wanted.

Rules, and learned judges of kinds (judging.py) and of wishes (wishes.py): every value of an Intent is a value of
the catalogue or words of the message, by construction.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from convrec.data.catalogue import Catalogue
from convrec.dialogue.changes import ChangeReader, Changes
from convrec.dialogue.clarifying import clarify
from convrec.dialogue.counting import CountReader
from convrec.dialogue.facets import FacetReader, Reading
from convrec.dialogue.feeling import VERDICTS, Cue, Feeling, FeelingReader
from convrec.dialogue.fusing import Fusion
from convrec.dialogue.judging import KindJudge
from convrec.dialogue.kinds import Signs, kind_of
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
from convrec.dialogue.linking import PREDICATES, Link, TitleLinker, plain_words
from convrec.dialogue.questions import NONE, Answers, Question, Questions, Subject
from convrec.dialogue.ranges import RangeReader
from convrec.dialogue.references import Reference, references
from convrec.dialogue.wishes import WishJudge, certain, surroundings
from convrec.types import (
    Clarification,
    Constraint,
    Domain,
    Drop,
    Intent,
    IntentKind,
    Mention,
    Polarity,
    SessionState,
)

_QUERY_LIMIT = 300
_RESET = re.compile(
    r"\b(start (?:over|again|afresh)|from scratch|forget (?:everything|all(?! the| my))|reset(?! the| my)|"
    r"new search)\b",
    re.I,
)
_WISHING = (IntentKind.RECOMMEND, IntentKind.REFINE)
_ABOUT_ITEMS = frozenset(IntentKind) - {IntentKind.SMALL_TALK, IntentKind.OUT_OF_SCOPE}
_WISHES = frozenset({IntentKind.RECOMMEND, IntentKind.REFINE})
_YES = vocabulary("yes yeah yep sure ok okay fine please alright right good great perfect y ja")
_YES_COMPANY = vocabulary(
    """do that it then thanks thank you sounds go ahead instead lets works for me with yes why not would be"""
)
_SOCIAL_SIGNS = vocabulary(
    """hi hello hey hiya yo greetings thanks thank thx cheers bye goodbye morning evening"""
)
_POINTING = frozenset(("it", "that", "this", "they", "one"))
_ADDITIVE = vocabulary("also too both additionally plus")


@dataclass(frozen=True, slots=True)
class _Reading:
    """Everything that the readers found in one message."""

    tokens: tuple[Token, ...]
    links: tuple[Link, ...]
    doubtful: tuple[Link, ...]
    references: tuple[Reference, ...]
    feelings: tuple[Feeling, ...]
    cues: tuple[Cue, ...]
    by_rule: tuple[Reading, ...]
    readings: tuple[Reading, ...]
    dropped: tuple[Reading, ...]
    changes: Changes
    k: int | None
    taken: frozenset[int]


class Understanding:
    """Reads messages by rule.

    Args:
        catalogue: Its titles, facets and values are all that can be understood.
        judge: Has a say in the kind of a message; None leaves it to the rules.
        fusion: What a language model's answers count, where there are any.
        wishes: The judge of wishes; None leaves them to the rules.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        judge: KindJudge | None = None,
        fusion: Fusion | None = None,
        wishes: WishJudge | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._judge, self._wishes = judge, wishes
        self._fusion = fusion or Fusion()
        self._linker = TitleLinker(catalogue, plain_words(catalogue))
        self._feelings = FeelingReader(catalogue.domain)
        self._ranges = RangeReader(catalogue)
        self._facets = FacetReader(catalogue)
        self._changes = ChangeReader(catalogue)
        self._nouns = _nouns(catalogue.domain)
        self._counts = CountReader(self._nouns, self._facets.knows)
        self._stop = STOP_WORDS | VERDICTS | _SOCIAL_SIGNS | {catalogue.domain.verb, catalogue.domain.past}

    def questions(self, message: str, state: SessionState) -> Questions:
        """What a language model could say of a message better than rules."""
        text = unicodedata.normalize("NFC", message[:MESSAGE_LIMIT])
        text = _RESET.sub(" ", text)
        found = self._read(text, state)
        kind = self._by_rule(found, self._query(text, found), state)
        felt = {m.item_id: m.polarity for m in self._mentions(found, kind, state)}
        asked = [Question(Subject.KIND, "", 0, 0, kind)]
        for link, feeling in zip(found.links, found.feelings, strict=True):
            if link.item_id.startswith("#"):
                continue
            polarity = felt.get(link.item_id, feeling.polarity)
            asked.append(_question(Subject.ITEM, text, found.tokens, link, polarity, [("", link.item_id)]))
        asked += [
            _question(Subject.ITEM, text, found.tokens, link, NONE, [("", link.item_id)])
            for link in found.doubtful
        ]
        places: dict[tuple[int, int], list[Reading]] = {}
        for reading in (*found.by_rule, *found.dropped):
            if reading.stated:
                places.setdefault((reading.first, reading.last), []).append(reading)
        for readings in places.values():
            told = readings[0].constraint
            subject = subject_of(told)
            by_rule = NONE if readings[0] in found.dropped else option(told)
            values = [(r.constraint.facet, str(r.constraint.value)) for r in readings]
            asked.append(_question(subject, text, found.tokens, readings[0], by_rule, values))
        once = {(one.subject, one.first, one.last): one for one in asked if one.first >= 0}
        return Questions(text, state.turns > 0, tuple(once.values()))

    def understand(self, message: str, state: SessionState, answers: Answers | None = None) -> Intent:
        """A message as an intent.

        Args:
            message: Anything; what follows the first 2,000 characters is ignored.
            state: What the conversation has established before this message.
            answers: A language model's to the `questions` of the same message and state.
        """
        text = unicodedata.normalize("NFC", message[:MESSAGE_LIMIT])
        text, resets = _RESET.subn(" ", text)
        if resets:
            state = SessionState(slate=state.slate)
        if state.asked is not None and (answer := _answer(text, state.asked, state)) is not None:
            return answer
        found = self._read(text, state, answers)
        query = self._query(text, found)
        kind = self._kind(text, found, query, state, answers)
        if resets and kind in (IntentKind.REFINE, IntentKind.SMALL_TALK):
            kind = IntentKind.RECOMMEND
        wishes, changes = kind in _WISHING, found.changes
        intent = Intent(
            kind=kind,
            query=query if kind is IntentKind.RECOMMEND else "",
            k=found.k,
            mentions=self._mentions(found, kind, state, answers),
            constraints=self._constraints(found, state) if wishes else (),
            reset=bool(resets),
            references=tuple(sorted({reference.rank for reference in found.references})),
            critiques=self._critiques(found, state) if wishes else (),
            toward=(query,) if query and kind is IntentKind.REFINE and not (changes or changes.others) else (),
            away=_away(found.tokens, found.taken) if wishes else (),
            drops=changes.drops,
            undo=changes.undo,
            lists=changes.lists,
            others=wishes and changes.others,
        )
        return replace(intent, clarification=clarify(state, intent, self._catalogue)) if wishes else intent

    def _read(self, text: str, state: SessionState, answers: Answers | None = None) -> _Reading:
        tokens = tokenise(text)
        links, doubtful = self._linker.read(text, tokens)
        if answers is not None:
            links = self._titles(links, doubtful, answers)
            doubtful = ()
        taken = {i for link in links for i in range(link.first, link.last)}
        referred = references(tokens, taken, self._nouns, len(state.slate))
        taken |= {i for reference in referred for i in range(reference.first, reference.last)}
        named = tuple(sorted((*links, *(reference.link for reference in referred)), key=lambda link: link.first))
        # "the first two" is two references in one place.
        places = {link.first: link for link in named}
        feelings, cues = self._feelings.read(tokens, tuple(places.values()))
        felt = dict(zip(places, feelings, strict=True))
        k, counted = self._counts.read(tokens, taken)
        ranges, no_ranges = self._ranges.read(tokens, taken | counted, links)
        taken |= counted | {i for reading in ranges for i in range(reading.first, reading.last)}
        sets, no_sets = self._facets.read(tokens, taken)
        taken |= {i for reading in (*sets, *no_sets) for i in range(reading.first, reading.last)}
        changes = self._changes.read(tokens, no_sets, no_ranges)
        by_rule = (*sets, *ranges)
        return _Reading(
            tokens,
            named,
            tuple(link for link in doubtful if taken.isdisjoint(range(link.first, link.last))),
            referred,
            tuple(felt[link.first] for link in named),
            cues,
            by_rule,
            self._wished(tokens, links, by_rule, no_sets, answers),
            no_sets,
            changes,
            k,
            frozenset(taken),
        )

    def _titles(self, links: Sequence[Link], doubtful: Sequence[Link], answers: Answers) -> tuple[Link, ...]:
        """The links that hold when the model was heard."""
        held = [
            link
            for named, some in ((True, links), (False, doubtful))
            for link in some
            for logs in [answers.of(Subject.ITEM, link.first, link.last)]
            if (named if logs is None else self._fusion.is_title(named, logs))
        ]
        return tuple(sorted(held, key=lambda link: link.first))

    def _wished(
        self,
        tokens: Sequence[Token],
        links: Sequence[Link],
        readings: Sequence[Reading],
        dropped: Sequence[Reading],
        answers: Answers | None,
    ) -> tuple[Reading, ...]:
        """The readings that hold when the judge and the model were heard, with the strength that does."""
        titles = [(link.first, link.last) for link in links if link.first >= 0]
        places = [(reading.first, reading.last) for reading in (*readings, *dropped) if reading.stated]
        held = []
        for reading in (*readings, *dropped):
            told = reading.constraint
            chosen = by_rule = NONE if reading in dropped else option(told)
            if reading.stated:
                place = (reading.first, reading.last)
                logs = None if answers is None else answers.of(Subject.SET, *place)
                judged = certain(by_rule)
                if self._wishes is not None:
                    judged = self._wishes.logs(surroundings(tokens, place, places, titles, by_rule), by_rule)
                chosen = self._fusion.wish(subject_of(told), judged, logs)
            if chosen != NONE:
                held.append(reading if chosen == by_rule else replace(reading, constraint=_with(told, chosen)))
        return tuple(held)

    def _by_rule(self, found: _Reading, query: str, state: SessionState) -> IntentKind:
        return kind_of(found.tokens, self._signs(found, query, state))

    def _kind(
        self, text: str, found: _Reading, query: str, state: SessionState, answers: Answers | None
    ) -> IntentKind:
        """What the rules say, the judge and the model of it, where there is anything to judge."""
        by_rule = self._by_rule(found, query, state)
        refined = by_rule is IntentKind.REFINE and (state.turns > 0 or found.changes)
        logs = None if answers is None else answers.of(Subject.KIND, 0, 0)
        if refined or not found.tokens or (self._judge is None and logs is None):
            return by_rule
        titles = [link for link in found.links if not link.item_id.startswith("#")]
        masked = _masked(text, found.tokens, titles)
        if logs is not None:
            weighed = None if self._judge is None else self._judge.logs(masked)
            judged = IntentKind(self._fusion.option(Subject.KIND, by_rule, logs, weighed))
        elif self._judge is not None:
            judged = self._judge.kind(masked, by_rule)
        # What names an item or a facet is about them, and what names a facet alone asks for it, unless the rules
        # know better.
        known = _ABOUT_ITEMS if found.links else _WISHES if found.readings else frozenset(IntentKind)
        return judged if judged in known else by_rule

    def _signs(self, found: _Reading, query: str, state: SessionState) -> Signs:
        stated = [reading.constraint for reading in found.readings if reading.stated]
        wanted = [r.first for r in found.readings if r.stated and r.constraint.op != "exclude"]
        asked = {token.clause for token in found.tokens if token.asked}
        return Signs(
            named=len(found.links) - len(found.references),
            referred=len(found.references),
            feelings=found.feelings,
            wanted=sum(c.op != "exclude" and c.strength == "must" for c in stated),
            refused=sum(c.op == "exclude" and c.strength == "must" for c in stated),
            preferred=sum(c.strength != "must" for c in stated) + len(found.readings) - len(stated),
            changed=bool(found.changes),
            leads=bool(wanted and found.links) and min(wanted) < found.links[0].first,
            stated=any(
                link.last < len(found.tokens)
                and found.tokens[link.last].word in PREDICATES
                and not found.tokens[link.first].asked
                for link in found.links
            ),
            asked=any(found.tokens[link.first].clause in asked for link in found.links)
            or any(token.asked and token.word in _POINTING for token in found.tokens),
            counted=found.k is not None,
            query=query,
            nouns=self._nouns,
            earlier=state.turns > 0,
        )

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

    def _mentions(
        self, found: _Reading, kind: IntentKind, state: SessionState, answers: Answers | None = None
    ) -> tuple[Mention, ...]:
        """Items named or referred to, once each: what is said last of an item counts."""
        named: dict[str, Mention] = {}
        if kind in (IntentKind.SMALL_TALK, IntentKind.OUT_OF_SCOPE):
            return ()
        for link, feeling in zip(found.links, found.feelings, strict=True):
            item_id = _referred(link, state)
            if item_id not in self._catalogue:
                continue
            polarity = feeling.polarity
            if kind in _WISHING and feeling.bare:
                polarity = Polarity.LIKED
            elif kind in (IntentKind.WHY, IntentKind.COMPARE) and feeling.wish:
                polarity = Polarity.NEUTRAL
            logs = None if answers is None else answers.of(Subject.ITEM, link.first, link.last)
            if logs is not None:
                polarity = Polarity(self._fusion.option(Subject.ITEM, polarity, logs))
            named[item_id] = Mention(item_id, self._catalogue[item_id].title, polarity)
        return tuple(named.values())

    def _constraints(self, found: _Reading, state: SessionState) -> tuple[Constraint, ...]:
        """The message's constraints; "romantic too" repeats earlier ones on its facets, so that both hold."""
        new = tuple(reading.constraint for reading in found.readings if reading.stated)
        if not any(token.word in _ADDITIVE for token in found.tokens):
            return new
        wanted = {c.facet for c in new if c.op == "include"}
        values = {(c.facet, c.value) for c in new}
        kept = tuple(
            c for c in state.constraints
            if c.op == "include" and c.facet in wanted and (c.facet, c.value) not in values
        )  # fmt: skip
        return kept + new

    def _critiques(self, found: _Reading, state: SessionState) -> tuple[Constraint, ...]:
        """Where to move: past what was shown or referred to, else where the words point among all items."""
        liked = [
            _referred(link, state)
            for link, feeling in zip(found.links, found.feelings, strict=True)
            if feeling.polarity is not Polarity.DISLIKED
        ]
        shown = [i for i in liked or state.slate if i in self._catalogue]
        moved = []
        for reading in found.readings:
            if reading.stated:
                continue
            own = reading.constraint
            numbers = [n for i in shown for n in self._catalogue[i].numbers(own.facet)[:1]]
            if reading.relative and numbers:
                upward = own.op in (">=", ">")
                own = replace(own, op=">" if upward else "<", value=sum(numbers) / len(numbers))
            moved.append(own)
        return tuple(moved)


def _question(
    subject: Subject,
    text: str,
    tokens: Sequence[Token],
    found: Link | Reading,
    by_rule: str,
    values: Sequence[tuple[str, str]],
) -> Question:
    words = text[tokens[found.first].start : tokens[found.last - 1].end]
    return Question(subject, words, found.first, found.last, by_rule, tuple(values))


def _with(constraint: Constraint, chosen: str) -> Constraint:
    """A constraint with the option that was chosen for it."""
    if subject_of(constraint) is Subject.RANGE:
        return replace(constraint, strength="must" if chosen == "must" else "prefer")
    if chosen in ("must", "prefer"):
        own = replace(constraint, op="include", strength="must" if chosen == "must" else "prefer")
    else:
        own = replace(constraint, op="exclude", strength="must" if chosen == "exclude" else "avoid")
    return replace(own, either=own.either and chosen == "must")


def subject_of(constraint: Constraint) -> Subject:
    """What a question on a wish is about."""
    return Subject.SET if constraint.op in ("include", "exclude") else Subject.RANGE


def option(constraint: Constraint) -> str:
    """A wish as an option of its question."""
    return "exclude" if (constraint.op, constraint.strength) == ("exclude", "must") else constraint.strength


def _referred(link: Link, state: SessionState) -> str:
    """The item_id of a link, "" for a rank beyond the last slate."""
    if not link.item_id.startswith("#") or link.first < 0:
        return link.item_id
    rank = link.item_id[1:]
    return state.slate[int(rank) - 1] if rank.isdigit() and 0 < int(rank) <= len(state.slate) else ""


def _masked(text: str, tokens: Sequence[Token], links: Sequence[Link]) -> str:
    """A text with [title] in the place of every title."""
    for link in reversed(links):
        text = f"{text[: tokens[link.first].start]}[title]{text[tokens[link.last - 1].end :]}"
    return text


def _answer(text: str, asked: Clarification, state: SessionState) -> Intent | None:
    """A plain yes to the question of the turn before: what it offered holds."""
    said = {token.word for token in tokenise(text)}
    if not (said & _YES and said <= _YES | _YES_COMPANY):
        return None
    drops = tuple(dict.fromkeys(Drop(c.facet) for c in state.constraints))
    return Intent(IntentKind.REFINE, constraints=asked.constraints, drops=drops)


def _away(tokens: Sequence[Token], taken: Collection[int]) -> tuple[str, ...]:
    """What the message wants less of and no facet holds: "less violent", "without gore"."""
    return tuple(tokens[i].word for i in sorted(_refused(tokens) - set(taken)) if tokens[i].word not in STOP_WORDS)


def _refused(tokens: Sequence[Token]) -> set[int]:
    """The ends of clauses that refuse something ("without violence"), which text retrieval cannot negate."""
    refused: set[int] = set()
    for i, token in enumerate(tokens):
        if token.word in NEGATIONS or token.word in ("less", "too"):
            rest = [j for j in range(i + 1, min(i + 10, len(tokens))) if tokens[j].clause == token.clause]
            if sum(tokens[j].word not in STOP_WORDS for j in rest) == 1:
                refused.update(rest)
    return refused


def _plain(tokens: Sequence[Token]) -> str:
    return " ".join(token.word for token in tokens)


def _nouns(domain: Domain) -> frozenset[str]:
    """Stems of what people call the items: the domain's name counts too ("movies"), and single words elsewhere."""
    own = {s for noun in (domain.name, domain.noun, domain.plural) for s in stems(noun)[-1:]}
    elsewhere = [stems(noun) for tongue in domain.tongues.values() for noun in (tongue.noun, tongue.plural)]
    return frozenset(own | {noun[0] for noun in elsewhere if len(noun) == 1})
