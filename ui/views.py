"""What the API tells the page, as frozen types read leniently from JSON. Owns no HTTP and no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Json = Mapping[str, Any]

_LONGEST_EXAMPLE = 24  # characters of a facet value in an example message
_PICTURES = ("image", "picture", "poster", "cover")
_BLANK: tuple[object, ...] = (None, "", [])


@dataclass(frozen=True, slots=True)
class Tongue:
    """What the domain is called in one language; labels by facet and value."""

    noun: str
    plural: str
    labels: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class DomainView:
    """The catalogue's nouns, what its cards show and how large it is.

    Args:
        shown: Names of the attributes on cards, in order.
        example: A short value of a set facet, for an example message; None where there is none.
        tongues: By the code of a language other than English.
    """

    noun: str
    plural: str
    shown: tuple[str, ...]
    items: int
    example: tuple[str, str] | None = None
    tongues: Mapping[str, Tongue] = field(default_factory=dict)

    @classmethod
    def read(cls, body: Json) -> DomainView:
        """From GET /v1/domain."""
        values = [
            (str(facet["name"]), str(value))
            for facet in objects(body.get("facets"))
            if facet.get("type") == "set"
            for value in listed(facet.get("values"))
            if len(str(value)) <= _LONGEST_EXAMPLE
        ]
        return cls(
            noun=str(body["noun"]),
            plural=str(body["plural"]),
            shown=tuple(map(str, listed(body.get("shown")))),
            items=int(body["items"]),
            example=values[0] if values else None,
            tongues={
                str(code): Tongue(str(told["noun"]), str(told["plural"]), told["labels"])
                for code, told in (body.get("tongues") or {}).items()
            },
        )

    def named(self, language: str) -> Tongue:
        """The domain in a language; in English where it has no words of its own in that one."""
        return self.tongues.get(language, Tongue(self.noun, self.plural, {}))

    def label(self, language: str, facet: str, value: str) -> str:
        """A facet's value in a language."""
        return self.named(language).labels.get(facet, {}).get(value, value)


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One fact that supports a recommendation; `effect` is how far the score falls without a history item."""

    kind: str
    facet: str
    value: str
    title: str
    effect: float | None

    @classmethod
    def read(cls, entry: Json) -> EvidenceView:
        """From an entry of `evidence`."""
        told = {name: str(entry.get(name) or "") for name in ("kind", "facet", "value", "title")}
        return cls(**told, effect=None if entry.get("effect") is None else float(entry["effect"]))


@dataclass(frozen=True, slots=True)
class CardView:
    """One recommendation, or an item by itself.

    Args:
        attributes: (name, values as text) of those shown, in order.
        picture: The address of its picture; "" where it has none.
        match: Probability in [0, 1]; None where it is not known (any more).
        interval: Where calibration places match with 95 % confidence; None where it does not say.
    """

    rank: int
    item_id: str
    title: str
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    picture: str = ""
    match: float | None = None
    interval: tuple[float, float] | None = None
    why: str = ""
    evidence: tuple[EvidenceView, ...] = ()

    @classmethod
    def read(cls, entry: Json, shown: Sequence[str], rank: int = 0) -> CardView:
        """From a recommendation or an item; `shown` names the attributes for cards, in order."""
        told: Json = entry["attributes"]
        match, interval = entry.get("match"), entry.get("match_interval")
        return cls(
            rank=int(entry.get("rank") or rank),
            item_id=str(entry["item_id"]),
            title=str(entry["title"]),
            attributes=tuple((name, _texts(told[name])) for name in shown if told.get(name) not in _BLANK),
            picture=next((str(told[name]) for name in _PICTURES if told.get(name) not in _BLANK), ""),
            match=None if match is None else min(1.0, max(0.0, float(match))),
            interval=(float(interval[0]), float(interval[1])) if interval else None,
            why=str(entry.get("why") or ""),
            evidence=tuple(map(EvidenceView.read, objects(entry.get("evidence")))),
        )


@dataclass(frozen=True, slots=True)
class SlateView:
    """The recommendations of a turn, the ids that feedback on them names, and messages that could follow."""

    session_id: str | None
    turn_id: str
    impression_id: str
    cards: tuple[CardView, ...]
    degraded: bool = False
    reason: str = ""
    suggestions: tuple[str, ...] = ()

    @classmethod
    def read(cls, body: Json, shown: Sequence[str]) -> SlateView:
        """From a slate object; `shown` names the attributes for the cards, in order."""
        return cls(
            session_id=body.get("session_id"),
            turn_id=str(body.get("turn_id") or ""),
            impression_id=str(body["impression_id"]),
            cards=tuple(CardView.read(entry, shown) for entry in objects(body["recommendations"])),
            degraded=bool(body.get("degraded")),
            reason=str(body.get("reason") or ""),
            suggestions=tuple(map(str, listed(body.get("suggestions")))),
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the prose."""

    text: str


ChatEvent = SlateView | TextDelta


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


def listed(value: Any) -> list[Any]:
    """A JSON array, or nothing where there is none."""
    return value if isinstance(value, list) else []


def objects(value: Any) -> list[Json]:
    """The objects of a JSON array."""
    return [entry for entry in listed(value) if isinstance(entry, dict)]


def _texts(value: Any) -> tuple[str, ...]:
    """An attribute's values as people read them."""
    values = value if isinstance(value, list) else [value]
    return tuple(f"{one:g}" if isinstance(one, float) else str(one) for one in values)
