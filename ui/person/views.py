"""What the API tells the page of a person, as frozen types read leniently from JSON. Owns no HTTP and no HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ui.views import Json, listed, objects


@dataclass(frozen=True, slots=True)
class BeliefView:
    """What follows from the history about one facet value: weight in [-1, 1], supported by `support` items."""

    facet: str
    value: str
    weight: float
    support: int


@dataclass(frozen=True, slots=True)
class Named:
    """An item by name."""

    item_id: str
    title: str


@dataclass(frozen=True, slots=True)
class PersonView:
    """What the system knows and believes about a person; items are latest first."""

    liked: tuple[Named, ...] = ()
    disliked: tuple[Named, ...] = ()
    saved: tuple[Named, ...] = ()
    beliefs: tuple[BeliefView, ...] = ()
    comments: tuple[str, ...] = ()
    history_length: int = 0

    def opinions(self, group: str) -> tuple[Named, ...]:
        """The items of a group: liked, disliked or saved."""
        return {"liked": self.liked, "disliked": self.disliked, "saved": self.saved}[group]

    @classmethod
    def read(cls, body: Json) -> PersonView:
        """From GET /v1/users/{id}."""
        beliefs = tuple(
            BeliefView(str(entry["facet"]), str(entry["value"]), float(entry["weight"]), int(entry["support"]))
            for entry in objects(body.get("beliefs"))
        )
        return cls(
            liked=_named(body.get("liked")),
            disliked=_named(body.get("disliked")),
            saved=_named(body.get("saved")),
            beliefs=beliefs,
            comments=tuple(map(str, listed(body.get("comments")))),
            history_length=int(body.get("history_length") or 0),
        )


@dataclass(frozen=True, slots=True)
class ImportView:
    """What became of the rows of a history; `bad` are (row, reason)."""

    stored: int
    duplicates: int
    bad: tuple[tuple[int, str], ...]

    @classmethod
    def read(cls, body: Json) -> ImportView:
        """From POST /v1/users/{id}/history."""
        bad = tuple((int(row["row"]), str(row["reason"])) for row in objects(body.get("bad")))
        return cls(int(body["stored"]), int(body["duplicates"]), bad)


def _named(value: Any) -> tuple[Named, ...]:
    return tuple(Named(str(entry["item_id"]), str(entry["title"])) for entry in objects(value))
