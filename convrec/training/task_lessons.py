"""Owns lessons from an evaluation task: learned from what the task may be fitted on, judged by its cases.

For data sets instead of a ledger: the task's split is the division in time.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence

from convrec.evaluation.base import Case, Task
from convrec.evaluation.ours import RetrievalSystem
from convrec.progress import Progress
from convrec.retrieval.base import Embedder
from convrec.retrieval.hybrid import HybridConfig
from convrec.training.examples import choice_cases, cross_fitted, matched, offered, received
from convrec.training.lessons import Lessons, LessonsConfig, by_source
from convrec.training.objective import fit_offset
from convrec.training.opinions import opinion_groups
from convrec.types import FeedbackEvent


def task_lessons(
    task: Task,
    embedder: Embedder,
    fold_embedder: Callable[[frozenset[str]], Embedder],
    weights: HybridConfig | None,
    config: LessonsConfig,
    progress: Progress,
    train: Sequence[FeedbackEvent] | None = None,
) -> Lessons:
    """Lessons of a task.

    Args:
        task: Its examples are learned from where it has any (conversations), else the last choices of its train
            part. Its cases choose and judge, each unit one of both.
        embedder: One that has learned from the task's examples at most.
        fold_embedder: One that has not learned from these units.
        weights: Of the parts of the retrieval score; the defaults when None.
        config: How many; its shares are not used.
        progress: Called with the fraction done.
        train: What is learned from instead of all of the task's train part.
    """
    source = random.Random(config.offers.seed)
    learned_from = task.train if train is None else train
    cases = list(task.examples) or choice_cases(learned_from, task.catalogue, config.offers.cuts)
    groups = opinion_groups(learned_from, task.catalogue, config.opinion_items, config.opinion_groups)
    groups = source.sample(groups, min(config.opinions, len(groups)))
    drawn = matched(cases, task.catalogue, config.offers.candidates, config.offers.seed)
    drawn = source.sample(drawn, min(config.matched, len(drawn)))
    learn, opinions, matches = cross_fitted(
        {case.unit for case in cases} | {group.unit for group in groups},
        (
            *by_source(cases, groups, task.catalogue, config.offers.candidates),
            lambda units, eyes: received([example for example in drawn if example.user_id in units], eyes),
        ),
        learned_from,
        task.catalogue,
        fold_embedder,
        weights,
        config.offers,
        lambda done, what: progress(0.7 * done, what),
    )
    fitted = RetrievalSystem(embedder, weights).fit(task, 0, lambda _done, what: progress(0.7, what))
    try:
        units = sorted({case.unit for case in task.cases})
        source.shuffle(units)
        order = {unit: place for place, unit in enumerate(units)}
        later = offered(
            sorted(task.cases, key=lambda case: order[case.unit]),
            fitted.retriever,
            task.catalogue,
            config.offers.candidates,
        )
    finally:
        fitted.close()
    targets = sum(len(case.targets) for case in task.cases)
    choosing = {example.user_id for example in later[: config.choose_examples]}
    choose = [example for example in later if example.user_id in choosing]
    judge = [example for example in later if example.user_id not in choosing][: config.judge_examples]
    learn = source.sample(learn, min(len(learn), config.learn_examples))
    offset = fit_offset(learn)
    learn = [example for kind in (learn, opinions, matches) for example in fit_offset(kind).on(kind)]
    choose = offset.on(choose)
    lineage = {
        "task": task.name,
        "events": len(task.train),
        "hash": _hash(cases, task),
        "learn": len(learn),
        "choose": len(choose),
        "judge": len(judge),
    }
    return Lessons(learn, choose, judge, len(later) / targets, lineage)


def _hash(cases: Sequence[Case], task: Task) -> str:
    digest = hashlib.sha256(task.catalogue.fingerprint.encode())
    for event in task.train:
        digest.update(event.event_id.encode() + b"\n")
    for case in (*cases, *task.cases):
        digest.update(f"{case.case_id} {case.targets}\n".encode())
    return digest.hexdigest()
