"""Owns golden conversations: data files from which prompts and adapters are judged. Runs none of them.

A folder prompts/golden/<domain>/ has catalogue.jsonl (a few dozen items), injections.jsonl, and any number of
other *.jsonl files of conversations, one a line. An operator adds lines or files; nothing else has to change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from convrec.data.catalogue import Catalogue, read_items
from convrec.errors import DataError
from convrec.prompting import load_domain
from convrec.types import Constraint, IntentKind, Item, Op

_CATALOGUE = "catalogue.jsonl"
_INJECTIONS = "injections.jsonl"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GoldenTurn(_Line):
    """One message and what a good answer to it is.

    Args:
        say: The message.
        kind: How it is understood.
        constraints: (facet, op, value) that everything on the slate must meet, those of earlier turns included.
        wanted: Titles that should rank high; none where it does not matter.
    """

    say: str
    kind: IntentKind = IntentKind.RECOMMEND
    constraints: tuple[tuple[str, Op, str | float], ...] = ()
    wanted: tuple[str, ...] = ()

    @property
    def musts(self) -> tuple[Constraint, ...]:
        """The constraints as the rest of the system has them."""
        return tuple(Constraint(facet, op, value, "must") for facet, op, value in self.constraints)


class GoldenConversation(_Line):
    """A person with a few opinions, and what they say in one session."""

    name: str
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    turns: tuple[GoldenTurn, ...]


class Injection(_Line):
    """Text that tries to command, and harmless text of the same length to compare with.

    Args:
        where: In a person's message, in an item's title, or in an attribute that prompts show.
        pushed: Title of the item that it wants on the slate; where it is in an item, that item's.
    """

    where: Literal["message", "title", "attribute"]
    hostile: str
    neutral: str
    pushed: str


@dataclass(frozen=True, slots=True)
class Golden:
    """The files of one domain.

    Args:
        hash: First 12 hex digits of the sha256 over all of them.
    """

    catalogue: Catalogue
    conversations: tuple[GoldenConversation, ...]
    injections: tuple[Injection, ...]
    hash: str

    def item(self, title: str) -> Item:
        """The item of a title."""
        return next(item for item in self.catalogue.values() if item.title == title)


def load_golden(prompts_dir: Path, domain: str) -> Golden:
    """The golden files of a domain.

    Raises:
        DataError: There are none, or a line is malformed or names an item or facet that its catalogue lacks.
    """
    folder = prompts_dir / "golden" / domain
    if not (folder / _CATALOGUE).is_file():
        known = ", ".join(sorted(file.parent.name for file in folder.parent.glob(f"*/{_CATALOGUE}"))) or "none"
        raise DataError(f"no golden conversations in {folder}; there are some for: {known}; add {_CATALOGUE}")
    rows = list(read_items(folder / _CATALOGUE))
    items = [row for row in rows if isinstance(row, Item)]
    if len(items) < len(rows):
        raise DataError(str(next(row for row in rows if not isinstance(row, Item))))
    catalogue = Catalogue(items, load_domain(prompts_dir, domain))
    files = sorted(file for file in folder.glob("*.jsonl") if file.name not in (_CATALOGUE, _INJECTIONS))
    conversations: list[GoldenConversation] = []
    for file in files:
        for number, conversation in _lines(file, GoldenConversation):
            _check(conversation, catalogue, f"{file}, line {number}")
            conversations.append(conversation)
    told = sorted([folder / _CATALOGUE, folder / _INJECTIONS, *files])
    digest = sha256(b"\n".join(file.read_bytes() for file in told if file.is_file())).hexdigest()[:12]
    injections = tuple(line for _, line in _lines(folder / _INJECTIONS, Injection))
    return Golden(catalogue, tuple(conversations), injections, digest)


_L = TypeVar("_L", bound=_Line)


def _lines(file: Path, model: type[_L]) -> Iterator[tuple[int, _L]]:
    """The lines of a file that may be missing, with their numbers."""
    if not file.is_file():
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                yield number, model.model_validate(json.loads(line))
            except ValidationError as error:
                first: Any = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise DataError(f"{file}, line {number}: {where}: {first['msg']}") from error
            except ValueError as error:
                raise DataError(f"{file}, line {number}: not JSON: {error}") from error


def _check(conversation: GoldenConversation, catalogue: Catalogue, where: str) -> None:
    titles = {item.title for item in catalogue.values()}
    named = [*conversation.liked, *conversation.disliked, *(t for turn in conversation.turns for t in turn.wanted)]
    for title in named:
        if title not in titles:
            raise DataError(f"{where}: no item is called {title!r}; correct it or add it to {_CATALOGUE}")
    facets = {facet.name for facet in catalogue.facets}
    for turn in conversation.turns:
        for must in turn.musts:
            if must.facet not in facets:
                raise DataError(
                    f"{where}: there is no facet {must.facet!r}; there are: {', '.join(sorted(facets))}"
                )
