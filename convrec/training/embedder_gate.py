"""Owns whether a tuned embedder may serve: on held-out conversations, against the one it was trained from.

Both are weighed against the other parts of the retrieval score by weights learned on the same conversations,
cross-fitted in two halves, so that neither is judged under weights made for the other. Accepted where neither
NDCG@10 nor Recall@50 falls (lower bound of the paired 95 % interval above -0.005) and at least one rises (above
0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convrec.evaluation.base import Case, Task
from convrec.evaluation.metrics import Values, ndcg, recall
from convrec.evaluation.ours import RetrievalSystem
from convrec.evaluation.significance import Estimate, estimate, paired
from convrec.progress import Progress
from convrec.retrieval.base import Embedder
from convrec.retrieval.fusion import fit_choices
from convrec.retrieval.hybrid import HybridConfig
from convrec.types import Candidate

PARTS = ("text", "words", "content", "seeds", "popularity")
_TOLERANCE = 0.005
_POOL = 1000
_PLAIN = HybridConfig(
    history=1.0, seeds=1.0, content=1.0, text=1.0, words=1.0, popularity=1.0, wish=1.0, rejected=1.0
)


@dataclass(frozen=True, slots=True)
class Weighed:
    """How an embedder did on held-out conversations.

    Args:
        weights: Learned on all of them, by part, scaled so that text weighs what it does by default.
        ranks_T: Of every target under weights learned without its half.
        units_T: The conversation of each, numbered from 0.
        coverage: The share of targets that were candidates at all.
    """

    weights: dict[str, float]
    ranks_T: Values
    units_T: NDArray[np.int64]
    coverage: float

    def figures(self) -> dict[str, Estimate]:
        """Recall@1, @10, @50 and NDCG@10 with intervals."""
        found = {f"recall@{k}": estimate(recall(self.ranks_T, k), self.units_T) for k in (1, 10, 50)}
        return found | {"ndcg@10": estimate(ndcg(self.ranks_T, 10), self.units_T)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accepted or not, and why."""

    accepted: bool
    reasons: tuple[str, ...]


def weigh(embedder: Embedder, task: Task, progress: Progress) -> Weighed:
    """Rank a task's cases by parts of the retrieval score under cross-fitted weights.

    Args:
        embedder: Must not have seen the task's cases.
        task: Of the conversation protocol.
        progress: Called with a fraction in [0, 1].
    """
    fitted = RetrievalSystem(embedder, _PLAIN).fit(task, 0, lambda done, what: progress(0.5 * done, what))
    try:
        offered = []
        for done, case in enumerate(task.cases):
            offered.append(fitted.retriever.retrieve(case.query, _POOL))
            progress(0.5 + 0.5 * done / len(task.cases), "retrieving for held-out conversations")
    finally:
        fitted.close()
    halves = {unit: number % 2 for number, unit in enumerate(dict.fromkeys(case.unit for case in task.cases))}
    choices = [_choices(case, candidates) for case, candidates in zip(task.cases, offered, strict=True)]
    numbers = {unit: number for number, unit in enumerate(halves)}
    ranks: list[float] = []
    units: list[int] = []
    learned = [
        fit_choices(
            [c for case, own in zip(task.cases, choices, strict=True) if halves[case.unit] != half for c in own]
        )
        for half in (0, 1)
    ]
    for case, candidates in zip(task.cases, offered, strict=True):
        scores = _features(candidates) @ learned[halves[case.unit]]
        ids = [candidate.item_id for candidate in candidates]
        order = {ids[n]: place for place, n in enumerate(np.lexsort((np.array(ids), -scores)), start=1)}
        ranks += [order.get(target, math.inf) for target in case.targets]
        units += [numbers[case.unit]] * len(case.targets)
    weights = fit_choices([choice for own in choices for choice in own])
    # Only their proportions matter here; history and wishes are weighed against them where there are any.
    weights *= HybridConfig().text / max(float(weights[0]), 1e-3)
    covered = sum(len(own) for own in choices)
    return Weighed(
        dict(zip(PARTS, (float(w) for w in weights), strict=True)),
        np.array(ranks),
        np.array(units, np.int64),
        covered / len(ranks),
    )


def judge(base: Weighed, tuned: Weighed) -> Verdict:
    """Whether the tuned embedder may take the base's place."""
    reasons, falls, rises = [], False, False
    for name, metric, k in (("NDCG@10", ndcg, 10), ("Recall@50", recall, 50)):
        d = paired(metric(tuned.ranks_T, k), metric(base.ranks_T, k), base.units_T)
        falls |= d.low < -_TOLERANCE
        rises |= d.low > 0
        reasons.append(f"{name} {d.difference:+.4f} [{d.low:+.4f}, {d.high:+.4f}]")
    if falls or not rises:
        reasons.append("a figure may fall" if falls else "no figure rises for sure")
    return Verdict(rises and not falls, tuple(reasons))


def _choices(case: Case, candidates: Sequence[Candidate]) -> list[NDArray[np.float64]]:
    """features_C_F per target that was offered, that target first and the case's other targets left out."""
    features_C_F = _features(candidates)
    ids = [candidate.item_id for candidate in candidates]
    found = []
    for target in case.targets:
        if target in ids:
            first = ids.index(target)
            rest = [n for n, item_id in enumerate(ids) if item_id not in case.targets]
            found.append(features_C_F[[first, *rest]])
    return found


def _features(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    return np.array([[candidate.parts.get(part, 0.0) for part in PARTS] for candidate in candidates])
