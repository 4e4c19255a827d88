"""Owns what a reply may say: sentence patterns filled with the facts of a slate and checked against all titles.

A sentence that names an item outside the slate, even by accident ("big" is a title), is dropped before anybody can
choose it; so is a fact that does. Every slot ends in patterns that say next to nothing and therefore survive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from convrec.data.catalogue import Catalogue, written
from convrec.dialogue import patterns
from convrec.dialogue.placement import Placement, placed
from convrec.dialogue.script import Script
from convrec.dialogue.titles import TitleScanner
from convrec.dialogue.tongues import ENGLISH, Tongues
from convrec.dialogue.translated import Translated
from convrec.dialogue.wording import bounded, is_calendar, label, listed, refused, wanted, wishes_of
from convrec.types import (
    Constraint,
    EvidenceKind,
    FacetType,
    Intent,
    IntentKind,
    Polarity,
    Recommendation,
    SessionState,
    Slate,
)

TOLD = 3
"""Recommendations that get a sentence of their own; the others share one."""

_JOINED = 4
_FACT_LIMIT = 60


@dataclass(frozen=True, slots=True)
class _Facts:
    """What may be said of one recommendation; "" where there is nothing."""

    title: str
    asked: str = ""
    others: str = ""
    dated: bool = False
    words: str = ""
    shared: str = ""
    near: str = ""
    people: str = ""
    shown: str = ""


class Sentences:
    """Writes the script of a reply.

    Args:
        catalogue: Its titles are what must not be named, its domain what things are called.
        tongues: The languages other than English.
    """

    def __init__(self, catalogue: Catalogue, tongues: Tongues | None = None) -> None:
        self._catalogue = catalogue
        self._tongues = tongues
        self._scanner = TitleScanner(catalogue)
        domain = catalogue.domain
        self._nouns = {"noun": domain.noun, "plural": domain.plural, "verb": domain.verb}
        self._calendars = tuple(facet.name for facet in catalogue.facets if is_calendar(catalogue, facet))
        self._sets = tuple(facet.name for facet in catalogue.facets if facet.type is FacetType.SET)

    def script(
        self,
        intent: Intent,
        state: SessionState,
        slate: Slate,
        about: Placement | None = None,
        language: str = ENGLISH,
    ) -> Script:
        """Everything that a reply to this turn may be; every text of it names items of the slate only.

        Args:
            about: Where the item stands whose reasons were asked for; the reply begins with it.
            language: Code of the person's.
        """
        shown = slate.recommendations
        own = frozenset(r.item.item_id for r in shown)
        clarification = intent.clarification
        if clarification is not None and clarification.asks:
            asked = ([clarification.text], [text.format(**self._nouns) for text in patterns.ASKED_BACK])
            return Script((self._first_safe(asked, own)[:1] or ("…?",),))
        said_first = self._said_first(intent, state, own)
        spoken = self._tongues[language] if self._tongues is not None and not said_first else None
        if spoken is not None:  # what a reply owes first is said in English only
            translated = Translated(spoken, self._catalogue)
            return translated.script(intent, state, slate, about, lambda texts: self._safe(texts, own))
        if not shown:
            return Script((self._first_safe(self._empty(state), own)[:1] or ("…",),))
        titles = [r.item.title for r in shown]
        answer = self._safe((placed(about, self._catalogue),) if about else (), own)
        if intent.kind in (IntentKind.SMALL_TALK, IntentKind.OUT_OF_SCOPE):
            slots = [self._leads(intent, own), self._joint(titles, patterns.EXAMPLES, own)]
        else:
            slots = [answer, said_first, self._openings(intent, state, len(shown), own)]
            slots += [self._sentences(self._facts(r, own), n, own) for n, r in enumerate(shown[:TOLD])]
            rest = titles[TOLD:]
            slots += (
                [self._joint(rest, patterns.JOINT["one" if len(rest) == 1 else "several"], own)] if rest else []
            )
        # A title names only itself, so the best one can always stand alone.
        return Script(tuple(slot for slot in slots if slot) or ((shown[0].item.title,),))

    def _safe(self, texts: Iterable[str], own: frozenset[str]) -> tuple[str, ...]:
        return tuple(
            text
            for text in dict.fromkeys(texts)
            if not self._scanner.may_run_on(text) and not self._scanner.outside(text, own)
        )

    def _fact(self, text: str, own: frozenset[str]) -> str:
        """A fact that may be said: short, in one line, and no outside title."""
        plain = " ".join(text.split())
        return "" if len(plain) > _FACT_LIMIT or self._scanner.outside(plain, own) else plain

    def _first_safe(self, choices: Iterable[Iterable[str]], own: frozenset[str]) -> tuple[str, ...]:
        """What is safe of the first choice of which anything is."""
        return next((safe for choice in choices if (safe := self._safe(choice, own))), ())

    def _said_first(self, intent: Intent, state: SessionState, own: frozenset[str]) -> tuple[str, ...]:
        """What a reply owes before it speaks of the slate: what was given up, or the wishes so far."""
        if intent.clarification is not None:
            said = ([intent.clarification.text], patterns.GIVEN_UP)
            return self._first_safe(said, own)[:1] or ("…",)
        if intent.lists:
            wishes = ", ".join(wishes_of(self._catalogue, state.constraints))
            listing = [patterns.LISTED.format(wishes=wishes)] if wishes else []
            return self._first_safe((listing, patterns.UNLISTED), own)
        return ()

    # --- openings and endings ----------------------------------------------------------------------------

    def _leads(self, intent: Intent, own: frozenset[str]) -> tuple[str, ...]:
        """How a reply takes up the message."""
        wishes = intent.kind is IntentKind.RECOMMEND
        seeds = sum(m.polarity in (Polarity.LIKED, Polarity.NEUTRAL) for m in intent.mentions)
        query = self._fact(intent.query, own)
        leads = patterns.LEADS[intent.kind]
        if wishes and query:
            leads = patterns.SEARCHED
        elif wishes and seeds:
            leads = patterns.SEEDED if seeds == 1 else patterns.SEEDED_BY_SEVERAL
        return self._safe((lead.format(query=query, **self._nouns) for lead in leads if lead), own)

    def _openings(self, intent: Intent, state: SessionState, count: int, own: frozenset[str]) -> tuple[str, ...]:
        leads = self._leads(intent, own)
        if intent.kind is IntentKind.WHY and leads:
            return leads
        opened = patterns.OPENINGS["one" if count == 1 else "several"]
        # Should a wish be the title of an item outside, the plain subject remains.
        said = (
            [o.format(subject=subject) for o in opened] for subject in self._subjects(state.constraints, count)
        )
        openings = self._first_safe(said, own)
        if not (leads and openings):
            return openings or leads
        return (
            self._safe((f"{leads[n % len(leads)]} {opening}" for n, opening in enumerate(openings)), own) or leads
        )

    def _subjects(self, constraints: Sequence[Constraint], count: int) -> Iterator[str]:
        """ "five Comedy films from 1990 to 1999, without Horror": what every item is; then only "five films"."""
        domain = self._catalogue.domain
        number = patterns.COUNTS[count] if count < len(patterns.COUNTS) else str(count)
        noun = domain.noun if count == 1 else domain.plural
        parts = (number, *wanted(constraints), noun, *bounded(self._catalogue, constraints))
        without = refused(constraints)
        yield " ".join(parts) + (f", without {listed(without)}" if without else "")
        yield f"{number} {noun}"

    def _joint(self, titles: Sequence[str], said: Sequence[str], own: frozenset[str]) -> tuple[str, ...]:
        """One sentence for many titles; of a long list the first ones."""
        rest = len(titles) - _JOINED
        named = listed([*titles[:_JOINED], f"{rest} more"] if rest > 1 else titles)
        plain = ", ".join(titles[:_JOINED])
        return self._first_safe(([p.format(names=names) for p in said] for names in (named, plain)), own)

    def _empty(self, state: SessionState) -> Iterator[Sequence[str]]:
        """Which wishes leave nothing."""
        wishes = ", ".join(wishes_of(self._catalogue, state.constraints))
        if wishes:
            yield [text.format(wishes=wishes, **self._nouns) for text in patterns.EMPTY]
        yield [text.format(**self._nouns) for text in patterns.EXHAUSTED]

    def _sentences(self, facts: _Facts, n: int, own: frozenset[str]) -> tuple[str, ...]:
        """What may be said of the nth recommendation, the strongest evidence first.

        Each of the first recommendations gets patterns of its own, so that no two sentences sound alike.
        """
        kinds = (
            (patterns.ASKED_NEAR, facts.asked and facts.near),
            (patterns.ASKED_WITH, facts.asked and facts.others),
            (patterns.ASKED, facts.asked and not facts.others),
            (patterns.WORDS, facts.words),
            (patterns.DATED, facts.dated and not facts.asked),
            (patterns.NEAR, facts.near and not facts.asked),
            (patterns.SHARED, facts.shared and not facts.asked),
            (patterns.SHOWN, facts.shown and not (facts.asked or facts.near or facts.shared)),
            (patterns.POPULAR, facts.people),
        )
        spoken = asdict(facts) | self._nouns
        said: list[str] = []
        for kind, known in kinds:
            if known:
                filled = [pattern.format(**spoken) for pattern in kind]
                said += self._first_safe((filled[n % TOLD :: TOLD], filled), own)
        return tuple(said) or self._safe((pattern.format(**spoken) for pattern in patterns.BARE), own)

    # --- facts -------------------------------------------------------------------------------------------

    def _facts(self, recommendation: Recommendation, own: frozenset[str]) -> _Facts:
        item, evidence = recommendation.item, recommendation.evidence
        asked = [
            e for e in evidence if e.kind is EvidenceKind.ATTRIBUTE and e.title is None and e.facet and e.value
        ]
        dated = any(e.facet in self._calendars for e in asked)
        labels = [
            label(self._catalogue, e.facet or "", e.value or "") for e in asked if e.facet not in self._calendars
        ]
        shared = [
            e.value for e in evidence if e.kind is EvidenceKind.ATTRIBUTE and e.title is not None and e.value
        ]
        words = [e.value for e in evidence if e.kind is EvidenceKind.REQUEST and e.value]
        people = [e.value for e in evidence if e.kind is EvidenceKind.POPULARITY and e.value]
        known = [e.value for e in evidence if e.kind is EvidenceKind.HISTORY]
        values = [written(value) for name in self._sets for value in item.values(name)]
        return _Facts(
            title=self._dated_title(recommendation, own),
            asked=self._listed(labels, own),
            others=self._listed([value for value in values if value not in labels][:2], own),
            dated=dated,
            words=self._fact(words[0], own) if words else "",
            shared=self._listed(shared[:1], own),
            near=self._near(known[0], own) if known else "",
            people=people[0] if people else "",
            shown=self._listed(values, own),
        )

    def _listed(self, values: Sequence[str], own: frozenset[str]) -> str:
        return self._fact(listed([value for value in values if self._fact(value, own)][:3]), own)

    def _dated_title(self, recommendation: Recommendation, own: frozenset[str]) -> str:
        """The title, with the year that tells namesakes apart where the catalogue has one."""
        item = recommendation.item
        years = [written(value) for name in self._calendars for value in item.values(name)[:1]]
        dated = f"{item.title} ({years[0]})" if years else item.title
        return item.title if self._scanner.outside(dated, own) else dated

    def _near(self, known: str | None, own: frozenset[str]) -> str:
        plural = self._catalogue.domain.plural
        told = {
            "liked": (f"{plural} you liked", "what you liked"),
            "named": (f"the {self._catalogue.domain.noun} you named", "what you named"),
        }.get(known or "", (f"{plural} from your history", "your history"))
        return next((text for text in told if self._fact(text, own)), "")
