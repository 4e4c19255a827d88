"""Owns labelled messages and how well they are understood: one line of JSON each, see `read_messages`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convrec.errors import DataError
from convrec.types import Constraint, Intent, IntentKind, Mention, Polarity


@dataclass(frozen=True, slots=True)
class LabelledMessage:
    """A message and what it means; of the intent, `query` is not labelled."""

    message_id: str
    message: str
    intent: Intent


@dataclass(frozen=True, slots=True)
class Understood:
    """How well messages were understood, all in [0, 1].

    Args:
        kind: Share of messages whose kind is right.
        k: Share of messages whose number of items is right.
        constraints: F1 over (facet, op, value, strength), all messages together.
        wishes: The same without the strength.
        mentions: F1 over the items named.
        polarity: Share of the items rightly found whose polarity is right.
        references: F1 over the ranks of the last slate referred to.
    """

    kind: float
    k: float
    constraints: float
    wishes: float
    mentions: float
    polarity: float
    references: float


def read_messages(file: Path) -> list[LabelledMessage]:
    """Labelled messages: lines of {id, message, kind, k, mentions, constraints, references}.

    Raises:
        DataError: A line is malformed; the message says which.
    """
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(_labelled(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{file}, line {number}: {error!r}; see the README beside the file") from error
    return found


def understood(labelled: Sequence[LabelledMessage], intents: Sequence[Intent]) -> Understood:
    """Compare what was understood with the labels; both in the same order."""
    pairs = [(one.intent, own) for one, own in zip(labelled, intents, strict=True)]
    polarity = [
        (of_label[item_id], of_own[item_id])
        for label, own in pairs
        for of_label, of_own in [(_felt(label), _felt(own))]
        for item_id in of_label.keys() & of_own.keys()
    ]
    return Understood(
        kind=_share(label.kind is own.kind for label, own in pairs),
        k=_share(label.k == own.k for label, own in pairs),
        constraints=_f1((_constraints(label), _constraints(own)) for label, own in pairs),
        wishes=_f1(
            ({c[:3] for c in _constraints(label)}, {c[:3] for c in _constraints(own)}) for label, own in pairs
        ),
        mentions=_f1((set(_felt(label)), set(_felt(own))) for label, own in pairs),
        polarity=_share(label is own for label, own in polarity),
        references=_f1((set(label.references), set(own.references)) for label, own in pairs),
    )


def differences(label: Intent, own: Intent) -> Iterator[str]:
    """In words, where what was understood differs from the label."""
    if label.kind is not own.kind:
        yield f"kind {own.kind}, not {label.kind}"
    if label.k != own.k:
        yield f"k {own.k}, not {label.k}"
    for name, of_label, of_own in (
        ("constraint", _constraints(label), _constraints(own)),
        ("mention", set(_felt(label).items()), set(_felt(own).items())),
        ("reference", set(label.references), set(own.references)),
    ):
        yield from (f"{name} {missing} is missing" for missing in sorted(of_label - of_own))
        yield from (f"{name} {spurious} is wrong" for spurious in sorted(of_own - of_label))


def _labelled(row: dict[str, Any]) -> LabelledMessage:
    return LabelledMessage(
        str(row["id"]),
        str(row["message"]),
        Intent(
            IntentKind(row["kind"]),
            k=row["k"],
            mentions=tuple(
                Mention(str(m["item_id"]), m["title"], Polarity(m["polarity"])) for m in row["mentions"]
            ),
            constraints=tuple(
                Constraint(c["facet"], c["op"], _value(c["value"]), c["strength"]) for c in row["constraints"]
            ),
            references=tuple(int(rank) for rank in row["references"]),
        ),
    )


def _value(told: str | float) -> str | float:
    """As understanding has it: bounds are floats."""
    return told if isinstance(told, str) else float(told)


def _constraints(intent: Intent) -> set[tuple[str, str, str, str]]:
    return {
        (c.facet, c.op, f"{c.value:g}" if isinstance(c.value, int | float) else c.value.casefold(), c.strength)
        for c in intent.constraints
    }


def _felt(intent: Intent) -> dict[str, Polarity]:
    return {mention.item_id: mention.polarity for mention in intent.mentions}


def _share(right: Iterable[bool]) -> float:
    counted = list(right)
    return sum(counted) / len(counted) if counted else 1.0


def _f1(pairs: Iterable[tuple[set[Any], set[Any]]]) -> float:
    hits = total = 0
    for label, own in pairs:
        hits += len(label & own)
        total += len(label) + len(own)
    return 2 * hits / total if total else 1.0
