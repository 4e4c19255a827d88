"""Owns what a run comes to: figures with intervals, pairwise differences, report.json, the table on the screen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from convrec.evaluation.base import Task
from convrec.evaluation.beyond import (
    average_popularity,
    catalogue_coverage,
    gini,
    intra_list_diversity,
    novelty,
)
from convrec.evaluation.metrics import Values, auc, brier, calibration_error, hit, ndcg, recall, reciprocal_rank
from convrec.evaluation.run import SystemRun
from convrec.evaluation.significance import Difference, Estimate, estimate, numbered, paired

_PAIRED = ("ndcg@10", "recall@10", "recall@50", "mrr@10", "auc")
_SHOWN = {"ndcg@10": "NDCG@10", "auc": "AUC", "recall@10": "R@10", "recall@50": "R@50", "mrr@10": "MRR@10"}
_TOP = 10
_LEADS = ("ndcg@10", "auc")


@dataclass(frozen=True, slots=True)
class SystemReport:
    """The figures of one system, means over its seeds.

    Args:
        name, settings: Which.
        seeds: How many it was run with.
        fit_s, case_ms: Median seconds to fit and milliseconds per case; None where nothing was left to do.
        metrics: name@k -> figure. `auc` is the mean over users, `auc_pooled` that of all their items as one.
            Those of whole runs (pooled AUC, coverage, Gini) have no interval: low = mean = high.
    """

    name: str
    settings: str
    seeds: int
    fit_s: float | None
    case_ms: float | None
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Pair:
    """System a against system b by one metric."""

    a: str
    b: str
    metric: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation, ready to be shown.

    Args:
        dataset, protocol: What was evaluated.
        seeds: Of the stochastic systems.
        command: That makes it again.
        cases, targets, units: How many.
        notes: Of the data set and the protocol.
        systems: Best NDCG@10 (or AUC) first.
        pairs: Every two systems, the better one first.
    """

    dataset: str
    protocol: str
    seeds: int
    command: str
    cases: int
    targets: int
    units: int
    notes: tuple[str, ...]
    systems: tuple[SystemReport, ...]
    pairs: tuple[Pair, ...]


def make_report(
    dataset: str,
    tasks: Sequence[Task],
    runs: Sequence[SystemRun],
    seeds: int,
    command: str,
    ks: Sequence[int],
    vectors_N_D: NDArray[np.floating],
) -> Report:
    """Figures of all systems.

    Args:
        dataset: Its name.
        tasks: What was run.
        runs: Of all systems and seeds.
        seeds, command: For the record.
        ks: Cut-offs, none beyond the depth of the run.
        vectors_N_D: Of the items of the catalogue, for diversity.
    """
    by_system: dict[str, list[SystemRun]] = {}
    for run in runs:
        by_system.setdefault(run.name, []).append(run)
    values = {name: _values(own, ks) for name, own in by_system.items()}
    systems = [
        SystemReport(
            name,
            own[0].settings,
            len(own),
            _known(np.median([run.fit_s for run in own])),
            _known(np.median([run.case_ms for run in own])),
            {metric: estimate(found, _units(own[0], metric)) for metric, found in values[name].items()}
            | _whole(tasks, own, vectors_N_D)
            | _pooled(own),
        )
        for name, own in by_system.items()
    ]
    lead = main_metrics(systems, _LEADS)[0]
    systems.sort(key=lambda system: -system.metrics[lead].mean)
    pairs = [
        Pair(
            a.name, b.name, metric, paired(values[a.name][metric], values[b.name][metric], _units(runs[0], metric))
        )
        for place, a in enumerate(systems)
        for b in systems[place + 1 :]
        for metric in _PAIRED
        if metric in values[a.name] and metric in values[b.name]
    ]
    everyone = {case.unit for task in tasks for case in task.cases} | {
        judgement.unit for task in tasks for judgement in task.judgements
    }
    return Report(
        dataset,
        tasks[0].name if len(tasks) == 1 else tasks[0].name.rpartition("/")[0],
        seeds,
        command,
        sum(len(task.cases) for task in tasks),
        sum(len(case.targets) for task in tasks for case in task.cases),
        len(everyone),
        tuple(dict.fromkeys(note for task in tasks for note in task.notes)),
        tuple(systems),
        tuple(pairs),
    )


def main_metrics(systems: Sequence[SystemReport], wanted: Sequence[str]) -> list[str]:
    """Those of the wanted metrics that systems have, in that order; the first that they have where there is none.

    A run whose cut-offs lack the usual ones is shown by what it has.
    """
    there = list(dict.fromkeys(metric for system in systems for metric in system.metrics))
    return [metric for metric in wanted if metric in there] or there[:1]


def write_report(report: Report, file: Path) -> None:
    """As JSON, every figure with its interval."""
    plain = asdict(report)
    for system in plain["systems"]:
        system["metrics"] = {name: _rounded(figure) for name, figure in system["metrics"].items()}
    plain["pairs"] = [
        {"a": pair.a, "b": pair.b, "metric": pair.metric} | _rounded(asdict(pair.difference))
        for pair in report.pairs
    ]
    file.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def report_table(report: Report) -> Table:
    """The main figures, and how far each system is below the first, with 95 % intervals."""
    shown = main_metrics(report.systems, tuple(_SHOWN))
    lead = shown[0]
    count = f"{report.targets or report.units:,} predictions, {report.units:,} units"
    table = Table(title=f"{report.dataset}, {report.protocol}: {count}", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("system", *(_SHOWN.get(name, name) for name in shown), "below the first"):
        table.add_column(column, no_wrap=True)
    first = report.systems[0].name
    behind = {pair.b: pair.difference for pair in report.pairs if pair.a == first and pair.metric == lead}
    for system in report.systems:
        cells = [_cell(system.metrics.get(name), wide=name == lead) for name in shown]
        d = behind.get(system.name)
        table.add_row(system.name, *cells, _interval(d.difference, d.low, d.high) if d else "")
    return table


def _values(own: Sequence[SystemRun], ks: Sequence[int]) -> dict[str, Values]:
    """Every metric per target, case or user, mean over seeds."""
    per_seed = [_of_run(run, ks) for run in own]
    return {metric: np.mean([found[metric] for found in per_seed], axis=0) for metric in per_seed[0]}


def _of_run(run: SystemRun, ks: Sequence[int]) -> dict[str, Values]:
    found: dict[str, Values] = {}
    if run.ranks:
        ranks_T = np.array([rank or math.inf for row in run.ranks for rank in row["ranks"]])
        case_T = np.repeat(np.arange(len(run.ranks)), [len(row["targets"]) for row in run.ranks])
        for k in ks:
            found[f"recall@{k}"] = recall(ranks_T, k)
            found[f"ndcg@{k}"] = ndcg(ranks_T, k)
            found[f"mrr@{k}"] = reciprocal_rank(ranks_T, k)
            found[f"hit@{k}"] = hit(ranks_T, case_T, k)
    if run.scores:
        found["auc"] = np.array([auc(np.array(row["scores"]), np.array(row["liked"])) for row in run.scores])
    return found


def _units(run: SystemRun, metric: str) -> NDArray[np.int64]:
    """The unit of every value of a metric: per target, per case for `hit`, per user for `auc`."""
    if metric == "auc":
        return np.arange(len(run.scores))
    case_Q = numbered([row["unit"] for row in run.ranks])
    return case_Q if metric.startswith("hit@") else np.repeat(case_Q, [len(row["targets"]) for row in run.ranks])


def _whole(
    tasks: Sequence[Task], own: Sequence[SystemRun], vectors_N_D: NDArray[np.floating]
) -> dict[str, Estimate]:
    """What lists of ten are like, mean over seeds."""
    if not own[0].ranks:
        return {}
    catalogue = tasks[-1].catalogue
    row = {item_id: idx for idx, item_id in enumerate(catalogue.ids)}
    known = {(event.user_id, event.item_id) for event in tasks[-1].train if event.item_id in row}
    users_N = np.bincount([row[item_id] for _, item_id in known if item_id], minlength=len(row))
    users = len({user_id for user_id, _ in known})
    found: dict[str, list[float]] = {}
    for run in own:
        lists = [np.array([row[item_id] for item_id in shown["top"]], np.int64) for shown in run.ranks]
        for name, value in (
            ("catalogue_coverage", catalogue_coverage(lists, len(row))),
            ("gini", gini(lists, len(row))),
            ("average_popularity", float(average_popularity(lists, users_N).mean())),
            ("novelty", float(novelty(lists, users_N, users).mean())),
            ("intra_list_diversity", float(intra_list_diversity(lists, vectors_N_D).mean())),
        ):
            found.setdefault(f"{name}@{_TOP}", []).append(value)
    return {name: Estimate(*[float(np.mean(values))] * 3) for name, values in found.items()}


def _pooled(own: Sequence[SystemRun]) -> dict[str, Estimate]:
    """What is measured over the items of all users as one list, mean over seeds.

    The AUC says whether scores compare between users. Scores that all lie in [0, 1] are read as probabilities, and
    their calibration error and Brier score are given.
    """
    found: dict[str, list[float]] = {}
    for run in own if own[0].scores else ():
        scores_I = np.concatenate([np.array(row["scores"], np.float64) for row in run.scores])
        liked_I = np.concatenate([np.array(row["liked"], np.bool_) for row in run.scores])
        found.setdefault("auc_pooled", []).append(auc(scores_I, liked_I))
        if scores_I.min() >= 0 and scores_I.max() <= 1:
            found.setdefault("calibration_error", []).append(calibration_error(scores_I, liked_I))
            found.setdefault("brier", []).append(brier(scores_I, liked_I))
    return {
        name: Estimate(*[float(np.mean(values))] * 3) for name, values in found.items() if len(values) == len(own)
    }


def _known(value: Any) -> float | None:
    return round(float(value), 3) if math.isfinite(value) else None


def _rounded(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: round(value, 5) if math.isfinite(value) else None for name, value in figures.items()}


def _cell(figure: Estimate | None, wide: bool) -> str:
    if figure is None:
        return ""
    return _interval(figure.mean, figure.low, figure.high) if wide else _bare(figure.mean, 4)


def _interval(mean: float, low: float, high: float) -> str:
    return f"{_bare(mean, 4)} [{_bare(low, 3)},{_bare(high, 3)}]"


def _bare(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.{digits}f}"
