from pathlib import Path

import pytest
from transformers import LlamaConfig, Qwen3MoeConfig

from convrec.engine.size import parameters


def test_a_model_is_as_large_as_its_configuration_says(tmp_path: Path) -> None:
    LlamaConfig(
        vocab_size=128_256, hidden_size=4096, num_hidden_layers=32, intermediate_size=14_336
    ).save_pretrained(tmp_path)
    assert parameters(tmp_path) == pytest.approx(8e9, rel=0.2)


def test_all_experts_of_a_mixture_count(tmp_path: Path) -> None:
    Qwen3MoeConfig(
        vocab_size=1000, hidden_size=64, num_hidden_layers=2, intermediate_size=128, num_experts=8
    ).save_pretrained(tmp_path)
    assert parameters(tmp_path) == pytest.approx(1000 * 64 + 2 * (4 * 64 * 64 + 3 * 8 * 64 * 128))


def test_what_cannot_be_read_has_no_size(tmp_path: Path) -> None:
    assert parameters(tmp_path / "no such folder") is None
