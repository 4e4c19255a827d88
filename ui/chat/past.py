"""What the API tells the page of conversations that were, as frozen types. Owns no HTTP and no HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ui.views import CardView, Feedback, Json, SlateView, objects


@dataclass(frozen=True, slots=True)
class WishView:
    """A wish on a facet that holds in a conversation."""

    facet: str
    op: str
    value: str | float
    strength: str

    @classmethod
    def read(cls, entry: Json) -> WishView:
        """From an entry of a state's `constraints`."""
        value = entry["value"]
        return cls(
            str(entry["facet"]),
            str(entry["op"]),
            value if isinstance(value, float | int) else str(value),
            str(entry["strength"]),
        )


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation in the list."""

    session_id: str
    title: str
    turns: int

    @classmethod
    def read(cls, entry: Json) -> ConversationView:
        """From an entry of GET /v1/sessions."""
        return cls(str(entry["session_id"]), str(entry["title"]), int(entry["turns"]))


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn of an earlier conversation; `given` is the feedback on its slate that stands."""

    turn_id: str
    message: str
    slate: SlateView | None
    prose: str
    given: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True)
class PastConversation:
    """An earlier conversation, and the wishes that its next turn begins with."""

    session_id: str
    turns: tuple[PastTurn, ...]
    wishes: tuple[WishView, ...]

    @classmethod
    def read(cls, body: Json, shown: Sequence[str]) -> PastConversation:
        """From GET /v1/sessions/{id}."""
        user_id, session_id = str(body["user_id"]), str(body["session_id"])
        return cls(
            session_id=session_id,
            turns=tuple(_past(one, user_id, session_id, shown) for one in objects(body["exchanges"])),
            wishes=tuple(map(WishView.read, objects(body["state"]["constraints"]))),
        )


def _past(told: Json, user_id: str, session_id: str, shown: Sequence[str]) -> PastTurn:
    impression_id = told.get("impression_id")
    slate = None
    if impression_id:
        cards = (CardView.read(entry, shown, rank) for rank, entry in enumerate(objects(told["slate"]), start=1))
        slate = SlateView(
            session_id, str(told["turn_id"]), str(impression_id), tuple(cards), bool(told.get("degraded"))
        )
    given = tuple(
        Feedback(
            str(one["event_id"]),
            user_id,
            str(one["type"]),
            float(one["timestamp"]),
            item_id=str(one["item_id"]),
            session_id=session_id,
            impression_id=impression_id,
        )
        for one in objects(told.get("feedback"))
        if one.get("item_id")
    )
    return PastTurn(str(told["turn_id"]), str(told["message"]), slate, str(told.get("reply") or ""), given)
