"""Owns the learned combination of the signals: its weights and how they are fitted on held-out choices.

    history(u, i) = sum over features f of  w_f x_f(u, i) / spread

The weights maximise the likelihood of held-out choices among what retrieval offers in their place (multinomial
logit: McFadden 1974, "Conditional logit analysis of qualitative choice behavior") with a small ridge. The signals
are fitted without the held-out choices for that, and on everything afterwards. `spread` is the mean of the best
candidate's score, so that the best candidate of a history is at about 1 whatever the catalogue.

Measured on MovieLens-100K on the 2nd to 5th last choice of every user (3,772 predictions; signals fitted on what
came before them, full ranking, the last choice took no part), NDCG@10 / Recall@50, standard error .005 / .008:

    these eight features            .145 / .563    (mean log likelihood -4.834)
    without ease_short              .142 / .563
    without next_1                  .144 / .563
    without next_30                 .145 / .563    (of use on latest-small: .121 against .124)
    without popularity_180d         .143 / .563
    with text of the history        .144 / .565    (-4.821)
    with release year and its gap   .144 / .563    (-4.831)

Before, cross-validated by user (4 folds), on 4,715 and 3,050 predictions:

                                    MovieLens-100K    latest-small, 5-core
    EASE, decay .8                  .127 / .528       .082 / .349
    EASE with locality, decay .8    .135 / .554       .101 / .394
    next_10 alone                   .122 / .536       .109 / .397
    27 features (more decays, cosines, position in the user's life, ratings)
                                    .144 / .568       .123 / .430
    LambdaMART (LightGBM, 150 trees) over the 27 and their combination
                                    .140 / .571       .118 / .431
    eight features unstandardised   .141 / .550       .121 / .406
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from convrec.progress import Progress, silent
from convrec.retrieval.behaviour import BehaviourConfig
from convrec.retrieval.sequences import Rows, Sequences
from convrec.retrieval.signals import Features, Past, Signals, top

_RIDGE = 1e-3
_LEAST_CASES = 100


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """What the combination is fitted on.

    Args:
        held_out: How many of each user's last choices.
        cases: At most so many held-out choices, a random sample of them.
        pool: Candidates per source, as in serving.
        seed: Of the sample.
    """

    held_out: int = 5
    cases: int = 4000
    pool: int = 300
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fusion:
    """Fitted weights.

    Args:
        weights: One per feature, in the order of FEATURES. The defaults are those of MovieLens-100K.
        spread: See the module, > 0.
        cases: How many held-out choices they rest on; 0 means the defaults.
    """

    weights: tuple[float, ...] = (0.125, 0.326, 0.087, 0.588, 0.031, -0.16, 0.422, -0.363)
    spread: float = 3.6
    cases: int = 0

    def combine(self, features_C_F: Features) -> NDArray[np.float64]:
        """scores_C of candidates."""
        combined_C: NDArray[np.float64] = np.einsum("cf,f->c", features_C_F, np.array(self.weights)) / self.spread
        return combined_C


def fit_fusion(
    signals: Signals,
    sequences: Sequences,
    before: Sequences,
    behaviour: BehaviourConfig,
    config: FusionConfig,
    progress: Progress = silent,
) -> Fusion:
    """Fit the weights on the choices that `before` lacks; the defaults where these are fewer than 100.

    Args:
        signals: Fitted on `before` and nothing else.
        sequences: Everybody's choices.
        before: The same without what is held out, see Sequences.before_last.
        behaviour: Says how much of a history counts.
        config: On how many.
        progress: Called with a fraction in [0, 1].
    """
    lengths_U = np.diff(before.starts_U1)
    held = [
        (user, place)
        for user in range(sequences.users)
        for place in range(int(lengths_U[user]), int(sequences.starts_U1[user + 1] - sequences.starts_U1[user]))
    ]
    if len(held) > config.cases:
        picked = np.random.default_rng(config.seed).choice(len(held), config.cases, replace=False)
        held = [held[n] for n in sorted(picked)]
    cases: list[Features] = []
    for done, (user, place) in enumerate(held):
        if (case := _case(signals, sequences, user, place, behaviour, config.pool)) is not None:
            cases.append(case)
        if done % 200 == 0:
            progress(done / len(held), "learning how signals combine")
    if len(cases) < _LEAST_CASES:
        return Fusion()
    weights = fit_choices(cases)
    spread = float(np.mean([(case @ weights).max() for case in cases]))
    return Fusion(tuple(float(w) for w in weights), max(spread, 1e-6), len(cases))


def offered(signals: Signals, past: Past, decay: float, pool: int) -> Rows:
    """What a history's sources offer, exactly: as the retriever's, which asks Chroma."""
    rows = [signals.followers(past, pool // 2)]
    for vector_F, n in signals.asked(past, decay, pool):
        rows.append(top(np.einsum("f,nf->n", vector_F, signals.behaviour.right_N_F), n + len(past.rows_H)))
    return np.unique(np.concatenate(rows))


def _case(
    signals: Signals, sequences: Sequences, user: int, place: int, behaviour: BehaviourConfig, pool: int
) -> Features | None:
    """features_C_F of what was offered instead of a choice, the choice first; None where it was not offered."""
    own = sequences.of(user)
    items_L = sequences.items_E[own]
    first = max(0, place - behaviour.window)
    past = Past(
        items_L[first:place], sequences.signals_E[own][first:place], float(sequences.times_E[own][place - 1])
    )
    columns_C = np.setdiff1d(offered(signals, past, behaviour.decay, pool), items_L[:place])
    at = np.flatnonzero(columns_C == items_L[place])
    if not len(at):
        return None
    features_C_F = signals.features(past, columns_C)
    return np.concatenate([features_C_F[at], np.delete(features_C_F, at, axis=0)])


def fit_choices(cases: Sequence[Features]) -> NDArray[np.float64]:
    """Weights of a multinomial logit in which the first candidate of each case was chosen, with a small ridge.

    Args:
        cases: At least one; features_C_F each, F the same for all.

    Returns:
        weights_F.
    """
    width, features = max(len(case) for case in cases), cases[0].shape[1]
    x_B_C_F = np.zeros((len(cases), width, features), np.float32)
    absent_B_C = np.ones((len(cases), width), bool)
    for row, case in enumerate(cases):
        x_B_C_F[row, : len(case)] = case
        absent_B_C[row, : len(case)] = False

    def loss(w_F: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits_B_C = np.where(absent_B_C, -np.inf, x_B_C_F @ w_F.astype(np.float32)).astype(np.float64)
        log_total_B = logsumexp(logits_B_C, axis=1)
        p_B_C = np.exp(logits_B_C - log_total_B[:, None]).astype(np.float32)
        expected_F = np.tensordot(p_B_C, x_B_C_F, axes=([0, 1], [0, 1]))
        gradient_F = (expected_F - x_B_C_F[:, 0].sum(axis=0)) / len(cases) + 2 * _RIDGE * w_F
        return float((log_total_B - logits_B_C[:, 0]).mean() + _RIDGE * w_F @ w_F), gradient_F

    result = minimize(loss, np.zeros(features), jac=True, method="L-BFGS-B")
    fitted: NDArray[np.float64] = result.x
    return fitted
