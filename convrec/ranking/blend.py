"""Owns the blend of retrieval score and LLM logit: its weights, how they are fitted and where they are kept.

    score(u, i) = w_r * retrieval(u, i) + w_f * logit f(u, i)          match(u, i) = sigmoid(slope * score + bias)

The weights maximise the conditional likelihood of held-out items among the candidates that retrieval offered
(multinomial logit: McFadden 1974, "Conditional logit analysis of qualitative choice behavior"), each counted as
much as the item was wanted once it was chosen; both are bounded below by 0. The LLM keeps its weight only where a
likelihood-ratio test says that it helps (5 %); otherwise w_f = 0 and the order is retrieval's own, so a model that
knows nothing cannot harm.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from convrec.durable import replace_text
from convrec.errors import DataError

_CHI2_95_ONE_SIDED = 2.706
"""95 % point of the 50:50 mixture of chi2(0) and chi2(1): the null puts w_f on its bound (Self & Liang 1987)."""
_CLIP = 1e-6
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class BlendExample:
    """One held-out event: retrieval scores and f of its candidates, which was chosen, and how much it was wanted.

    What a person turned to and then did not like is no success: on MovieLens-100K, 1,353 choices of people of whom
    nothing later was learned from, candidates ordered by retrieval and a stand-in for f (expectation.py), the
    likelihood ratio of the stand-in is 2.2 where all choices count alike and 11.4 where they count as rated.
    """

    retrieval: tuple[float, ...]
    interest: tuple[float, ...]
    chosen: int
    wanted: float = 1.0


@dataclass(frozen=True, slots=True)
class Blend:
    """Fitted weights and what they rest on.

    Args:
        w_retrieval, w_interest: Weights of the score.
        slope, bias: The map from score to match.
        examples: Held-out events it was fitted on; 0 means not fitted (retrieval alone).
        w_interest_raw: The unconstrained-by-test estimate of w_interest, before the likelihood-ratio test.
        likelihood_ratio: Twice the gain in log likelihood that the LLM brought.
        ndcg_retrieval, ndcg_blend: NDCG over the candidates of the fitting examples, for retrieval and blend.
        slope_bias_covariance: Variance of slope, covariance of slope and bias, variance of bias; () where not
            fitted.
    """

    w_retrieval: float = 1.0
    w_interest: float = 0.0
    slope: float = 1.0
    bias: float = 0.0
    examples: int = 0
    w_interest_raw: float = 0.0
    likelihood_ratio: float = 0.0
    ndcg_retrieval: float = 0.0
    ndcg_blend: float = 0.0
    slope_bias_covariance: tuple[float, ...] = ()

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Blend:
        """From JSON that asdict made.

        Raises:
            TypeError: It is no blend.
        """
        blend = cls(**told)
        return replace(blend, slope_bias_covariance=tuple(blend.slope_bias_covariance))

    def score(self, retrieval: float, interest: float | None) -> float:
        """The blended score; without f it is the retrieval part alone."""
        return self.w_retrieval * retrieval + (0.0 if interest is None else self.w_interest * logit(interest))

    def match(self, score: float) -> float:
        """The probability in [0, 1] that the user wants an item of this score."""
        return _sigmoid(self.slope * score + self.bias)

    def match_interval(self, score: float) -> tuple[float, float] | None:
        """Where the fit places `match` with 95 % confidence; None where it was not fitted.

        It says how well the few held-out events fix the map from score to match, not how the item will fare.
        """
        if not self.slope_bias_covariance:
            return None
        slope, both, bias = self.slope_bias_covariance
        spread = _Z95 * math.sqrt(max(slope * score**2 + 2.0 * both * score + bias, 0.0))
        z = self.slope * score + self.bias
        return _sigmoid(z - spread), _sigmoid(z + spread)


def logit(probability: float) -> float:
    """log(p / (1 - p)), with p clipped to [1e-6, 1 - 1e-6]."""
    clipped = min(max(probability, _CLIP), 1.0 - _CLIP)
    return math.log(clipped / (1.0 - clipped))


def fit_blend(examples: Sequence[BlendExample], coverage: float) -> Blend:
    """Fit a blend on held-out events whose item is among the candidates.

    Args:
        examples: At least one; those with fewer than two candidates carry nothing.
        coverage: Share in (0, 1] of held-out events that retrieval covered at all; it lowers every match.

    Raises:
        DataError: No example has two candidates.
    """
    usable = [e for e in examples if len(e.retrieval) > 1]
    if not usable:
        raise DataError("no held-out event to fit the blend on: ingest more interactions, then run: convrec index")
    retrieval = [np.asarray(e.retrieval) for e in usable]
    logits = [np.asarray([logit(f) for f in e.interest]) for e in usable]
    chosen, wanted = [e.chosen for e in usable], [e.wanted for e in usable]
    alone = _conditional([[r] for r in retrieval], chosen, wanted)
    both = _conditional([[r, x] for r, x in zip(retrieval, logits, strict=True)], chosen, wanted)
    ratio = 2.0 * (alone[1] - both[1])
    weights = both[0] if ratio > _CHI2_95_ONE_SIDED else np.array([alone[0][0], 0.0])
    scores = [weights[0] * r + weights[1] * x for r, x in zip(retrieval, logits, strict=True)]
    labels = [_one_hot(len(s), c) for s, c in zip(scores, chosen, strict=True)]
    slope, bias = platt(np.concatenate(scores), np.concatenate(labels))
    return Blend(
        w_retrieval=float(weights[0]),
        w_interest=float(weights[1]),
        slope=slope,
        bias=bias + math.log(coverage),
        examples=len(usable),
        w_interest_raw=float(both[0][1]),
        likelihood_ratio=float(ratio),
        ndcg_retrieval=_ndcg(retrieval, chosen),
        ndcg_blend=_ndcg(scores, chosen),
        slope_bias_covariance=_covariance(scores, labels, slope, bias),
    )


def save_blend(blend: Blend, file: Path) -> None:
    """Write a blend so that a reader sees the old one or the new one, never half."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps(asdict(blend), indent=2))


def load_blend(file: Path) -> Blend:
    """The stored blend; retrieval alone where none was fitted yet.

    Raises:
        DataError: The file is not a blend.
    """
    if not file.exists():
        return Blend()
    try:
        return Blend.read(json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise DataError(f"{file} is not a blend ({error}); delete it and run: convrec index") from error


def _conditional(
    features: Sequence[Sequence[NDArray[np.float64]]], chosen: Sequence[int], wanted: Sequence[float]
) -> tuple[NDArray[np.float64], float]:
    """Weights >= 0 of a conditional logit and its negative log likelihood; a weak ridge bounds them."""
    stacked = [np.stack(f) for f in features]  # [W, C] each

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, gradient = 0.5e-3 * float(weights @ weights), 1e-3 * weights
        for matrix_W_C, index, counts in zip(stacked, chosen, wanted, strict=True):
            scores_C = weights @ matrix_W_C
            norm = logsumexp(scores_C)
            total += counts * (norm - scores_C[index])
            gradient = gradient + counts * (matrix_W_C @ np.exp(scores_C - norm) - matrix_W_C[:, index])
        return float(total), gradient

    width = len(stacked[0])
    result = minimize(loss, np.ones(width) * 0.5, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * width)
    return np.asarray(result.x), float(result.fun)


def platt(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    """Slope >= 0 and bias of a logistic map from score to label in [0, 1] (Platt 1999)."""

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * scores + parameters[1]
        error = 1.0 / (1.0 + np.exp(-z)) - labels
        total = float(np.sum(np.logaddexp(0.0, z) - labels * z)) + 0.5e-3 * float(parameters @ parameters)
        return total, np.array([error @ scores, error.sum()]) + 1e-3 * parameters

    result = minimize(loss, np.array([1.0, -2.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return float(result.x[0]), float(result.x[1])


def _covariance(
    scores: Sequence[NDArray[np.float64]], labels: Sequence[NDArray[np.float64]], slope: float, bias: float
) -> tuple[float, ...]:
    """Of slope and bias, robust to the candidates of one event being chosen among each other.

    Source: the sandwich of White 1982, "Maximum likelihood estimation of misspecified models", summed by event.
    """
    bread, meat = 1e-3 * np.eye(2), np.zeros((2, 2))
    for scores_C, labels_C in zip(scores, labels, strict=True):
        x_C_2 = np.stack([scores_C, np.ones_like(scores_C)], axis=1)
        expected_C = 1.0 / (1.0 + np.exp(-(slope * scores_C + bias)))
        bread += x_C_2.T @ (x_C_2 * (expected_C * (1.0 - expected_C))[:, None])
        gradient = x_C_2.T @ (expected_C - labels_C)
        meat += np.outer(gradient, gradient)
    inverse = np.linalg.inv(bread)
    spread = inverse @ meat @ inverse
    return float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1])


def _one_hot(length: int, index: int) -> NDArray[np.float64]:
    labels = np.zeros(length)
    labels[index] = 1.0
    return labels


def _ndcg(scores: Sequence[NDArray[np.float64]], chosen: Sequence[int]) -> float:
    """Mean of 1 / log2(1 + rank), ties against the chosen item."""
    ranks = [int((s >= s[c]).sum()) for s, c in zip(scores, chosen, strict=True)]
    return float(np.mean([1.0 / math.log2(1 + rank) for rank in ranks]))


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
