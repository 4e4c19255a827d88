import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from convrec.errors import DataError
from convrec.progress import silent
from convrec.training.trainer import TrainerConfig, train_adapter

CONFIG = TrainerConfig(learning_rate=2e-2, epochs=4, batch=4, room=6, evaluations=5, patience=9)


def train(tiny, prompts, rieslings, work, config=CONFIG, progress=silent):
    return train_adapter(tiny, rieslings[:48], rieslings[48:], prompts, work, config, progress)


@pytest.fixture(scope="module")
def trained(tiny, prompts, rieslings, tmp_path_factory):
    work = tmp_path_factory.mktemp("trained")
    told = []
    found = train(tiny, prompts, rieslings, work, progress=lambda done, what: told.append((done, what)))
    return work, found, told


@pytest.mark.parametrize("objective", ["bce", "bce+offset", "softmax"])
def test_it_learns_what_retrieval_does_not_know(objective, tiny, prompts, rieslings, tmp_path) -> None:
    found = train(tiny, prompts, rieslings, tmp_path, replace(CONFIG, objective=objective))
    assert found.ndcg_start < 0.75
    assert found.ndcg_best > 0.95


def test_what_it_leaves(trained) -> None:
    work, found, told = trained
    weights = load_file(work / "adapter" / "adapter_model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.float16"}
    config = json.loads((work / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "model"
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 49))
    best = max(line["eval_ndcg"] for line in lines if "eval_ndcg" in line)
    assert found.ndcg_best == pytest.approx(best)
    assert told[-1][0] == 1.0
    assert "examples/s" in told[-1][1]


def test_a_seed_gives_the_same_adapter_and_a_killed_run_goes_on(
    trained, tiny, prompts, rieslings, tmp_path, monkeypatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(done: float, _what: str) -> None:
        if done > 0.6:
            raise Killed

    with pytest.raises(Killed):
        train(tiny, prompts, rieslings, tmp_path, progress=kill)
    # What kill -9 may leave: a checkpoint without its last file.
    (tmp_path / "checkpoint-47").mkdir()
    (tmp_path / "checkpoint-47" / "trainer_state.json").write_text('{"half')
    resumed = train(tiny, prompts, rieslings, tmp_path)
    work, found, _ = trained
    assert resumed.steps == found.steps
    assert resumed.ndcg_best == pytest.approx(found.ndcg_best)
    once, twice = (load_file(w / "adapter" / "adapter_model.safetensors") for w in (work, tmp_path))
    assert all(bool((once[name] == twice[name]).all()) for name in once)
    steps = [
        line["step"]
        for line in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
        if "loss" in line
    ]
    assert steps == list(range(1, 49))


def test_examples_that_share_a_pass_give_the_same_adapter(tiny, prompts, rieslings, tmp_path, monkeypatch) -> None:
    config = replace(CONFIG, epochs=1, learning_rate=1e-3)
    train(tiny, prompts, rieslings, tmp_path / "alone", config)
    monkeypatch.setattr("convrec.training.trainer._stacked", lambda batch, _gpu: batch)
    train(tiny, prompts, rieslings, tmp_path / "stacked", config)
    alone, stacked = (
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("alone", "stacked")
    )
    assert all(torch.allclose(alone[name], stacked[name], atol=2e-4) for name in alone)


def test_another_training_does_not_go_on_in_the_same_folder(trained, tiny, prompts, rieslings) -> None:
    work, _, _ = trained
    with pytest.raises(DataError, match="name another folder"):
        train(tiny, prompts, rieslings, work, replace(CONFIG, seed=1))


def test_nothing_to_learn_from_is_said(tiny, prompts, rieslings, tmp_path) -> None:
    with pytest.raises(DataError, match="collect more feedback"):
        train_adapter(tiny, [], rieslings, prompts, tmp_path, CONFIG, silent)
