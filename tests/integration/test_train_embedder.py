"""The embedder's training with the real model: it learns, goes on after kill -9, and repeats itself."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError
from convrec.progress import silent
from convrec.retrieval.embedding import SentenceEmbedder
from convrec.training.embedder import EmbedderConfig, train_embedder
from convrec.training.requests import Pair
from convrec.types import Domain, Item

pytestmark = pytest.mark.model

DOMAIN = Domain("things", "thing", "things", "use", "used", (), (), (1.0, 5.0))
CATALOGUE = Catalogue([Item(f"i{n}", f"article number {n}") for n in range(8)], DOMAIN)
WORDS = "apple river cloud hammer velvet tiger candle ocean".split()
PAIRS = [
    Pair(f"{opening} {word}", f"i{n}", frozenset()) for n, word in enumerate(WORDS) for opening in ("a", "the")
]
CONFIG = EmbedderConfig(epochs=6, batch=8, learning_rate=2e-4, tokens=16, checkpoint=4)

CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_train_embedder import CATALOGUE, CONFIG, PAIRS
from convrec.training.embedder import train_embedder

def die(fraction, what):
    if "step 7 " in what:
        os.kill(os.getpid(), signal.SIGKILL)

train_embedder(sys.argv[1], PAIRS, CATALOGUE, Path(sys.argv[2]), CONFIG, die)
"""


@pytest.fixture(scope="module")
def base(demo_data_dir: Path) -> Path:
    return demo_data_dir / "models" / "all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_embedder(base, PAIRS, CATALOGUE, tmp_path_factory.mktemp("whole"), CONFIG, silent)


def nearest(model: Path) -> float:
    """The share of requests whose own item is the nearest."""
    embedder = SentenceEmbedder(model)
    requests = embedder.embed([pair.text for pair in PAIRS])
    items = embedder.embed([CATALOGUE.describe(CATALOGUE[item_id]) for item_id in CATALOGUE.ids])
    found = [CATALOGUE.ids[n] for n in np.argmax(requests @ items.T, axis=1)]
    return float(np.mean([pair.item_id == item_id for pair, item_id in zip(PAIRS, found, strict=True)]))


def test_it_learns_what_pairs_say(base: Path, trained: Path) -> None:
    assert nearest(trained) > nearest(base) + 0.3
    losses = [json.loads(line)["loss"] for line in (trained.parent / "losses.jsonl").read_text().splitlines()]
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


def test_a_killed_training_goes_on_to_the_same_end(base: Path, trained: Path, tmp_path: Path) -> None:
    env = os.environ | {"HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", CHILD, str(base), str(tmp_path), str(Path(__file__).parent)]
    assert subprocess.run(command, env=env, check=False).returncode == -signal.SIGKILL
    steps: list[float] = []
    resumed = train_embedder(base, PAIRS, CATALOGUE, tmp_path, CONFIG, lambda done, _: steps.append(done))
    assert len(steps) == 12 - 4
    texts = [pair.text for pair in PAIRS]
    assert SentenceEmbedder(resumed).embed(texts) == pytest.approx(
        SentenceEmbedder(trained).embed(texts), abs=1e-4
    )


def test_a_checkpoint_of_other_settings_is_refused(base: Path, trained: Path) -> None:
    with pytest.raises(DataError, match="other settings or pairs"):
        train_embedder(base, PAIRS, CATALOGUE, trained.parent, EmbedderConfig(batch=8), silent)


def test_too_few_pairs_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fewer than a batch"):
        train_embedder(base, PAIRS[:3], CATALOGUE, tmp_path, CONFIG, silent)
