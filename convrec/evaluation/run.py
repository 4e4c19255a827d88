"""Owns the run of an evaluation: fits systems, has them rank and score, and keeps what they said on disk.

    OUT/ranks/<system>-<seed>.jsonl    {"case", "unit", "targets", "ranks", "top"}; ranks from 1, null beyond depth
    OUT/scores/<system>-<seed>.jsonl   {"unit", "item_ids", "liked", "scores"}, for protocols that measure AUC
    OUT/ranks/<system>-<seed>.times    {"fit_s", "case_ms"}, a row per fit: its seconds, each case's milliseconds

A sceptic recomputes every figure of the report from these. A run that was killed goes on where it was; the cases
between the last row of times and the kill stay untimed.
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
from typing import Any, TypeVar

from convrec.errors import EvaluationError
from convrec.evaluation.base import Case, FittedSystem, Judgement, System, Task
from convrec.evaluation.rows import Row, RowsFile
from convrec.progress import Progress
from convrec.types import FeedbackEvent, RetrievalQuery

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
        fit_s: Seconds of one fit, median over fits, those of earlier runs in the folder included; NaN if untimed.
        case_ms: Milliseconds per case, median likewise; NaN if untimed.
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
    """A hash of all that a task gives and asks, masks and histories included, 16 hex digits."""
    digest = hashlib.sha256(f"{task.name}\n{task.catalogue.fingerprint}\n".encode())
    for event in task.train:
        digest.update(_words(_plain_event(event)))
    for kind, cases in (("cases", task.cases), ("examples", task.examples)):
        digest.update(kind.encode())
        for case in cases:
            given = [_plain_query(case.query), [_plain_event(event) for event in case.events]]
            digest.update(_words([case.case_id, case.unit, case.targets, given]))
    digest.update(b"judgements")
    for judgement in task.judgements:
        given = [_plain_query(judgement.query), [_plain_event(event) for event in judgement.events]]
        digest.update(_words([judgement.unit, judgement.item_ids, judgement.liked, given]))
    return digest.hexdigest()[:16]


def _words(plain: list[Any]) -> bytes:
    return json.dumps(plain).encode() + b"\n"


def _plain_event(event: FeedbackEvent) -> list[Any]:
    return [event.user_id, event.item_id, event.type, event.timestamp, event.rating, event.text]


def _plain_query(query: RetrievalQuery) -> list[Any]:
    return [
        query.text,
        [[entry.item_id, entry.signal, entry.timestamp] for entry in query.history],
        list(query.seeds.items()),
        [[wish.facet, wish.op, wish.value, wish.strength] for wish in query.constraints],
        sorted(query.exclude),
        query.now,
    ]


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
    times = RowsFile(config.out / "ranks" / f"{system.name}-{seed}.times", header)
    ranked = {row["case"] for row in ranks.rows()}
    scored = {row["unit"] for row in scores.rows()}
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
            fit_s = time.perf_counter() - started
            try:
                rank, score = _ranker(fitted, task, system.name, config.depth), _scorer(fitted, system.name)
                case_ms = _work(cases, rank, ranks, lambda done: told(0.5 + 0.5 * done, "ranking"))
                _work(judgements, score, scores, lambda _: None)
                times.append({"fit_s": round(fit_s, 3), "case_ms": case_ms})
            finally:
                fitted.close()
    finally:
        ranks.close()
        scores.close()
        times.close()
    order = {case.case_id: place for place, case in enumerate(case for task in tasks for case in task.cases)}
    return SystemRun(
        system.name,
        system.settings,
        seed,
        sorted(ranks.rows(), key=lambda row: order[row["case"]]),
        list(scores.rows()),
        _median([row["fit_s"] for row in times.rows()]),
        _median([case_ms for row in times.rows() for case_ms in row["case_ms"]]),
    )


def _median(figures: Sequence[float]) -> float:
    return statistics.median(figures) if figures else math.nan


def _work(
    work: Sequence[_WorkT], do: Callable[[_WorkT], Row], file: RowsFile, progress: Callable[[float], None]
) -> list[float]:
    """Milliseconds that each took, to the microsecond."""
    times = []
    for done, one in enumerate(work):
        started = time.perf_counter()
        row = do(one)
        times.append(round(1000 * (time.perf_counter() - started), 3))
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


def _scorer(fitted: FittedSystem, name: str) -> Callable[[Judgement], Row]:
    def score(judgement: Judgement) -> Row:
        scores = [float(score) for score in fitted.score(judgement)]
        if len(scores) != len(judgement.item_ids) or not all(map(math.isfinite, scores)):
            what = f"{len(scores)} scores for {len(judgement.item_ids)} items, or one that is no finite number"
            raise EvaluationError(f"{name} gave {what}, for {judgement.unit}; its figures would mean nothing")
        return {
            "unit": judgement.unit,
            "item_ids": list(judgement.item_ids),
            "liked": list(judgement.liked),
            "scores": scores,
        }

    return score
