"""What the API tells the page, as frozen types read leniently from JSON. Owns no HTTP and no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Json = Mapping[str, Any]

_LONGEST_EXAMPLE = 24  # characters of a facet value in an example message
_BLANK: tuple[object, ...] = (None, "", [])


@dataclass(frozen=True, slots=True)
class DomainView:
    """The catalogue's nouns, and example messages about what it holds."""

    noun: str
    plural: str
    shown: tuple[str, ...]
    items: int
    examples: tuple[str, ...] = ()

    @classmethod
    def read(cls, body: Json) -> DomainView:
        """From GET /v1/domain."""
        plural = str(body["plural"])
        values = [
            str(value)
            for facet in _objects(body.get("facets"))
            if facet.get("type") == "set"
            for value in _list(facet.get("values"))
            if len(str(value)) <= _LONGEST_EXAMPLE
        ]
        examples = [f"Recommend some {plural}", *(f"{value} {plural}, please" for value in values[:1])]
        return cls(
            noun=str(body["noun"]),
            plural=plural,
            shown=tuple(map(str, _list(body.get("shown")))),
            items=int(body["items"]),
            examples=(*examples, f"Show me 10 {plural}"),
        )


@dataclass(frozen=True, slots=True)
class CardView:
    """One recommendation; `match` is a probability in [0, 1], `attributes` are those shown, as text."""

    rank: int
    item_id: str
    title: str
    attributes: tuple[str, ...]
    match: float
    why: str


@dataclass(frozen=True, slots=True)
class SlateView:
    """The recommendations of a turn and the ids that feedback on them names."""

    session_id: str | None
    impression_id: str
    cards: tuple[CardView, ...]
    degraded: bool = False
    reason: str = ""

    @classmethod
    def read(cls, body: Json, shown: Sequence[str]) -> SlateView:
        """From a slate object; `shown` names the attributes for the cards, in order."""
        cards = tuple(
            CardView(
                rank=int(entry["rank"]),
                item_id=str(entry["item_id"]),
                title=str(entry["title"]),
                attributes=tuple(
                    _text(value) for name in shown if (value := entry["attributes"].get(name)) not in _BLANK
                ),
                match=min(1.0, max(0.0, float(entry["match"]))),
                why=str(entry.get("why") or ""),
            )
            for entry in _objects(body["recommendations"])
        )
        return cls(
            session_id=body.get("session_id"),
            impression_id=str(body["impression_id"]),
            cards=cards,
            degraded=bool(body.get("degraded")),
            reason=str(body.get("reason") or ""),
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the prose."""

    text: str


ChatEvent = SlateView | TextDelta


@dataclass(frozen=True, slots=True)
class BeliefView:
    """What follows from the history about one facet value: weight in [-1, 1], supported by `support` items."""

    facet: str
    value: str
    weight: float
    support: int


@dataclass(frozen=True, slots=True)
class PersonView:
    """What the system knows and believes about a person; titles are latest first."""

    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    beliefs: tuple[BeliefView, ...] = ()
    comments: tuple[str, ...] = ()
    history_length: int = 0

    @classmethod
    def read(cls, body: Json) -> PersonView:
        """From GET /v1/users/{id}."""
        beliefs = tuple(
            BeliefView(str(entry["facet"]), str(entry["value"]), float(entry["weight"]), int(entry["support"]))
            for entry in _objects(body.get("beliefs"))
        )
        return cls(
            liked=tuple(str(entry["title"]) for entry in _objects(body.get("liked"))),
            disliked=tuple(str(entry["title"]) for entry in _objects(body.get("disliked"))),
            beliefs=beliefs,
            comments=tuple(map(str, _list(body.get("comments")))),
            history_length=int(body.get("history_length") or 0),
        )


@dataclass(frozen=True, slots=True)
class Feedback:
    """One feedback event as POST /v1/feedback takes it; `timestamp` in seconds since the epoch.

    The same object sent twice is stored once: its event_id and timestamp are fixed when the button is pressed.
    """

    event_id: str
    user_id: str
    type: str
    timestamp: float
    item_id: str | None = None
    retracts: str | None = None
    session_id: str | None = None
    impression_id: str | None = None

    def body(self) -> dict[str, Any]:
        """The request body: the fields that are set."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def _list(value: Any) -> list[Any]:
    """A JSON array, or nothing where there is none."""
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[Json]:
    """The objects of a JSON array."""
    return [entry for entry in _list(value) if isinstance(entry, dict)]


def _text(value: Any) -> str:
    """An attribute as people read it."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
