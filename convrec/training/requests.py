"""Owns what a text embedder learns from: pairs of a request and the item that it asks for. Trains nothing."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue, written
from convrec.evaluation.base import Case, Task
from convrec.evaluation.datasets.base import ConversationTurn, Dataset
from convrec.evaluation.protocols import spoken
from convrec.types import FacetType, FeedbackEvent, RetrievalQuery

_OPENINGS = (
    "",
    "something ",
    "a ",
    "I am looking for ",
    "can you recommend a ",
    "do you know any ",
    "in the mood for ",
)
_MIN_SAID = 20
"""Characters before an item is named; "Hi!" asks for nothing."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A request and an item that it is for.

    Args:
        text: What was said.
        item_id: What was wanted.
        related: Items that are no counter-examples: wanted as well, or named.
    """

    text: str
    item_id: str
    related: frozenset[str]


def conversation_pairs(cases: Iterable[Case]) -> list[Pair]:
    """One pair per target of recorded conversations."""
    return [
        Pair(case.query.text, target, frozenset({*case.targets, *case.query.seeds}))
        for case in cases
        for target in case.targets
    ]


def mention_pairs(turns: Iterable[ConversationTurn], catalogue: Catalogue) -> list[Pair]:
    """A pair per item when it is first named by its title: what was said before asks for it as well.

    Args:
        turns: Of whole conversations, each in order.
        catalogue: Whose titles are looked for.
    """
    last = {turn.dialog_id: turn for turn in turns}
    pairs = []
    for turn in last.values():
        related = frozenset({*turn.named, *turn.recommended})
        new = dict.fromkeys(turn.named)
        for place, said in enumerate(turn.utterances):
            text = spoken(turn.utterances[:place])
            named = [item_id for item_id in new if catalogue[item_id].title in said]
            if len(text) > _MIN_SAID:
                pairs += [Pair(text, item_id, related) for item_id in named]
            for item_id in named:
                del new[item_id]
    return pairs


def learned_pairs(
    talks: Dataset, task: Task, without: Collection[str] = (), *, all_of_it: bool = False
) -> list[Pair]:
    """What a task of the conversation protocol lets an embedder learn from: targets and mentions, each once.

    Args:
        talks: The task's data set.
        task: Says which conversations are learned from.
        without: Conversations that are left out.
        all_of_it: Those that it judges by as well.
    """
    cases = [*task.examples, *(task.cases if all_of_it else ())]
    units = {case.unit for case in cases} - {*without}
    pairs = conversation_pairs(case for case in cases if case.unit in units)
    mentions = mention_pairs((turn for turn in talks.learn if turn.dialog_id in units), task.catalogue)
    known = {(pair.text, pair.item_id) for pair in pairs}
    return pairs + [pair for pair in mentions if (pair.text, pair.item_id) not in known]


def catalogue_pairs(catalogue: Catalogue, per_item: int = 2, seed: int = 0) -> list[Pair]:
    """Request-like text made from the items themselves, where nobody's conversations are known.

    A request names up to three of an item's facet values in people's own words ("funny, romantic film from 1995");
    items that share all of them are no counter-examples.

    Args:
        catalogue: Whose facets give the words.
        per_item: Requests per item that has facet values.
        seed: The same seed gives the same requests.
    """
    source = random.Random(seed)
    noun = catalogue.domain.noun
    having: dict[tuple[str, str], set[str]] = {}
    for item_id, item in catalogue.items():
        for facet in catalogue.facets:
            for value in item.values(facet.name):
                having.setdefault((facet.name, written(value)), set()).add(item_id)
    pairs = []
    for item_id, item in catalogue.items():
        sets, ranges = (
            [
                (facet, written(value))
                for facet in catalogue.facets
                if facet.type is kind
                for value in item.values(facet.name)
            ]
            for kind in (FacetType.SET, FacetType.RANGE)
        )
        for _ in range(per_item if sets else 0):
            told = source.sample(sets, min(len(sets), source.randint(1, 2)))
            words = [source.choice((value, *facet.words.get(value, ()))).lower() for facet, value in told]
            text = f"{source.choice(_OPENINGS)}{', '.join(words)} {noun}"
            if ranges and source.random() < 0.3:
                facet, value = source.choice(ranges)
                told.append((facet, value))
                text += f" from {value}" if facet.name == "year" else f", {facet.name} {value}"
            same = set.intersection(*(having[facet.name, value] for facet, value in told))
            pairs.append(Pair(text, item_id, frozenset(same)))
    return pairs


def request_task(catalogue: Catalogue, events: Iterable[FeedbackEvent], seed: int = 0) -> Task:
    """Requests made from the catalogue as a task: four fifths of the items to learn from, one to be judged on."""
    pairs = catalogue_pairs(catalogue, seed=seed)
    items = sorted({pair.item_id for pair in pairs})
    judged = set(random.Random(seed).sample(items, len(items) // 5))
    cases = [
        Case(f"{pair.item_id}/{number}", pair.item_id, RetrievalQuery(text=pair.text), (pair.item_id,))
        for number, pair in enumerate(pairs)
    ]
    return Task(
        "requests/valid",
        catalogue,
        tuple(events),
        tuple(case for case in cases if case.unit in judged),
        examples=tuple(case for case in cases if case.unit not in judged),
    )


def request_pairs(task: Task, seed: int = 0) -> list[Pair]:
    """What to learn from a task of `request_task`, each with the items that are no counter-examples.

    Args:
        task: Its examples name the items.
        seed: The task's.
    """
    learned = {case.unit for case in task.examples}
    return [pair for pair in catalogue_pairs(task.catalogue, seed=seed) if pair.item_id in learned]
