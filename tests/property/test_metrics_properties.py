"""Our metrics against those of ir-measures, RecTools and scikit-learn, on random rankings."""

import math
import warnings
from typing import Any

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, R, Success, nDCG
from rectools.metrics import (
    MRR,
    NDCG,
    CatalogCoverage,
    HitRate,
    IntraListDiversity,
    MeanInvUserFreq,
    PairwiseHammingDistanceCalculator,
    Recall,
)
from sklearn.metrics import brier_score_loss, ndcg_score, roc_auc_score

from convrec.evaluation.beyond import catalogue_coverage, intra_list_diversity, novelty
from convrec.evaluation.metrics import (
    auc,
    brier,
    calibration_error,
    graded_ndcg,
    hit,
    ndcg,
    recall,
    reciprocal_rank,
)

ITEMS = 12
rankings = st.lists(st.tuples(st.permutations(range(ITEMS)), st.integers(0, ITEMS - 1)), min_size=1, max_size=8)
cutoffs = st.integers(1, ITEMS)


def ranks_of(cases: list[tuple[list[int], int]], depth: int) -> np.ndarray:
    return np.array(
        [order.index(target) + 1 if order.index(target) < depth else math.inf for order, target in cases]
    )


def frames(cases: list[tuple[list[int], int]], depth: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    recommended = [
        (user, item, rank) for user, (order, _) in enumerate(cases) for rank, item in enumerate(order[:depth], 1)
    ]
    held = [(user, target) for user, (_, target) in enumerate(cases)]
    return (
        pd.DataFrame(recommended, columns=["user_id", "item_id", "rank"]),
        pd.DataFrame(held, columns=["user_id", "item_id"]),
    )


@settings(max_examples=60, deadline=None)
@given(cases=rankings, k=cutoffs)
def test_accuracy_agrees_with_ir_measures(cases: list[tuple[list[int], int]], k: int) -> None:
    qrels = [ir_measures.Qrel(str(q), str(target), 1) for q, (_, target) in enumerate(cases)]
    run = [
        ir_measures.ScoredDoc(str(q), str(item), float(ITEMS - place))
        for q, (order, _) in enumerate(cases)
        for place, item in enumerate(order)
    ]
    theirs = ir_measures.calc_aggregate([nDCG @ k, R @ k, RR @ k, Success @ k], qrels, run)
    ranks = ranks_of(cases, ITEMS)
    assert ndcg(ranks, k).mean() == pytest.approx(theirs[nDCG @ k])
    assert recall(ranks, k).mean() == pytest.approx(theirs[R @ k])
    assert reciprocal_rank(ranks, k).mean() == pytest.approx(theirs[RR @ k])
    assert hit(ranks, np.arange(len(cases)), k).mean() == pytest.approx(theirs[Success @ k])


@settings(max_examples=60, deadline=None)
@given(
    cases=st.lists(
        st.tuples(st.permutations(range(ITEMS)), st.sets(st.integers(0, ITEMS - 1), min_size=1, max_size=4)),
        min_size=1,
        max_size=6,
    ),
    k=cutoffs,
)
def test_hits_of_several_targets_agree_with_ir_measures(cases: list[tuple[list[int], set[int]]], k: int) -> None:
    qrels = [ir_measures.Qrel(str(q), str(t), 1) for q, (_, targets) in enumerate(cases) for t in targets]
    run = [
        ir_measures.ScoredDoc(str(q), str(item), float(ITEMS - place))
        for q, (order, _) in enumerate(cases)
        for place, item in enumerate(order)
    ]
    case_T = np.array([q for q, (_, targets) in enumerate(cases) for _ in targets])
    ranks_T = np.array([order.index(t) + 1.0 for order, targets in cases for t in targets])
    found = hit(ranks_T, case_T, k)
    assert found.mean() == pytest.approx(ir_measures.calc_aggregate([Success @ k], qrels, run)[Success @ k])
    # Recall of ir-measures is a mean over cases: ours over targets is the same when each case is averaged first.
    per_case = np.bincount(case_T, weights=recall(ranks_T, k)) / np.bincount(case_T)
    assert per_case.mean() == pytest.approx(ir_measures.calc_aggregate([R @ k], qrels, run)[R @ k])
    assert (found >= per_case).all()


@settings(max_examples=40, deadline=None)
@given(cases=rankings, k=cutoffs)
def test_accuracy_agrees_with_rectools(cases: list[tuple[list[int], int]], k: int) -> None:
    recommended, held = frames(cases, ITEMS)
    ranks = ranks_of(cases, ITEMS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = {
            "recall": Recall(k).calc(recommended, held),
            "hit": HitRate(k).calc(recommended, held),
            "mrr": MRR(k).calc(recommended, held),
            # Over the gain that can be achieved, which for one relevant item is 1.
            "ndcg": NDCG(k, divide_by_achievable=True).calc(recommended, held),
        }
    assert recall(ranks, k).mean() == pytest.approx(theirs["recall"])
    assert hit(ranks, np.arange(len(cases)), k).mean() == pytest.approx(theirs["hit"])
    assert reciprocal_rank(ranks, k).mean() == pytest.approx(theirs["mrr"])
    assert ndcg(ranks, k).mean() == pytest.approx(theirs["ndcg"])


@settings(max_examples=40, deadline=None)
@given(cases=rankings, k=st.integers(2, ITEMS), seed=st.integers(0, 1000))
def test_what_lists_are_like_agrees_with_rectools(cases: list[tuple[list[int], int]], k: int, seed: int) -> None:
    recommended, _ = frames(cases, k)
    lists = [np.array(order[:k], np.int64) for order, _ in cases]
    random = np.random.default_rng(seed)
    seen = pd.DataFrame(
        [(user, item) for user in range(6) for item in range(ITEMS) if random.random() < 0.5 or user == item % 6],
        columns=["user_id", "item_id"],
    )
    users_N = seen.groupby("item_id").size().reindex(range(ITEMS), fill_value=0).to_numpy()
    users = seen["user_id"].nunique()
    theirs: Any
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MeanInvUserFreq(k).calc(recommended, seen)
        coverage = CatalogCoverage(k, normalize=True).calc(recommended, range(ITEMS))
    assert novelty(lists, users_N, users).mean() == pytest.approx(theirs)
    assert catalogue_coverage(lists, ITEMS) == pytest.approx(coverage)
    # With vectors of one mark each, the cosine distance is 1 or 0 as the marks differ: RecTools's Hamming, halved.
    kinds = random.integers(0, 3, ITEMS)
    one_hot = np.eye(3)[kinds]
    distance = PairwiseHammingDistanceCalculator(pd.DataFrame(one_hot.astype(int), index=range(ITEMS)))
    expected = IntraListDiversity(k, distance).calc(recommended) / 2
    assert intra_list_diversity(lists, one_hot).mean() == pytest.approx(expected)


@settings(max_examples=80, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=2, max_size=30)
)
def test_auc_agrees_with_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    scores, liked = np.array([s for s, _ in pairs]), np.array([b for _, b in pairs])
    if liked.all() or not liked.any():
        return
    assert auc(scores, liked) == pytest.approx(roc_auc_score(liked, scores))


@settings(max_examples=80, deadline=None)
@given(cases=rankings, k=cutoffs)
def test_a_longer_cut_off_finds_no_less(cases: list[tuple[list[int], int]], k: int) -> None:
    ranks = ranks_of(cases, ITEMS)
    for metric in (recall, ndcg, reciprocal_rank):
        assert (metric(ranks, k) <= metric(ranks, k + 1)).all()
        assert (metric(ranks, k) <= recall(ranks, k)).all()
        assert (metric(ranks, k) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), bins=st.integers(1, 12))
def test_calibration_error_is_at_least_that_of_one_bin(pairs: list[tuple[float, bool]], bins: int) -> None:
    probabilities, happened = np.array([p for p, _ in pairs]), np.array([b for _, b in pairs])
    error = calibration_error(probabilities, happened, bins)
    assert abs(probabilities.mean() - happened.mean()) - 1e-12 <= error <= 1.0


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_the_brier_score_agrees_with_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    probabilities, happened = np.array([p for p, _ in pairs]), np.array([b for _, b in pairs])
    assert brier(probabilities, happened) == pytest.approx(brier_score_loss(happened, probabilities))


@given(
    st.lists(
        st.tuples(st.integers(0, 1000), st.floats(0.01, 1)), min_size=2, max_size=20, unique_by=lambda x: x[0]
    )
)
def test_graded_ndcg_is_scikit_learns(told: list[tuple[int, float]]) -> None:
    scores, gains = np.array([score for score, _ in told], np.float64), np.array([gain for _, gain in told])
    assert graded_ndcg(scores, gains, 10) == pytest.approx(ndcg_score([gains], [scores], k=10))
