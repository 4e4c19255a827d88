"""A small model that can be trained in seconds, and examples that it can learn."""

import random
from pathlib import Path

import pytest

from convrec.engine.tokenizer import HFTokenizer
from convrec.prompting import Prompts
from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.ranking.interest import InterestPrompts
from convrec.settings import Settings
from convrec.testing.model import tiny_model
from convrec.testing.recommender import wine_list
from convrec.training.objective import fit_offset
from convrec.types import Profile, SessionState

CATALOGUE = wine_list()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, demo_data_dir) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    return tiny_model(folder, demo_data_dir / "models" / "SmolLM2-135M-Instruct")


@pytest.fixture(scope="session")
def tokenizer(tiny) -> HFTokenizer:
    return HFTokenizer(tiny)


@pytest.fixture(scope="session")
def prompts() -> InterestPrompts:
    return InterestPrompts(Prompts(Settings().prompts_dir).load("rank"), CATALOGUE)


@pytest.fixture(scope="session")
def rieslings() -> list[Example]:
    """Among six wines everybody wants the one Riesling, of which retrieval knows nothing."""
    dice = random.Random(0)
    grape = {item_id: item.values("grape")[0] for item_id, item in CATALOGUE.items()}
    wanted = [i for i in CATALOGUE.ids if grape[i] == "Riesling"]
    others = [i for i in CATALOGUE.ids if grape[i] != "Riesling"]
    examples = []
    for n in range(60):
        target = dice.choice(wanted)
        offered = [target, *dice.sample(others, 5)]
        dice.shuffle(offered)
        context = RankingContext(Profile(f"u{n}"), SessionState(), "what would you drink?")
        labels = tuple(float(i == target) for i in offered)
        scores = tuple(dice.random() for _ in offered)
        examples.append(
            Example(f"u{n}", float(n), context, tuple(offered), scores, labels, (1.0,) * 6, (f"e{n}",))
        )
    return fit_offset(examples).on(examples)
