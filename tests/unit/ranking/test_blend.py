import json
from dataclasses import replace

import numpy as np
import pytest

from convrec.errors import DataError
from convrec.ranking.blend import Blend, BlendExample, fit_blend, load_blend, logit, save_blend


def examples(n: int, *, llm_knows: float, seed: int = 0) -> list[BlendExample]:
    """Held-out choices drawn from softmax(2 * retrieval + llm_knows * logit f)."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        retrieval, logits = rng.normal(size=10), rng.normal(size=10)
        utility = 2.0 * retrieval + llm_knows * logits
        chosen = int(rng.choice(10, p=np.exp(utility) / np.exp(utility).sum()))
        made.append(BlendExample(tuple(retrieval), tuple(1 / (1 + np.exp(-logits))), chosen))
    return made


def test_an_llm_that_knows_nothing_gets_no_weight_and_keeps_retrieval_order() -> None:
    blend = fit_blend(examples(200, llm_knows=0.0), coverage=0.5)
    assert blend.w_interest == 0.0
    assert blend.w_retrieval == pytest.approx(2.0, abs=0.4)
    assert blend.ndcg_blend == blend.ndcg_retrieval


def test_an_llm_that_knows_earns_its_weight_and_lifts_ndcg() -> None:
    blend = fit_blend(examples(200, llm_knows=1.0), coverage=0.5)
    assert blend.w_interest == pytest.approx(1.0, abs=0.3)
    assert blend.ndcg_blend > blend.ndcg_retrieval
    assert blend.likelihood_ratio > 2.706


def test_an_llm_that_is_always_wrong_is_never_used_against_itself() -> None:
    blend = fit_blend(examples(200, llm_knows=-1.0), coverage=0.5)
    assert blend.w_interest == 0.0


def test_match_is_calibrated_to_the_share_of_chosen_items() -> None:
    made = examples(400, llm_knows=0.0)
    blend = fit_blend(made, coverage=0.5)
    matches = [blend.match(blend.score(r, f)) for e in made for r, f in zip(e.retrieval, e.interest, strict=True)]
    assert float(np.mean(matches)) == pytest.approx(0.5 / 10, rel=0.25)
    assert all(0.0 <= m <= 1.0 for m in matches)


def test_match_rises_with_score() -> None:
    blend = fit_blend(examples(100, llm_knows=0.0), coverage=1.0)
    assert blend.match(3.0) > blend.match(0.0) > blend.match(-3.0)


def test_a_choice_counts_as_much_as_it_was_wanted() -> None:
    """Half of the choices were regretted; the model tells which, and only weights show that it is right."""
    made = examples(300, llm_knows=1.0)
    regretted = examples(300, llm_knows=-1.0, seed=1)
    alike = fit_blend([*made, *regretted], coverage=1.0).w_interest
    told = [replace(example, wanted=0.05) for example in regretted]
    assert fit_blend([*made, *told], coverage=1.0).w_interest > 0.7 > 0.2 > alike


def test_nothing_to_fit_on_says_what_to_do() -> None:
    with pytest.raises(DataError, match="convrec index"):
        fit_blend([BlendExample((1.0,), (0.5,), 0)], coverage=1.0)


def test_a_stored_blend_comes_back(tmp_path) -> None:
    file = tmp_path / "blend.json"
    assert load_blend(file) == Blend()
    blend = fit_blend(examples(50, llm_knows=1.0), coverage=0.3)
    save_blend(blend, file)
    assert load_blend(file) == blend
    assert [f.name for f in tmp_path.iterdir()] == ["blend.json"]


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"w": 1})])
def test_a_damaged_blend_is_an_error_that_says_what_to_do(tmp_path, text) -> None:
    file = tmp_path / "blend.json"
    file.write_text(text)
    with pytest.raises(DataError, match="convrec index"):
        load_blend(file)


@pytest.mark.parametrize("probability", [0.0, 1.0, 0.5])
def test_logit_is_finite_everywhere(probability) -> None:
    assert abs(logit(probability)) < 14


def test_the_interval_of_match_holds_the_match_of_many_events() -> None:
    """Of 40 fits on 100 events each; 95 % is the aim, and chance with 40 fits may take a few."""
    usual = fit_blend(examples(4_000, llm_knows=0.0, seed=99), coverage=1.0)
    held = 0
    for seed in range(40):
        blend = fit_blend(examples(100, llm_knows=0.0, seed=seed), coverage=1.0)
        score = 1.0 * blend.w_retrieval
        low, high = blend.match_interval(score) or (1.0, 0.0)
        assert low < blend.match(score) < high
        held += low <= usual.match(1.0 * usual.w_retrieval) <= high
    assert held >= 34


def test_more_events_narrow_the_interval() -> None:
    few, many = (fit_blend(examples(n, llm_knows=0.0), coverage=0.5) for n in (50, 800))
    widths = [high - low for low, high in filter(None, (few.match_interval(1.0), many.match_interval(1.0)))]
    assert widths[1] < widths[0] / 2


def test_without_a_fit_there_is_no_interval(tmp_path) -> None:
    assert Blend().match_interval(1.0) is None
    blend = fit_blend(examples(30, llm_knows=0.0), coverage=0.5)
    save_blend(blend, tmp_path / "blend.json")
    assert load_blend(tmp_path / "blend.json") == blend
