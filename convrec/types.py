"""The frozen domain types that travel between stages. They hold data and own no behaviour beyond look-ups.

Timestamps are seconds since the Unix epoch, UTC. Scores are unit-free unless a docstring gives an interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Literal

AttributeValue = str | int | float | bool | tuple[str, ...]


def as_number(value: str | int | float | bool) -> float | None:
    """A value as a finite number; None where it is none."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if isfinite(number) else None


# --- catalogue and domain ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the operator's catalogue.

    Args:
        item_id: The operator's own identifier.
        title: What a person calls the item.
        attributes: Everything else; a tuple is a multi-valued attribute.
    """

    item_id: str
    title: str
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    def values(self, attribute: str) -> tuple[str | int | float | bool, ...]:
        """All values of an attribute as a tuple; empty where the item has none."""
        value = self.attributes.get(attribute, ())
        return value if isinstance(value, tuple) else (value,)

    def numbers(self, attribute: str) -> tuple[float, ...]:
        """The finite numbers among an attribute's values, text that spells one included; others are left out."""
        return tuple(number for value in self.values(attribute) if (number := as_number(value)) is not None)


class FacetType(StrEnum):
    """How a facet is constrained: by membership or by an interval."""

    SET = "set"
    RANGE = "range"


@dataclass(frozen=True, slots=True)
class Facet:
    """An attribute that people constrain in words.

    Args:
        name: What constraints call it; also the key of the attribute it reads.
        type: Set or range.
        words: For a set facet, value -> words that ask for it ("funny" for Comedy); values themselves always do.
        more: For a range facet, words that ask for larger values ("newer").
        less: For a range facet, words that ask for smaller values ("older").
    """

    name: str
    type: FacetType
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tongue:
    """What a domain is called in another language.

    Args:
        noun, plural: Of an item.
        labels: facet -> value -> the word for it.
        moves: Range facet -> the words that ask for larger and for smaller values.
    """

    noun: str
    plural: str
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    moves: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Domain:
    """A catalogue's kind: its nouns, verbs, shown attributes and facets. Read from prompts/domains/NAME.toml.

    Args:
        name: The file's name.
        noun: Singular ("film").
        plural: Plural ("films").
        verb: What one does with an item ("watch").
        past: Its past participle ("watched").
        shown: Attributes shown on cards and in prompts, in order.
        facets: What can be constrained.
        rating_scale: Lowest and highest rating of the interactions, for the map to [0, 1].
        infer_facets: Take facets from the catalogue's attributes as well (numbers: range; few values: set).
        tongues: Language code -> what all this is called there; its words ask for values like the facets' own.
    """

    name: str
    noun: str
    plural: str
    verb: str
    past: str
    shown: tuple[str, ...]
    facets: tuple[Facet, ...]
    rating_scale: tuple[float, float]
    infer_facets: bool = False
    tongues: Mapping[str, Tongue] = field(default_factory=dict)


# --- ledger events -----------------------------------------------------------------------------------------


class FeedbackType(StrEnum):
    """What a person can do with an item (COMMENT may lack one; RETRACTION takes an earlier event back)."""

    CLICK = "click"
    LIKE = "like"
    DISLIKE = "dislike"
    RATING = "rating"
    PURCHASE = "purchase"
    SEEN = "seen"
    NOT_INTERESTED = "not_interested"
    SAVE = "save"
    COMMENT = "comment"
    RETRACTION = "retraction"
    PREFER = "prefer"
    TIE = "tie"


@dataclass(frozen=True, slots=True)
class FeedbackEvent:
    """One thing a person did; imported interactions are feedback events too.

    Args:
        event_id: Chosen by the client or derived from the row; the key of idempotency.
        rating: On the domain's scale; only for RATING.
        text: Only for COMMENT.
        retracts: The event_id taken back; only for RETRACTION.
        session_id, impression_id: Where it happened, when it happened in a conversation. PREFER names the slate
            that is better than the one it was shown beside, TIE one of two that are as good (Contest).
    """

    event_id: str
    user_id: str
    type: FeedbackType
    timestamp: float
    item_id: str | None = None
    rating: float | None = None
    text: str | None = None
    retracts: str | None = None
    session_id: str | None = None
    impression_id: str | None = None


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """What a person said and how it was understood."""

    event_id: str
    user_id: str
    session_id: str
    timestamp: float
    message: str
    intent: Intent


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """One candidate of an impression as it was scored: retrieval score, f or None (degraded), blended score."""

    item_id: str
    retrieval: float
    interest: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Contest:
    """A slate by which versions are compared.

    Args:
        contest_id: Shared by the slates that answer the same message side by side.
        versions: Names of what made it: one, or two where they are mixed in one slate.
        teams: Of each item of a mixed slate, which of the two put it there, 0 or 1; empty otherwise.
    """

    contest_id: str
    versions: tuple[str, ...]
    teams: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ImpressionEvent:
    """A slate that is about to be shown: appended before the reply streams.

    Args:
        turn_id: event_id of the turn; None for a recommendation without conversation.
        slate: item_ids shown, best first.
        candidates: All that were scored, best first.
        prompt_hash: Hash of the ranking prompt version and the rendered prefix.
        adapter: Adapter version name, None for the base model.
        latency_s: Seconds from request to slate.
        contest: Where versions are compared by it; `candidates` and `prompt_hash` of a mixed one are the first's.
    """

    event_id: str
    user_id: str
    session_id: str | None
    turn_id: str | None
    timestamp: float
    slate: tuple[str, ...]
    candidates: tuple[ScoredCandidate, ...]
    prompt_hash: str
    engine: str
    adapter: str | None
    degraded: bool
    latency_s: float
    contest: Contest | None = None


@dataclass(frozen=True, slots=True)
class ReplyEvent:
    """The prose that followed an impression, as far as it was streamed; latency_s counts from the request."""

    event_id: str
    user_id: str
    session_id: str
    turn_id: str
    timestamp: float
    text: str
    latency_s: float


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A person gave a session a name; the latest counts."""

    event_id: str
    user_id: str
    session_id: str
    timestamp: float
    title: str


@dataclass(frozen=True, slots=True)
class ErasureEvent:
    """Everything of a user was removed.

    Args:
        user_id: A mark that stands for the user (ledger.marks), not their id.
        salt: Of the mark.
        events: How many were removed.
        adapters: Labels of the adapter versions that had learned from them.
    """

    event_id: str
    user_id: str
    timestamp: float
    salt: str
    events: int
    adapters: tuple[str, ...] = ()


Event = FeedbackEvent | TurnEvent | ImpressionEvent | ReplyEvent | SessionEvent | ErasureEvent


# --- profile -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One item of a user's history.

    Args:
        signal: How much it counts as a predictor of the next one, in [-1, 1]; negative is rejected.
        opinion: What the user thought of it, in [0, 1]; None where they did not say.
    """

    item_id: str
    signal: float
    timestamp: float
    opinion: float | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What the ledger says of a user, after retractions.

    Args:
        history: Oldest first, one entry per item (its latest feedback).
        liked, disliked: item_ids, latest first.
        excluded: Everything that must not be recommended again (consumed, liked, saved or rejected).
        saved: item_ids kept for later, latest first.
    """

    user_id: str
    history: tuple[HistoryEntry, ...] = ()
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()
    comments: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Belief:
    """What a profile implies about one facet value: weight in [-1, 1], supported by `support` items."""

    facet: str
    value: str
    weight: float
    support: int


# --- dialogue ----------------------------------------------------------------------------------------------


class IntentKind(StrEnum):
    """What a message wants."""

    RECOMMEND = "recommend"
    REFINE = "refine"
    FEEDBACK = "feedback"
    ASK_ITEM = "ask_item"
    WHY = "why"
    COMPARE = "compare"
    SMALL_TALK = "small_talk"
    OUT_OF_SCOPE = "out_of_scope"


class Polarity(StrEnum):
    """How a message feels about an item that it names."""

    LIKED = "liked"
    DISLIKED = "disliked"
    SEEN = "seen"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Mention:
    """A catalogue item that a message names."""

    item_id: str
    title: str
    polarity: Polarity


Op = Literal["include", "exclude", ">=", "<=", ">", "<"]
Strength = Literal["must", "prefer", "avoid"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A wish on a facet: include/exclude a value of a set, or bound a range.

    Args:
        strength: `must` holds for every item shown; `prefer` and `avoid` (with exclude) only move the order.
        either: One of the included values of the facet that are marked so is enough ("a comedy or a western").
    """

    facet: str
    op: Op
    value: str | float
    strength: Strength
    either: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """An earlier wish that no longer holds: on one value of a facet, on all of it, or, without a facet, on all."""

    facet: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Clarification:
    """What is said where the constraints leave no item of the catalogue.

    Args:
        text: One sentence: what cannot be had, and what could be instead.
        constraints: All that would hold instead; a "yes" takes them.
        asks: Whether it is a question, so that nothing is relaxed before it is answered.
    """

    text: str
    constraints: tuple[Constraint, ...]
    asks: bool


@dataclass(frozen=True, slots=True)
class Intent:
    """A message as understood.

    Args:
        query: What is left for text retrieval.
        k: The number of items asked for, if any.
        mentions: Items that it names, those of the last slate that it refers to included.
        references: Ranks of the last slate that it refers to, from 1.
        critiques: Where to move from what was shown ("newer"): like `prefer` constraints, without a bound named.
        toward, away: Words to move along in text ("darker", "less violent").
        drops: Earlier wishes that it takes back; `undo` takes back those of the turn before.
        lists: It asks what has been wished so far.
        others: It asks for other items than those shown.
        dropped: The same, taken back without words.
        reset: It starts the conversation anew.
    """

    kind: IntentKind
    query: str = ""
    k: int | None = None
    mentions: tuple[Mention, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    reset: bool = False
    dropped: tuple[Constraint, ...] = ()
    references: tuple[int, ...] = ()
    critiques: tuple[Constraint, ...] = ()
    toward: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    drops: tuple[Drop, ...] = ()
    undo: bool = False
    lists: bool = False
    others: bool = False
    clarification: Clarification | None = None


@dataclass(frozen=True, slots=True)
class SessionState:
    """What a conversation has established so far; a pure fold over its intents and slates (dialogue.state).

    Args:
        toward, away: Words that text retrieval moves to, beside the query, and away from.
        undone: The constraints as they were before the latest change, which "undo" goes back to.
        asked: The question that the latest turn ended in.
        slate: item_ids of the latest slate, best first.
        passed: item_ids that were shown when others were asked for.
    """

    query: str = ""
    k: int | None = None
    mentions: tuple[Mention, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    turns: int = 0
    toward: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    undone: tuple[Constraint, ...] = ()
    asked: Clarification | None = None
    slate: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()


# --- retrieval and ranking ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetrievalQuery:
    """What a retriever looks for.

    Args:
        text: Free text; empty when there is none.
        history: The user's history, oldest first.
        seeds: item_id -> weight for items that this conversation named ("like Alien": +1, "not Alien": -1).
        constraints: `must` filters; `prefer` and `avoid` move scores.
        exclude: item_ids that must not be returned.
        away: Words that items should not be like.
        now: Seconds since the epoch; the moment of the history's latest entry where None.
    """

    text: str = ""
    history: tuple[HistoryEntry, ...] = ()
    seeds: Mapping[str, float] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    exclude: frozenset[str] = frozenset()
    away: str = ""
    now: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One retrieved item.

    Args:
        score: Fused, what orders candidates.
        parts: What it was made of: name -> value.
        expected: What the person is expected to think of it, as its place among all such expectations, in [0, 1];
            None where nobody has said anything of it.
    """

    item_id: str
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
    expected: float | None = None


class EvidenceKind(StrEnum):
    """Where a reason comes from."""

    ATTRIBUTE = "attribute"
    HISTORY = "history"
    REQUEST = "request"
    POPULARITY = "popularity"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact that supports a recommendation.

    Args:
        kind: ATTRIBUTE (facet and value that the item has and that was asked for or is liked), HISTORY (item_id
            and title of a history item that carries the score), REQUEST (words of the message found in the item),
            POPULARITY (value: how many people have it in their history).
        weight: How much it carries, comparable within one recommendation.
        effect: Of HISTORY: how far the score falls without the item, or its Shapley value.
    """

    kind: EvidenceKind
    weight: float
    facet: str | None = None
    value: str | None = None
    item_id: str | None = None
    title: str | None = None
    effect: float | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One entry of a slate.

    Args:
        rank: 1 is best.
        score: The blended score that ordered it.
        match: Probability in [0, 1] that the user wants it, calibrated on held-out events without a request; with
            one it compares within the slate only.
        interest: The LLM's f(u, i) in [0, 1]; None when degraded.
        retrieval: The retriever's fused score.
        match_interval: Where the calibration places `match` with 95 % confidence; None with a request, and
            where nothing was there to calibrate on.
    """

    item: Item
    rank: int
    score: float
    match: float
    interest: float | None
    retrieval: float
    evidence: tuple[Evidence, ...] = ()
    match_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Slate:
    """What is shown, and everything that was scored for it.

    Args:
        recommendations: Best first, no item twice, all among the candidates.
        scored: Every candidate with its scores, best first.
        degraded: True when the LLM could not score and retrieval alone ordered the slate.
        reason: Why it is degraded; empty otherwise.
        adapter: Name of the adapter version that was asked; None for the base model.
        teams: Of a slate that two versions made, which put each item there, 0 or 1.
    """

    recommendations: tuple[Recommendation, ...]
    scored: tuple[ScoredCandidate, ...] = ()
    degraded: bool = False
    reason: str = ""
    prompt_hash: str = ""
    adapter: str | None = None
    teams: tuple[int, ...] = ()
