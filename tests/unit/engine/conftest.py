"""One real model per test run: the demo's, loaded by the engine under test."""

import pytest

from convrec.engine.tokenizer import HFTokenizer


@pytest.fixture(scope="session")
def model_dir(demo_data_dir):
    return demo_data_dir / "models" / "SmolLM2-135M-Instruct"


@pytest.fixture(scope="session")
def hf_tokenizer(model_dir):
    return HFTokenizer(model_dir)
