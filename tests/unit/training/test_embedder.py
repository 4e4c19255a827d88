"""The embedder's training with a tiny model that is made here: what a checkpoint may be resumed for."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError
from convrec.progress import silent
from convrec.training.embedder import EmbedderConfig, train_embedder, train_soup
from convrec.training.requests import Pair
from convrec.types import Domain, Item

DOMAIN = Domain("things", "thing", "things", "use", "used", (), (), (1.0, 5.0))
WORDS = ("apple", "river", "cloud", "hammer")
CATALOGUE = Catalogue([Item(word, word) for word in WORDS], DOMAIN)
PAIRS = [Pair(f"the {word}", word, frozenset()) for word in WORDS]
CONFIG = EmbedderConfig(epochs=6, batch=2, tokens=8, checkpoint=4)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[int], Path]:
    """A way to make a base of its own seed."""

    def base(seed: int) -> Path:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers import BertConfig, BertModel, BertTokenizerFast

        folder = tmp_path / f"bert-{seed}"
        folder.mkdir()
        vocabulary = folder / "vocab.txt"
        vocabulary.write_text("\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", *WORDS)))
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=10, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        )
        BertModel(config).save_pretrained(folder)
        BertTokenizerFast(vocab=str(vocabulary)).save_pretrained(folder)
        target = tmp_path / f"base-{seed}"
        # Of a plain BERT it makes one with mean pooling.
        SentenceTransformer(str(folder)).save(str(target))
        return target

    return base


def stop_at(step: int) -> Callable[[float, str], None]:
    def progress(_: float, what: str) -> None:
        if f"step {step} " in what:
            raise KeyboardInterrupt

    return progress


def interrupted(base: Path, work: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_embedder(base, PAIRS, CATALOGUE, work, CONFIG, stop_at(7))


def test_a_resumed_run_logs_every_step_once(make: Callable[[int], Path], tmp_path: Path) -> None:
    base, work = make(0), tmp_path / "work"
    interrupted(base, work)
    train_embedder(base, PAIRS, CATALOGUE, work, CONFIG, silent)
    steps = [json.loads(line)["step"] for line in (work / "losses.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 13))


def test_a_half_written_last_line_of_the_log_is_dropped(make: Callable[[int], Path], tmp_path: Path) -> None:
    base, work = make(0), tmp_path / "work"
    interrupted(base, work)
    with (work / "losses.jsonl").open("a") as log:
        log.write('{"step": 8, "lo')
    train_embedder(base, PAIRS, CATALOGUE, work, CONFIG, silent)
    steps = [json.loads(line)["step"] for line in (work / "losses.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 13))


def test_a_checkpoint_of_another_base_is_refused(make: Callable[[int], Path], tmp_path: Path) -> None:
    work = tmp_path / "work"
    interrupted(make(0), work)
    with pytest.raises(DataError, match="base"):
        train_embedder(make(1), PAIRS, CATALOGUE, work, CONFIG, silent)


def test_a_checkpoint_of_as_many_other_pairs_is_refused(make: Callable[[int], Path], tmp_path: Path) -> None:
    base, work = make(0), tmp_path / "work"
    interrupted(base, work)
    others = [Pair(f"a {word}", word, frozenset()) for word in WORDS]
    with pytest.raises(DataError, match="pairs"):
        train_embedder(base, others, CATALOGUE, work, CONFIG, silent)


def test_the_base_may_have_moved(make: Callable[[int], Path], tmp_path: Path) -> None:
    base, work = make(0), tmp_path / "work"
    interrupted(base, work)
    steps: list[float] = []
    moved = base.rename(tmp_path / "elsewhere")
    train_embedder(moved, PAIRS, CATALOGUE, work, CONFIG, lambda done, _: steps.append(done))
    assert len(steps) == 12 - 4


def test_a_soup_is_the_mean_of_trainings_with_seeds_of_their_own(
    make: Callable[[int], Path], tmp_path: Path
) -> None:
    base, config = make(0), EmbedderConfig(epochs=1, batch=2, tokens=8)
    soup = load_file(
        train_soup(base, PAIRS, CATALOGUE, tmp_path / "soup", config, silent, 2) / "model.safetensors"
    )
    one, other = (
        load_file(
            train_embedder(base, PAIRS, CATALOGUE, tmp_path / str(seed), replace(config, seed=seed), silent)
            / "model.safetensors"
        )
        for seed in (0, 1)
    )
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert all(torch.allclose(soup[name], (one[name] + other[name]) / 2, atol=1e-6) for name in one)
