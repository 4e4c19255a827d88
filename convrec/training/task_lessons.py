"""Owns lessons from an evaluation task: learned from what the task may be fitted on, judged by its cases.

For data sets instead of a ledger: the task's split is the division in time.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TypeVar

from convrec.evaluation.base import Case, Task
from convrec.evaluation.datasets.base import Dataset
from convrec.evaluation.protocols import like_dislike
from convrec.progress import Progress
from convrec.ranking.examples import Example
from convrec.retrieval.base import Embedder
from convrec.retrieval.hybrid import HybridConfig, fitted_retriever
from convrec.training.examples import choice_cases, cross_fitted, matched, offered, received
from convrec.training.lessons import Lessons, LessonsConfig, by_source
from convrec.training.objective import fit_offset
from convrec.training.opinions import Opinions, expressed, opinion_groups
from convrec.types import FeedbackEvent

_Held = TypeVar("_Held", Case, Opinions)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What is not learned from.

    Args:
        cases: Choices, or recorded turns.
        groups: Opinions.
    """

    cases: Sequence[Case]
    groups: Sequence[Opinions] = ()


def parted(
    choosers: Container[str], cases: Sequence[Case], groups: Sequence[Opinions] = ()
) -> tuple[HeldOut, HeldOut]:
    """What is held out, as what chooses (of the units that are choosers) and what judges."""
    choosing, judging = (
        HeldOut(
            [case for case in cases if (case.unit in choosers) == chooses],
            [group for group in groups if (group.unit in choosers) == chooses],
        )
        for chooses in (True, False)
    )
    return choosing, judging


def early_choices(ratings: Dataset) -> tuple[Task, HeldOut, HeldOut]:
    """Everything from the first 80 % of everybody's ratings, whose rest like-dislike and leave-one-out judge by.

    Of every fifth person the last of them choose, of two more the last judge; all else is learned from.
    """
    early = like_dislike(ratings).train
    part = {user: number % 5 for number, user in enumerate(sorted({event.user_id for event in early}))}
    tail = LessonsConfig().opinion_items
    by_user: dict[str, list[FeedbackEvent]] = {}
    for event in early:
        by_user.setdefault(event.user_id, []).append(event)
    held = {user for user, own in by_user.items() if part[user] < 3 and len(own) >= 2 * tail}
    train = [event for user, own in by_user.items() for event in (own[:-tail] if user in held else own)]
    cases = [case for case in choice_cases(early, ratings.catalogue, tail) if case.unit in held]
    groups = [group for group in opinion_groups(early, ratings.catalogue, tail, 1) if group.unit in held]
    choosers = {user for user in held if part[user] == 0}
    return Task("choices and opinions", ratings.catalogue, tuple(train)), *parted(choosers, cases, groups)


def task_lessons(
    task: Task,
    choosing: HeldOut,
    judging: HeldOut,
    embedder: Embedder,
    fold_embedder: Callable[[frozenset[str]], Embedder],
    weights: HybridConfig | None,
    config: LessonsConfig,
    progress: Progress,
) -> Lessons:
    """Lessons of a task.

    Args:
        task: Its examples are learned from where it has any (conversations), else the last choices of its train
            part; and the last opinions there.
        choosing, judging: Of different units, and not in the train part.
        embedder: One that has learned from the task's examples at most.
        fold_embedder: One that has not learned from these units.
        weights: Of the parts of the retrieval score; the defaults when None.
        config: How many; its shares of time are not used.
        progress: Called with the fraction done.
    """
    source = random.Random(config.offers.seed)
    candidates = config.offers.candidates
    cases = list(task.examples) or choice_cases(task.train, task.catalogue, config.offers.cuts)
    groups = opinion_groups(task.train, task.catalogue, config.opinion_items, config.opinion_groups)
    groups = source.sample(groups, min(int(config.opinions * config.learn_examples), len(groups)))
    drawn = matched(cases, task.catalogue, candidates, config.offers.seed)
    drawn = source.sample(drawn, min(config.matched, len(drawn)))
    learn, opinions, matches = cross_fitted(
        {case.unit for case in cases} | {group.unit for group in groups},
        (
            *by_source(cases, groups, task.catalogue, candidates),
            lambda units, eyes: received([example for example in drawn if example.user_id in units], eyes),
        ),
        task.train,
        task.catalogue,
        fold_embedder,
        weights,
        config.offers,
        lambda done, what: progress(0.7 * done, what),
    )
    room = config.learn_examples - len(opinions) - len(matches)
    learn = source.sample(learn, min(len(learn), room))
    kinds = (learn, opinions, matches)

    def held(out: HeldOut, most: int) -> tuple[list[Example], list[Example], float]:
        said = expressed(_shuffled(out.groups, source)[: int(config.opinions * most)], retriever)
        found = offered(_shuffled(out.cases, source), retriever, task.catalogue, candidates)
        targets = sum(len(case.targets) for case in out.cases)
        return found[: most - len(said)], said, len(found) / max(targets, 1)

    with fitted_retriever(
        task.catalogue, task.train, embedder, weights, lambda _, what: progress(0.7, what)
    ) as retriever:
        chosen, thought, _ = held(choosing, config.choose_examples)
        judge, judged, coverage = held(judging, config.judge_examples)
    progress(1.0, "retrieving for examples")
    choose = fit_offset(learn).on(chosen) + fit_offset(opinions).on(thought)
    learn = [example for kind in kinds for example in fit_offset(kind).on(kind)]
    judge += judged
    lineage = {
        "task": task.name,
        "events": len(task.train),
        "hash": _hash((*cases, *choosing.cases, *judging.cases), task),
        "learn": len(learn),
        "choose": len(choose),
        "judge": len(judge),
    }
    return Lessons(learn, choose, judge, coverage, lineage)


def _shuffled(held: Sequence[_Held], source: random.Random) -> list[_Held]:
    """Unit by unit, in random order."""
    units = sorted({thing.unit for thing in held})
    source.shuffle(units)
    order = {unit: place for place, unit in enumerate(units)}
    return sorted(held, key=lambda thing: order[thing.unit])


def _hash(cases: Sequence[Case], task: Task) -> str:
    digest = hashlib.sha256(task.catalogue.fingerprint.encode())
    for event in task.train:
        digest.update(event.event_id.encode() + b"\n")
    for case in cases:
        digest.update(f"{case.case_id} {case.targets}\n".encode())
    return digest.hexdigest()
