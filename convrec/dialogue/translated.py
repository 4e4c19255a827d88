"""Owns what a reply may say in a language other than English: the phrases of its file, filled with facts.

Fewer patterns than in English (sentences.py), by the same rules: only facts of items and evidence, and no text
that names an item outside the slate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from convrec.data.catalogue import Catalogue, written
from convrec.dialogue.placement import BarKind, Placement
from convrec.dialogue.script import Script
from convrec.dialogue.tongues import Language
from convrec.dialogue.wording import OPERATORS
from convrec.types import (
    Constraint,
    EvidenceKind,
    FacetType,
    Intent,
    IntentKind,
    Recommendation,
    SessionState,
    Slate,
    Tongue,
)

_TOLD = 3
_JOINED = 4
_LEADS = {
    IntentKind.REFINE: "refine",
    IntentKind.FEEDBACK: "feedback",
    IntentKind.WHY: "why",
    IntentKind.SMALL_TALK: "small_talk",
    IntentKind.OUT_OF_SCOPE: "out_of_scope",
}
_Safe = Callable[[Iterable[str]], tuple[str, ...]]


class Translated:
    """Writes scripts in one language.

    Args:
        language: Its phrases.
        catalogue: Its domain may have words of its own in that language.
    """

    def __init__(self, language: Language, catalogue: Catalogue) -> None:
        self._language = language
        self._catalogue = catalogue
        tongue = catalogue.domain.tongues.get(language.code, Tongue(language.noun, language.plural))
        self._nouns = {"noun": tongue.noun, "plural": tongue.plural}
        self._labels = tongue.labels
        self._sets = tuple(facet.name for facet in catalogue.facets if facet.type is FacetType.SET)

    def script(
        self, intent: Intent, state: SessionState, slate: Slate, about: Placement | None, safe: _Safe
    ) -> Script:
        """Everything that a reply may be; see Sentences.script.

        Args:
            safe: Keeps the texts that name nothing outside the slate.
        """
        shown = slate.recommendations
        if not shown:
            return Script((safe(self._empty(state))[:1] or ("…",),))
        names = [r.item.title for r in shown]
        lead = safe(self._filled(_LEADS[intent.kind])) if intent.kind in _LEADS else ()
        if intent.kind in (IntentKind.SMALL_TALK, IntentKind.OUT_OF_SCOPE):
            slots = [lead, safe(self._filled("joint", names=self._joined(names)))]
        else:
            count = {"count": str(len(shown))} if len(shown) > 1 else {}
            slots = [
                safe([self._placed(about)] if about else []),
                lead or safe(self._filled("several" if count else "one", **count)),
                *(safe(self._told(r, n)) for n, r in enumerate(shown[:_TOLD])),
            ]
            if rest := names[_TOLD:]:
                slots.append(safe(self._filled("joint", names=self._joined(rest))))
        return Script(tuple(slot for slot in slots if slot) or ((names[0],),))

    def _told(self, recommendation: Recommendation, n: int) -> list[str]:
        """What may be said of the nth recommendation, the strongest evidence first."""
        item, evidence = recommendation.item, recommendation.evidence
        asked = [
            self._label(e.facet, e.value)
            for e in evidence
            if e.kind is EvidenceKind.ATTRIBUTE and e.title is None and e.facet and e.value
        ]
        near = any(e.kind is EvidenceKind.HISTORY for e in evidence)
        shown = [self._label(name, written(value)) for name in self._sets for value in item.values(name)]
        texts: list[str] = []
        if asked:
            texts += self._turned("asked", n, title=item.title, asked=self._language.listed(asked[:3]))
        if near:
            texts += self._turned("near", n, title=item.title)
        if shown and not texts:
            texts += self._turned("shown", n, title=item.title, shown=self._language.listed(shown[:3]))
        return texts or self._turned("bare", n, title=item.title)

    def _placed(self, about: Placement) -> str:
        if about.bars:
            reasons = [
                self._one(
                    "bar_constraint", wish=self._wish(bar.constraint)
                ) if bar.constraint else self._one("bar_known" if bar.kind is BarKind.KNOWN else "bar_named")
                for bar in about.bars
            ]  # fmt: skip
            return self._one("placed_barred", reasons=self._language.listed(list(dict.fromkeys(reasons))))
        if about.is_shown or about.shown_score is None:
            return self._one("placed_shown", rank=str(about.rank))
        return self._one("placed_behind", score=f"{about.score:.2f}", shown_score=f"{about.shown_score:.2f}")

    def _empty(self, state: SessionState) -> list[str]:
        wishes = self._language.comma.join(self._wish(c) for c in state.constraints if c.strength == "must")
        texts = self._filled("empty", wishes=wishes) if wishes else []
        return [*texts, *self._filled("exhausted")]

    def _wish(self, wish: Constraint) -> str:
        if wish.op in ("include", "exclude"):
            label = self._label(wish.facet, written(wish.value))
            return f"−{label}" if wish.op == "exclude" else label
        return f"{OPERATORS[wish.op]} {written(wish.value)}"

    def _label(self, facet: str, value: str) -> str:
        return self._labels.get(facet, {}).get(value, value)

    def _joined(self, names: Sequence[str]) -> str:
        return self._language.comma.join(names[:_JOINED])

    def _turned(self, phrase: str, n: int, **facts: str) -> list[str]:
        """The phrases beginning with the nth, so that no two sentences in a row sound alike."""
        filled = self._filled(phrase, **facts)
        turn = n % len(filled)
        return filled[turn:] + filled[:turn]

    def _one(self, phrase: str, **facts: str) -> str:
        return self._filled(phrase, **facts)[0]

    def _filled(self, phrase: str, **facts: str) -> list[str]:
        return [text.format(**self._nouns, **facts) for text in self._language.phrases[phrase]]
