"""A small model that can be trained in seconds, and examples that it can learn."""

from pathlib import Path

import pytest

from convrec.engine.tokenizer import HFTokenizer
from convrec.prompting import Prompts
from convrec.ranking.examples import Example
from convrec.ranking.interest import InterestPrompts
from convrec.settings import Settings
from convrec.testing.examples import riesling_examples
from convrec.testing.model import tiny_model
from convrec.testing.recommender import wine_list


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, demo_data_dir) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    return tiny_model(folder, demo_data_dir / "models" / "SmolLM2-135M-Instruct")


@pytest.fixture(scope="session")
def tokenizer(tiny) -> HFTokenizer:
    return HFTokenizer(tiny)


@pytest.fixture(scope="session")
def prompts() -> InterestPrompts:
    return InterestPrompts(Prompts(Settings().prompts_dir).load("rank"), wine_list())


@pytest.fixture(scope="session")
def rieslings() -> list[Example]:
    return riesling_examples(60)
