"""Owns reading ReDial, conversations about films, in the form released for the evaluation of zero-shot LLMs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError
from convrec.evaluation.datasets.base import ConversationTurn, Dataset
from convrec.types import AttributeValue, Domain, Item

_SOURCE = (
    "Li et al. 2018, 'Towards Deep Conversational Recommendations' (ReDial), CC BY 4.0; films and masks of "
    "Wang et al. 2023, 'Rethinking the Evaluation for Conversational Recommendation in the Era of LLMs'."
)
_LISTS = ("genre", "director", "star")


def read_redial(folder: Path, domain: Domain) -> Dataset:
    """ReDial's validation turns to learn from and its test turns to be judged on.

    An item is a film's name, under the id of its first description: 6,583 descriptions carry 6,576 names, and
    turns refer to names. Films recommended that were named before in their conversation are no targets; the
    notes count them (test: 4,499 recommendations, 463 named before, 4,036 left).

    Args:
        folder: With id2info.json, evaluation/valid_data_processed.jsonl and evaluation/test_data_processed.jsonl.
        domain: `movies`; what is shown of a film is replaced.

    Raises:
        DataError: A file is missing or not what it should be.
    """
    ids: dict[str, str] = {}
    items: list[Item] = []
    described = _described(folder / "id2info.json")
    for item_id, told in described.items():
        if told["name"] not in ids:
            ids[told["name"]] = item_id
            items.append(_item(item_id, told))
    shown = replace(domain, shown=("genre", "director", "star"))
    notes = [f"{len(described)} descriptions, {len(ids)} names"]
    learn, test = (
        list(_turns(folder / "evaluation" / f"{part}_data_processed.jsonl", ids, notes))
        for part in ("valid", "test")
    )
    return Dataset("redial", Catalogue(items, shown), (), learn, test, _SOURCE, tuple(notes))


def _item(item_id: str, told: dict[str, Any]) -> Item:
    attributes: dict[str, AttributeValue] = {name: tuple(told[name]) for name in _LISTS if told.get(name)}
    if told.get("plot"):
        attributes["plot"] = str(told["plot"])
    name = str(told["name"])
    if name.endswith(")") and name[-6:-5] == "(" and name[-5:-1].isdigit():
        attributes["year"] = int(name[-5:-1])
    return Item(item_id, name, attributes)


def _turns(file: Path, ids: dict[str, str], notes: list[str]) -> Iterator[ConversationTurn]:
    recommended = named_before = unknown = 0
    for told in _lines(file):
        named = dict.fromkeys(ids[name] for name in told["entity"] if name in ids)
        known = [ids[name] for name in dict.fromkeys(told["rec"]) if name in ids]
        fresh = tuple(item_id for item_id in known if item_id not in named)
        recommended += len(told["rec"])
        unknown += len(told["rec"]) - len(known)
        named_before += len(known) - len(fresh)
        utterances = tuple(said for said in told["context"] if said)
        yield ConversationTurn(str(told["dialog_id"]), utterances, tuple(named), fresh)
    notes.append(
        f"{file.name}: {recommended} recommendations, {unknown} of no described film or twice, "
        f"{named_before} named before, {recommended - unknown - named_before} targets"
    )


def _described(file: Path) -> dict[str, dict[str, Any]]:
    try:
        films: dict[str, dict[str, Any]] = json.loads(_text(file))
        for told in films.values():
            told["name"]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise DataError(f"{file} does not hold films by id, each with its name: {error!r}") from error
    return films


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    # Not splitlines(): JSON text may hold line separators of Unicode as they are.
    for number, line in enumerate(_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            told: dict[str, Any] = json.loads(line)
            told["dialog_id"], told["entity"], told["rec"], told["context"]
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{file}, line {number}: {error!r}") from error
        yield told


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{file} is missing; name the folder that holds it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {file}: {error}") from error
