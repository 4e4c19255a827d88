import numpy as np
import pytest

from convrec.retrieval.behaviour import BehaviourConfig
from convrec.retrieval.fusion import Fusion, FusionConfig, fit_fusion, offered
from convrec.retrieval.sequences import Sequences
from convrec.retrieval.signals import FEATURES, Past, Signals, fit_signals, top
from convrec.retrieval.transitions import TransitionConfig

ITEMS = 40


def choices(seed: int, ordered: bool) -> Sequences:
    """Sixty users who walk through the items in steps of one from somewhere, or who jump about."""
    random = np.random.default_rng(seed)
    walks = []
    for _ in range(60):
        start = int(random.integers(ITEMS))
        walk = [(start + n) % ITEMS for n in range(20)]
        walks.append(walk if ordered else random.permutation(ITEMS)[:20].tolist())
    items = np.array(walks, np.int64).ravel()
    return Sequences(np.arange(61) * 20, items, np.tile(np.arange(20.0), 60), np.ones(len(items), np.float32))


def fitted(sequences: Sequences) -> Signals:
    return fit_signals(sequences, ITEMS, BehaviourConfig(), TransitionConfig())


def learn(sequences: Sequences, config: FusionConfig | None = None) -> Fusion:
    before = sequences.before_last(5, 3)
    return fit_fusion(fitted(before), sequences, before, BehaviourConfig(), config or FusionConfig())


def test_order_is_learned_where_there_is_order() -> None:
    sequences = choices(0, ordered=True)
    fusion = learn(sequences)
    assert fusion.cases == 300
    assert len(fusion.weights) == len(FEATURES)
    signals = fitted(sequences)
    past = Past(np.arange(3, 9), np.ones(6, np.float32), 5.0)
    columns = np.setdiff1d(offered(signals, past, 0.8, 300), past.rows_H)
    scores = fusion.combine(signals.features(past, columns))
    assert columns[np.argmax(scores)] == 9


def test_noise_teaches_little() -> None:
    ordered, noise = learn(choices(1, ordered=True)), learn(choices(1, ordered=False))
    assert np.abs(noise.weights).max() < 0.5 * np.abs(ordered.weights).max()


def test_the_best_candidate_is_at_about_one() -> None:
    sequences = choices(2, ordered=True)
    fusion, signals = learn(sequences), fitted(sequences)
    best = []
    for start in range(20):
        past = Past(np.arange(start, start + 8), np.ones(8, np.float32), 8.0)
        columns = np.setdiff1d(offered(signals, past, 0.8, 300), past.rows_H)
        best.append(float(fusion.combine(signals.features(past, columns)).max()))
    assert np.mean(best) == pytest.approx(1.0, abs=0.25)


def test_too_few_choices_leave_the_defaults() -> None:
    few = Sequences(np.array([0, 8]), np.arange(8), np.arange(8.0), np.ones(8, np.float32))
    assert learn(few) == Fusion()


def test_a_sample_is_taken_and_is_the_same_each_time() -> None:
    sequences = choices(3, ordered=True)
    small = FusionConfig(cases=150)
    assert learn(sequences, small).cases == 150
    assert learn(sequences, small) == learn(sequences, small)
    assert learn(sequences, small) != learn(sequences, FusionConfig(cases=150, seed=1))


def test_features_do_not_change_with_what_holds_for_all_candidates() -> None:
    signals = fitted(choices(4, ordered=True))
    features = signals.features(Past(np.array([5, 6]), np.ones(2, np.float32), 1e12), np.arange(10, 30))
    assert features.shape == (20, len(FEATURES))
    assert features.mean(axis=0) == pytest.approx(0.0, abs=1e-9)
    assert all(spread == pytest.approx(1.0) or spread == 0.0 for spread in features.std(axis=0))
    alone = signals.features(Past(np.array([5]), np.ones(1, np.float32), 0.0), np.array([7]))
    assert not alone.any()


def test_top_is_ordered_by_score_then_index() -> None:
    scores = np.array([0.0, 3.0, 1.0, 3.0, -1.0])
    assert top(scores, 3).tolist() == [1, 3, 2]
    assert top(scores, 9).tolist() == [1, 3, 2, 0, 4]
    assert top(scores, 9, positive=True).tolist() == [1, 3, 2]
    assert top(scores, 0).tolist() == []
