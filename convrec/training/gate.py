"""Owns whether an adapter may rank: on held-out examples, against retrieval alone and the active adapter.

Each is judged under a blend that was fitted without the half of the people that it is judged on, on what retrieval
offered. Two kinds of examples tell: what was offered (which of it was chosen, or liked on a slate), and opinions
(which of the things that somebody turned to they liked better). An adapter passes where

    rank      NDCG@10, graded by how much each item was wanted, falls in no kind against either (lower bound of
              the paired 95 % interval, by user, above -tolerance) and rises in one against one (lower bound above
              0); an offer counts as much as what was taken of it was wanted, and what was taken without having
              been offered counts 0, as in `convrec evaluate`
    match     of what was offered, the calibration error of the blend's match is not larger than retrieval's by
              more than a margin
    crowding  no offered item comes up, uncalled for, on that many more slates than retrieval puts it on: what a
              few fake users who push an item would do

How many examples it takes to tell, with a factor model of opinions (retrieval/expectation.py) as a stand-in for f,
MovieLens-100K, people of whom nothing later was learned from:

    choices, opinions   weight   offers                     opinions                   accepted
    150, 150            0        0                          0                          no
    400, 100            0        +.0006 [-.0033, +.0048]    +.0067 [+.0026, +.0107]    no: no weight
    700, 150            0        -.0001 [-.0028, +.0027]    +.0047 [+.0017, +.0079]    no: no weight
    1000, 200           .09      +.0008 [-.0011, +.0028]    +.0032 [+.0009, +.0058]    yes
    1353, 305           .12      -.0002 [-.0028, +.0023]    +.0081 [+.0050, +.0108]    yes

(Where what was not offered does not count, the intervals of offers are 2.7 times as wide, and wider than the
tolerance even with 1,353: a good adapter would pass by luck alone.)

The checks of files and engines (weights that are numbers, the same base model, the same scores from vLLM) are made
where those are: manifest.py, base_model.py, parity.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convrec.evaluation.metrics import Values, calibration_error, graded_ndcg
from convrec.evaluation.significance import Difference, Estimate, estimate, numbered, paired
from convrec.ranking.blend import Blend
from convrec.ranking.calibration import blend_of
from convrec.ranking.examples import Example

Interests = Sequence[Sequence[float]]
"""f of every candidate of every example."""


@dataclass(frozen=True, slots=True)
class GateConfig:
    """How strict the gate is.

    Args:
        tolerance: How far NDCG@10 may seem to fall.
        calibration: How much larger the calibration error may be.
        crowding: By how much the share of slates that an item is on, and was not wanted on, may grow.
        slate: Length of those slates.
        least: Fewest held-out examples that a verdict may rest on.
    """

    tolerance: float = 0.005
    calibration: float = 0.01
    crowding: float = 0.15
    slate: int = 5
    least: int = 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says.

    Args:
        accepted: Whether the adapter may rank.
        reasons: In words, those that speak against it first.
        blend: Fitted with it on all held-out examples.
        metrics: NDCG@10 and calibration error of each, and paired differences, with intervals.
    """

    accepted: bool
    reasons: tuple[str, ...]
    blend: Blend
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Judged:
    """How one way to rank did.

    Args:
        ndcg_T: Graded NDCG@10 of every example; of offers, times how much the choice was wanted over the mean,
            and times the share of choices that were offered.
        error: Calibration error of match.
        shown: How many slates of what was offered an item was on without being what was wanted.
    """

    ndcg_T: Values
    error: float
    shown: Counter[str]


def judge(
    examples: Sequence[Example],
    adapter: Interests,
    active: Interests | None,
    coverage: float,
    config: GateConfig | None = None,
) -> Verdict:
    """Judge an adapter.

    Args:
        examples: Held out: neither the adapter nor the retriever that made the offers has seen them. Those in
            which nothing was wanted are passed over.
        adapter: f by the adapter.
        active: f by the active adapter; None where the base model or retrieval ranks.
        coverage: Share of held-out choices that retrieval offered.
        config: The defaults when None.
    """
    config = config or GateConfig()
    kept = [n for n, example in enumerate(examples) if max(example.labels) > 0 and len(example.item_ids) > 1]
    if len(kept) < config.least:
        return Verdict(False, (f"only {len(kept)} held-out examples; {config.least} are needed",), Blend())
    own = [examples[n] for n in kept]
    unit_T = numbered([example.user_id for example in own])
    users = int(unit_T.max()) + 1
    if users < 2:
        return Verdict(False, ("the held-out examples are all of one user",), Blend())
    ways = {"retrieval": None, "adapter": [adapter[n] for n in kept]}
    if active is not None:
        ways["active"] = [active[n] for n in kept]
    judged = {name: _judge(own, interests, unit_T, coverage, config.slate) for name, interests in ways.items()}
    offered_T = np.array([example.offered for example in own])
    # Of each kind, which examples they are and, for these, whose.
    kinds = {
        kind: (kept_T, numbered(unit_T[kept_T].tolist()))
        for kind, kept_T in (("offers", offered_T), ("opinions", ~offered_T))
        if kept_T.any()
    }
    against = {
        f"{kind}: adapter - {name}": paired(judged["adapter"].ndcg_T[kept_T], judged[name].ndcg_T[kept_T], unit_K)
        for kind, (kept_T, unit_K) in kinds.items()
        for name in judged
        if name != "adapter"
    }
    objections, praise = _rank(against, config)
    grown = judged["adapter"].error - judged["retrieval"].error
    if grown > config.calibration:
        objections.append(f"the calibration error of match grows by {grown:.4f}")
    item_id, more = _crowding(judged["adapter"].shown, judged["retrieval"].shown, max(int(offered_T.sum()), 1))
    if more > config.crowding:
        objections.append(f"item {item_id} would be on {more:.0%} more slates of people who did not want it")
    metrics = _metrics(judged, kinds, against)
    blend = _blend(own, ways["adapter"], coverage)
    if blend.w_interest == 0.0:
        objections.append(f"its weight in the blend is not significant on {blend.examples} held-out choices")
    metrics |= {"examples": len(own), "users": users, "coverage": coverage}
    return Verdict(not objections, (*objections, *praise), blend, metrics)


def _rank(against: dict[str, Difference], config: GateConfig) -> tuple[list[str], list[str]]:
    """What differences in NDCG@10 say: objections, and the rest."""
    objections, told = [], []
    for name, d in against.items():
        words = f"NDCG@10, {name}: {d.difference:+.4f} [{d.low:+.4f}, {d.high:+.4f}]"
        if d.low < -config.tolerance:
            objections.append(f"{words}: it may fall")
        else:
            told.append(words)
    if all(d.low <= 0 for d in against.values()):
        objections.append("NDCG@10 rises for sure against neither retrieval nor an active adapter")
    return objections, told


def _judge(
    examples: Sequence[Example],
    interests: Interests | None,
    unit_T: NDArray[np.int64],
    coverage: float,
    slate: int,
) -> _Judged:
    ndcg_T = np.zeros(len(examples))
    wanted = [max(example.labels) for example in examples if example.offered]
    matches: list[float] = []
    happened: list[bool] = []
    shown: Counter[str] = Counter()
    for half in (0, 1):
        learned = [n for n in range(len(examples)) if unit_T[n] % 2 != half]
        blend = _blend([examples[n] for n in learned], interests and [interests[n] for n in learned], coverage)
        for n in np.flatnonzero(unit_T % 2 == half).tolist():
            example = examples[n]
            values = interests[n] if interests is not None else [None] * len(example.item_ids)
            scores = np.array([blend.score(r, f) for r, f in zip(example.retrieval, values, strict=True)])
            ndcg_T[n] = graded_ndcg(scores, np.array(example.labels), 10)
            if not example.offered:
                continue
            ndcg_T[n] *= coverage * max(example.labels) * len(wanted) / sum(wanted)
            matches += [blend.match(score) for score in scores]
            happened += [place == example.chosen for place in range(len(scores))]
            best = np.argsort(-scores, kind="stable")[:slate]
            shown.update(example.item_ids[place] for place in best if place != example.chosen)
    error = calibration_error(np.array(matches), np.array(happened)) if matches else 0.0
    return _Judged(ndcg_T, error, shown)


def _blend(examples: Sequence[Example], interests: Interests | None, coverage: float) -> Blend:
    """Of retrieval and f; of retrieval alone without f: an f that is the same for all says nothing."""
    return blend_of(examples, interests or [(0.5,) * len(example.item_ids) for example in examples], coverage)


def _crowding(adapter: Counter[str], retrieval: Counter[str], slates: int) -> tuple[str, float]:
    item_id = max(adapter, key=lambda i: (adapter[i] - retrieval[i], i), default="")
    return item_id, (adapter[item_id] - retrieval[item_id]) / slates


def _metrics(
    judged: dict[str, _Judged],
    kinds: dict[str, tuple[NDArray[np.bool_], NDArray[np.int64]]],
    against: dict[str, Difference],
) -> dict[str, Any]:
    figures: dict[str, Estimate] = {
        f"{kind}: {name}": estimate(own.ndcg_T[kept_T], unit_K)
        for kind, (kept_T, unit_K) in kinds.items()
        for name, own in judged.items()
    }
    return {
        "ndcg@10": {name: asdict(figure) for name, figure in figures.items()}
        | {name: asdict(d) for name, d in against.items()},
        "calibration_error": {f"offers: {name}": own.error for name, own in judged.items()},
    }
