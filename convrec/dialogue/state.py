"""Owns the session's state: a pure fold over intents and slates, and the retrieval query that follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from convrec.types import (
    Constraint,
    Drop,
    Intent,
    IntentKind,
    Mention,
    Polarity,
    Profile,
    RetrievalQuery,
    SessionState,
)

_SEEDS: Final = {Polarity.LIKED: 1.0, Polarity.DISLIKED: -1.0, Polarity.NEUTRAL: 0.5}
"""What a mention weighs as a seed. SEEN is no taste: it only excludes."""

_CRITIQUES: Final = 3


def update(state: SessionState, intent: Intent) -> SessionState:
    """The state after one more intent.

    A new wish brings its own query; a refinement keeps it and may add words to it. Later constraints win over
    earlier ones that they contradict, and later feelings about an item over earlier ones. What is dropped is gone,
    whatever its strength had become, and "undo" goes back to the constraints before the latest change. A reset
    forgets everything but what was shown.
    """
    if intent.reset:
        state = SessionState(slate=state.slate)
    renews = intent.kind is IntentKind.RECOMMEND and bool(intent.query or intent.mentions)
    constraints = state.undone if intent.undo else _kept(_without(state.constraints, intent.dropped), intent.drops)
    constraints = _constrained(constraints, intent.constraints + intent.critiques)
    clarification = intent.clarification
    if clarification is not None and not clarification.asks:
        constraints = clarification.constraints
    changed = constraints != state.constraints
    return SessionState(
        query=intent.query if renews else state.query,
        k=intent.k or state.k,
        mentions=_named(state.mentions, _felt(intent)),
        constraints=constraints,
        turns=state.turns + 1,
        toward=_latest(() if renews else state.toward, intent.toward),
        away=_latest(() if renews else state.away, intent.away),
        undone=state.constraints if changed else state.undone,
        asked=clarification if clarification is not None and clarification.asks else None,
        slate=state.slate,
        passed=tuple(dict.fromkeys(state.passed + (state.slate if intent.others else ()))),
    )


def shown(state: SessionState, slate: Sequence[str]) -> SessionState:
    """The state after a slate was shown; a turn that showed nothing leaves the earlier one to refer to."""
    return replace(state, slate=tuple(slate)) if slate else state


def replay(intents: Iterable[Intent], slates: Iterable[Sequence[str]] = ()) -> SessionState:
    """The state after a whole session.

    Args:
        slates: What each turn showed, item_ids; empty where it showed nothing.
    """
    state = SessionState()
    showing = iter(slates)
    for intent in intents:
        state = shown(update(state, intent), next(showing, ()))
    return state


def retrieval_query(state: SessionState, profile: Profile, now: float | None = None) -> RetrievalQuery:
    """What to look for: words, seeds and constraints of the conversation, the user's history, nothing known."""
    return RetrievalQuery(
        text=" ".join(filter(None, (state.query, *state.toward))),
        history=profile.history,
        seeds={m.item_id: _SEEDS[m.polarity] for m in state.mentions if m.polarity in _SEEDS},
        constraints=state.constraints,
        exclude=profile.excluded | {mention.item_id for mention in state.mentions} | set(state.passed),
        away=" ".join(state.away),
        now=now,
    )


def _felt(intent: Intent) -> tuple[Mention, ...]:
    """What counts of an intent's mentions: what a question is about may still be shown."""
    if intent.kind is not IntentKind.WHY:
        return intent.mentions
    return tuple(mention for mention in intent.mentions if mention.polarity is not Polarity.NEUTRAL)


def _kept(constraints: tuple[Constraint, ...], drops: Sequence[Drop]) -> tuple[Constraint, ...]:
    """Constraints without those that are taken back."""

    def dropped(c: Constraint) -> bool:
        return any(
            not drop.facet or (drop.facet == c.facet and (not drop.value or drop.value.casefold() == _value(c)))
            for drop in drops
        )

    return tuple(c for c in constraints if not dropped(c))


def _latest(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """Words of critiques, each once, the last few."""
    return tuple(dict.fromkeys((*(word for word in old if word not in new), *new)))[-_CRITIQUES:]


def _named(old: tuple[Mention, ...], new: tuple[Mention, ...]) -> tuple[Mention, ...]:
    """Oldest first, one per item; only naming an item again does not undo what was felt about it."""
    named = {mention.item_id: mention for mention in old}
    for mention in new:
        earlier = named.pop(mention.item_id, mention)
        named[mention.item_id] = earlier if mention.polarity is Polarity.NEUTRAL else mention
    return tuple(named.values())


def _without(old: tuple[Constraint, ...], dropped: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
    gone = {(c.facet, c.op, _value(c)) for c in dropped}
    return tuple(c for c in old if (c.facet, c.op, _value(c)) not in gone)


def _constrained(old: tuple[Constraint, ...], new: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
    """Earlier constraints as far as the new ones leave them, then the new ones.

    A value is either wanted or refused, as said last. A value that is now required makes the required ones of
    earlier turns on that facet welcome instead ("a comedy", then "a western"). A required range replaces the
    earlier range of its facet; a preferred one ("newer") only an earlier preference.
    """
    kept = [adjusted for c in old if (adjusted := _left_by(c, new)) is not None]
    return (*kept, *new)


def _left_by(old: Constraint, new: tuple[Constraint, ...]) -> Constraint | None:
    for c in new:
        if c.facet != old.facet or _is_range(c) != _is_range(old):
            continue
        if _is_range(c):
            if c.strength == "must" or old.strength != "must":
                return None
        elif _value(c) == _value(old):
            return None
    required = any(c.facet == old.facet and c.op == "include" and c.strength == "must" for c in new)
    if required and old.op == "include" and old.strength == "must":
        return replace(old, strength="prefer")
    return old


def _is_range(constraint: Constraint) -> bool:
    return constraint.op not in ("include", "exclude")


def _value(constraint: Constraint) -> str:
    return str(constraint.value).casefold()
