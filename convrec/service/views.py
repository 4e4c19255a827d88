"""What convrec shows of its domain types, as JSON-ready models: pure functions of their arguments. Owns no route.

The slate view is one and the same in chat messages, in /v1/recommendations, in the CLI's --json and in the UI.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from convrec.data.catalogue import Catalogue
from convrec.dialogue.evidence import why
from convrec.dialogue.placement import Placement, placed
from convrec.service.requests import SlateReady, UserView
from convrec.types import AttributeValue, Facet, FacetType, Intent, Item, Recommendation

_HISTORY = 50

Attributes = dict[str, AttributeValue]


class View(BaseModel):
    """Something that is shown."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class MentionView(View):
    """An item that the message names."""

    item_id: str
    title: str
    polarity: str


class ConstraintView(View):
    """A wish on a facet."""

    facet: str
    op: str
    value: str | float
    strength: str


class IntentView(View):
    """A message as understood."""

    kind: str
    query: str
    k: int | None
    mentions: tuple[MentionView, ...]
    constraints: tuple[ConstraintView, ...]


class EvidenceView(View):
    """One fact that supports a recommendation."""

    kind: str
    weight: float
    facet: str | None
    value: str | None
    item_id: str | None
    title: str | None
    effect: float | None


class RecommendationView(View):
    """One entry of a slate; `why` says its evidence in one line.

    `match_interval` is where calibration places `match` with 95 % confidence; null where something was asked for,
    because match compares within the slate only then, and where nothing was there to calibrate on.
    """

    rank: int
    item_id: str
    title: str
    attributes: Attributes
    score: float
    match: float
    match_interval: tuple[float, float] | None
    interest: float | None
    retrieval: float
    why: str
    evidence: tuple[EvidenceView, ...]


class ContestView(View):
    """By what versions are compared: a slate of one, or of two; `teams` says which of them put each item there."""

    contest_id: str
    versions: tuple[str, ...]
    teams: tuple[int, ...]


class SlateView(View):
    """A slate as it is shown; in a conversation with messages that could follow."""

    user_id: str
    session_id: str | None
    turn_id: str | None
    impression_id: str
    degraded: bool
    reason: str
    engine: str
    adapter: str | None
    prompt: str
    latency_ms: float
    contest: ContestView | None = None
    intent: IntentView
    recommendations: tuple[RecommendationView, ...]
    suggestions: tuple[str, ...]


class BarView(View):
    """One thing that keeps an item off the slate; `constraint` where it fails one."""

    kind: str
    detail: str
    constraint: ConstraintView | None


class ExplanationView(View):
    """Why an item is on the slate or is not; `why` says its evidence in one line, `answer` where it stands."""

    user_id: str
    session_id: str | None
    item_id: str
    title: str
    shown: bool
    rank: int | None
    score: float
    shown_score: float | None
    interest: float | None
    answer: str
    why: str
    bars: tuple[BarView, ...]
    evidence: tuple[EvidenceView, ...]


class ItemView(View):
    """One item of the catalogue."""

    item_id: str
    title: str
    attributes: Attributes


class TitleView(View):
    """An item by name."""

    item_id: str
    title: str


class HistoryView(TitleView):
    """One item of a history with its signal in [-1, 1]."""

    signal: float
    timestamp: float


class BeliefView(View):
    """What a history implies about one facet value."""

    facet: str
    value: str
    weight: float
    support: int


class ProfileView(View):
    """What is known and believed of a user; `known` is false for one without any history."""

    user_id: str
    known: bool
    history: tuple[HistoryView, ...]
    history_length: int
    liked: tuple[TitleView, ...]
    disliked: tuple[TitleView, ...]
    beliefs: tuple[BeliefView, ...]
    comments: tuple[str, ...]
    saved: tuple[TitleView, ...]


class UserSummary(View):
    """A user of the ledger."""

    user_id: str
    events: int


class UsersView(View):
    """Users of the ledger, most active first."""

    data: tuple[UserSummary, ...]


class FacetView(View):
    """What can be wished of items: values of a set, bounds of a range (none where it holds no number)."""

    name: str
    type: FacetType
    values: tuple[str, ...] | None = None
    bounds: tuple[float, float] | None = None


class TongueView(View):
    """What the domain is called in another language; labels by facet and value."""

    noun: str
    plural: str
    labels: dict[str, dict[str, str]]


class DomainView(View):
    """The catalogue's kind and size; `tongues` by the code of a language."""

    name: str
    noun: str
    plural: str
    verb: str
    past: str
    shown: tuple[str, ...]
    rating_scale: tuple[float, float]
    facets: tuple[FacetView, ...]
    items: int
    tongues: dict[str, TongueView]


def slate_view(ready: SlateReady, catalogue: Catalogue) -> SlateView:
    """A slate with its reasons in words."""
    slate = ready.slate
    return SlateView(
        user_id=ready.user_id,
        session_id=ready.session_id,
        turn_id=ready.turn_id,
        impression_id=ready.impression_id,
        degraded=slate.degraded,
        reason=slate.reason,
        engine=ready.engine,
        adapter=ready.adapter,
        prompt=slate.prompt_hash,
        latency_ms=round(1000 * ready.latency_s, 1),
        contest=ContestView.model_validate(ready.contest) if ready.contest else None,
        intent=IntentView.model_validate(ready.intent),
        recommendations=tuple(_recommendation_view(r, catalogue) for r in slate.recommendations),
        suggestions=ready.suggestions,
    )


def explanation_view(
    user_id: str, session_id: str | None, placement: Placement, catalogue: Catalogue
) -> ExplanationView:
    """Where an item stands, in facts and words."""
    return ExplanationView(
        user_id=user_id,
        session_id=session_id,
        item_id=placement.item.item_id,
        title=placement.item.title,
        shown=placement.is_shown,
        rank=placement.rank,
        score=placement.score,
        shown_score=placement.shown_score,
        interest=placement.interest,
        answer=placed(placement, catalogue),
        why=why(placement.evidence, catalogue.domain, catalogue),
        bars=tuple(BarView.model_validate(bar) for bar in placement.bars),
        evidence=tuple(EvidenceView.model_validate(fact) for fact in placement.evidence),
    )


def understood_view(intent: Intent) -> dict[str, Any]:
    """A message as understood, for programs; `clarification` only where something has to be said."""
    asked = intent.clarification
    return {
        **IntentView.model_validate(intent).model_dump(mode="json"),
        "references": list(intent.references),
        **({"clarification": asked.text} if asked else {}),
    }


def item_view(item: Item) -> ItemView:
    """An item with all its attributes."""
    return ItemView(item_id=item.item_id, title=item.title, attributes=dict(item.attributes))


def profile_view(user: UserView, catalogue: Catalogue) -> ProfileView:
    """A user's profile with titles, the latest of the history first."""
    profile = user.profile
    latest = tuple(reversed(profile.history))[:_HISTORY]
    return ProfileView(
        user_id=profile.user_id,
        known=bool(profile.history or profile.comments),
        history=tuple(
            HistoryView(
                item_id=entry.item_id,
                title=_title(entry.item_id, catalogue),
                signal=entry.signal,
                timestamp=entry.timestamp,
            )
            for entry in latest
        ),
        history_length=len(profile.history),
        liked=_titles(profile.liked, catalogue),
        disliked=_titles(profile.disliked, catalogue),
        beliefs=tuple(BeliefView.model_validate(belief) for belief in user.beliefs),
        comments=profile.comments,
        saved=_titles(profile.saved, catalogue),
    )


def users_view(users: Iterable[tuple[str, int]]) -> UsersView:
    """Users with their number of events."""
    return UsersView(data=tuple(UserSummary(user_id=user_id, events=count) for user_id, count in users))


def domain_view(catalogue: Catalogue) -> DomainView:
    """The domain with what the catalogue holds of every facet."""
    domain = catalogue.domain
    return DomainView(
        name=domain.name,
        noun=domain.noun,
        plural=domain.plural,
        verb=domain.verb,
        past=domain.past,
        shown=domain.shown,
        rating_scale=domain.rating_scale,
        facets=tuple(_facet_view(facet, catalogue) for facet in catalogue.facets),
        items=len(catalogue),
        tongues={code: TongueView.model_validate(tongue) for code, tongue in domain.tongues.items()},
    )


def _recommendation_view(recommendation: Recommendation, catalogue: Catalogue) -> RecommendationView:
    item = recommendation.item
    return RecommendationView(
        rank=recommendation.rank,
        item_id=item.item_id,
        title=item.title,
        attributes=dict(item.attributes),
        score=recommendation.score,
        match=recommendation.match,
        match_interval=recommendation.match_interval,
        interest=recommendation.interest,
        retrieval=recommendation.retrieval,
        why=why(recommendation.evidence, catalogue.domain, catalogue),
        evidence=tuple(EvidenceView.model_validate(fact) for fact in recommendation.evidence),
    )


def _facet_view(facet: Facet, catalogue: Catalogue) -> FacetView:
    if facet.type is FacetType.SET:
        return FacetView(name=facet.name, type=facet.type, values=catalogue.facet_values(facet.name))
    numbers = [number for item in catalogue.values() for number in item.numbers(facet.name)]
    bounds = (min(numbers), max(numbers)) if numbers else None
    return FacetView(name=facet.name, type=facet.type, bounds=bounds)


def _titles(item_ids: Sequence[str], catalogue: Catalogue) -> tuple[TitleView, ...]:
    return tuple(title_view(item_id, catalogue) for item_id in item_ids)


def shown_view(item_id: str, catalogue: Catalogue) -> ItemView:
    """An item that was shown, whether or not the catalogue still has it."""
    item = catalogue.get(item_id)
    return item_view(item) if item else ItemView(item_id=item_id, title=item_id, attributes={})


def title_view(item_id: str, catalogue: Catalogue) -> TitleView:
    """An item by name, whether or not the catalogue still has it."""
    return TitleView(item_id=item_id, title=_title(item_id, catalogue))


def _title(item_id: str, catalogue: Catalogue) -> str:
    """The ledger outlives the catalogue: an item that left it is called by its id."""
    item = catalogue.get(item_id)
    return item.title if item else item_id
