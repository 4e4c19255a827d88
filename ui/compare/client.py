"""CompareClient: what a comparison asks of the API, and what it is told. Owns HTTP alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ui.client import ApiClient

Json = Mapping[str, Any]

_PARENT = "convrec"
K = 6  # items on a slate


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a slate; `team`: which version put it there, 0 or 1, on a mixed one."""

    item_id: str
    title: str
    why: str
    team: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A slate that is compared, and what was said about it.

    Args:
        versions: Names of what made it; none where it compares nothing, for it degraded.
    """

    impression_id: str
    versions: tuple[str, ...]
    entries: tuple[Entry, ...]
    prose: str = ""
    degraded: bool = False

    @classmethod
    def read(cls, slate: Json, prose: str = "") -> Answer:
        """From a slate of the API."""
        contest = slate["contest"] or {"versions": (), "teams": ()}
        shown = slate["recommendations"]
        teams = contest["teams"] or [None] * len(shown)
        return cls(
            impression_id=str(slate["impression_id"]),
            versions=tuple(map(str, contest["versions"])),
            entries=tuple(
                Entry(str(of["item_id"]), str(of["title"]), str(of["why"]), team)
                for of, team in zip(shown, teams, strict=True)
            ),
            prose=prose,
            degraded=bool(slate["degraded"]),
        )


class CompareClient(ApiClient):
    """An ApiClient that asks two versions."""

    async def versions(self) -> tuple[str, ...]:
        """The names of what can be compared."""
        return await self._call("GET", "/v1/models", _read_versions)

    async def answer(self, model: str, message: str, user_id: str, contest: str) -> Answer:
        """The whole answer of one version, one side of a contest."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": message}],
            "convrec": {"user_id": user_id, "contest": contest, "k": K},
        }
        return await self._call("POST", "/v1/chat/completions", _read_answer, json=body)

    async def mixed(self, models: tuple[str, str], query: str, user_id: str) -> Answer:
        """One slate of two versions."""
        body = {"user_id": user_id, "query": query, "k": K, "interleave": list(models)}
        return await self._call("POST", "/v1/recommendations", Answer.read, json=body)


def _read_versions(body: Json) -> tuple[str, ...]:
    return tuple(str(card["id"]) for card in body["data"] if card["parent"] == _PARENT)


def _read_answer(body: Json) -> Answer:
    message = body["choices"][0]["message"]
    return Answer.read(message["convrec"], str(message["content"] or ""))
