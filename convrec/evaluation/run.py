"""Owns the run of an evaluation: fits systems, has them rank and score, and keeps what they said on disk.

    OUT/ranks/<system>-<seed>.jsonl    {"case", "unit", "targets", "ranks", "top"}: ranks from 1, null beyond
    the depth OUT/scores/<system>-<seed>.jsonl   {"unit", "item_ids", "liked", "scores"}: for protocols that
    measure AUC

A sceptic recomputes every figure of the report from these. A run that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from convrec.errors import EvaluationError
from convrec.evaluation.base import Case, FittedSystem, Judgement, System, Task
from convrec.evaluation.rows import Row, RowsFile
from convrec.progress import Progress

_TOP = 10
_WorkT = TypeVar("_WorkT", Case, Judgement)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How much is ranked, and where it is kept.

    Args:
        out: Folder.
        seeds: How many seeds stochastic systems are run with; others are run once.
        depth: How long the lists are; metrics at k up to it are those of the full ranking.
    """

    out: Path
    seeds: int = 1
    depth: int = 100


@dataclass(frozen=True, slots=True)
class SystemRun:
    """What one system said with one seed.

    Args:
        name, settings, seed: Which system.
        ranks: Rows of the ranks file, in the order of the cases.
        scores: Rows of the scores file.
        fit_s: Seconds of one fit, median over tasks; NaN where all was there already.
        case_ms: Milliseconds per case, median; NaN where all was there already.
    """

    name: str
    settings: str
    seed: int
    ranks: Sequence[Row]
    scores: Sequence[Row]
    fit_s: float
    case_ms: float


def evaluate(
    tasks: Sequence[Task], systems: Sequence[System], config: RunConfig, progress: Progress
) -> list[SystemRun]:
    """Run every system on every task.

    Args:
        tasks: Of one protocol; case_ids are unique over all of them.
        systems: With names of their own.
        config: Seeds, depth and folder.
        progress: Called with a fraction in [0, 1] and what is being done.

    Raises:
        DataError: The folder holds results of another run.
        EvaluationError: A system ranked what it must not.
    """
    plan = [(system, seed) for system in systems for seed in range(config.seeds if system.stochastic else 1)]
    prints = [fingerprint(task) for task in tasks]
    runs = []
    for number, (system, seed) in enumerate(plan):

        def told(done: float, what: str, number: int = number, name: str = system.name) -> None:
            progress((number + done) / len(plan), f"{name}: {what}")

        runs.append(_run(tasks, prints, system, seed, config, told))
    progress(1.0, "done")
    return runs


def fingerprint(task: Task) -> str:
    """A hash of all that a task gives and asks, 16 hex digits."""
    digest = hashlib.sha256(f"{task.name}\n{task.catalogue.fingerprint}\n".encode())
    for event in task.train:
        digest.update(f"{event.user_id}\t{event.item_id}\t{event.timestamp}\t{event.rating}\n".encode())
    for case in (*task.cases, *task.examples):
        digest.update(json.dumps([case.case_id, case.query.text, case.targets]).encode())
    for judgement in task.judgements:
        digest.update(json.dumps([judgement.unit, judgement.item_ids, judgement.liked]).encode())
    return digest.hexdigest()[:16]


def _run(
    tasks: Sequence[Task], prints: Sequence[str], system: System, seed: int, config: RunConfig, progress: Progress
) -> SystemRun:
    header = {
        "system": system.name,
        "settings": system.settings,
        "seed": seed,
        "tasks": list(prints),
        "depth": config.depth,
    }
    ranks = RowsFile(config.out / "ranks" / f"{system.name}-{seed}.jsonl", header)
    scores = RowsFile(config.out / "scores" / f"{system.name}-{seed}.jsonl", header)
    ranked = {row["case"] for row in ranks.rows}
    scored = {row["unit"] for row in scores.rows}
    fits: list[float] = []
    times: list[float] = []
    try:
        for number, task in enumerate(tasks):
            cases = [case for case in task.cases if case.case_id not in ranked]
            judgements = [judgement for judgement in task.judgements if judgement.unit not in scored]
            if not cases and not judgements:
                continue

            def told(done: float, what: str, number: int = number) -> None:
                progress((number + done) / len(tasks), what)

            started = time.perf_counter()
            fitted = system.fit(task, seed, lambda done, what: told(0.5 * done, what))
            fits.append(time.perf_counter() - started)
            try:
                rank = _ranker(fitted, task, system.name, config.depth)
                times += _work(cases, rank, ranks, lambda done: told(0.5 + 0.5 * done, "ranking"))
                _work(judgements, lambda judged: _score(fitted, judged), scores, lambda _: None)  # noqa: B023
            finally:
                fitted.close()
    finally:
        ranks.close()
        scores.close()
    order = {case.case_id: place for place, case in enumerate(case for task in tasks for case in task.cases)}
    return SystemRun(
        system.name,
        system.settings,
        seed,
        sorted(ranks.rows, key=lambda row: order[row["case"]]),
        scores.rows,
        statistics.median(fits) if fits else math.nan,
        1000 * statistics.median(times) if times else math.nan,
    )


def _work(
    work: Sequence[_WorkT], do: Callable[[_WorkT], Row], file: RowsFile, progress: Callable[[float], None]
) -> list[float]:
    times = []
    for done, one in enumerate(work):
        started = time.perf_counter()
        row = do(one)
        times.append(time.perf_counter() - started)
        file.append(row)
        progress(done / len(work))
    return times


def _ranker(fitted: FittedSystem, task: Task, name: str, depth: int) -> Callable[[Case], Row]:
    def rank(case: Case) -> Row:
        found = list(fitted.recommend(case, depth))
        wrong = [i for i in found if i not in task.catalogue or i in case.query.exclude]
        if wrong or len(set(found)) < len(found) or len(found) > depth:
            what = f"item {wrong[0]!r}, which is excluded or unknown" if wrong else "an item twice or too many"
            raise EvaluationError(f"{name} ranked {what}, for case {case.case_id}; its figures would mean nothing")
        places = {item_id: place for place, item_id in enumerate(found, start=1)}
        return {
            "case": case.case_id,
            "unit": case.unit,
            "targets": list(case.targets),
            "ranks": [places.get(target) for target in case.targets],
            "top": found[:_TOP],
        }

    return rank


def _score(fitted: FittedSystem, judgement: Judgement) -> Row:
    return {
        "unit": judgement.unit,
        "item_ids": list(judgement.item_ids),
        "liked": list(judgement.liked),
        "scores": [float(score) for score in fitted.score(judgement)],
    }
