"""Owns the training of a text embedder on pairs of request and item. It judges nothing: see embedder_gate.py.

In-batch softmax: of the items of a batch, a request's own must be the nearest. An item that is asked for often
is a counter-example as often, so its logit is lowered by `popularity` times its log frequency; items that were
wanted or named as well are left out:

    loss = - log softmax_j (cos(request_i, item_j) / temperature - popularity * log(1 + n_j))[i]

Source: Yi et al. 2019, "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", eq. 5,
with a factor on the correction. sentence-transformers' own trainer needs the `datasets` library and knows
neither the correction nor the exceptions.

What was tried on ReDial, learned from four fifths of the validation conversations and judged on the last fifth
(668 targets, under cross-fitted weights; intervals of R@10 reach .034 to either side). `plots`: items are read
with their prose, 128 tokens instead of 96; `mentions`: pairs of items named as well (requests.py); `soup`: mean
weights of three trainings with seeds of their own (Wortsman et al. 2022, "Model soups", sec. 2):

                                                pairs    R@1    R@10   R@50   NDCG@10
    untuned, plots                                  0    .0404  .1602  .3249  .0916
    batch 32, rate 4e-5, 3 epochs, plots        2,650    .0464  .2081  .4117  .1176
      and soup                                  2,650    .0509  .2066  .4102  .1195
      and mentions                              3,821    .0509  .2141  .3997  .1236
      and mentions, 2 epochs                    3,821    .0509  .2111  .4087  .1196
      and mentions, soup                        3,821    .0539  .2156  .4117  .1252
    batch 64, rate 6e-5, 4 epochs, plots        2,650    .0479  .2186  .4057  .1243
      and mentions, soup                        3,821    .0554  .2186  .4012  .1276
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError
from convrec.progress import Progress
from convrec.training.requests import Pair

_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class EmbedderConfig:
    """How an embedder is trained.

    Args:
        epochs, batch, learning_rate: Of AdamW, with a tenth of the steps to warm up and a linear fall.
        temperature: Of the softmax.
        popularity: Factor on the correction, 0 to 1.
        tokens: Longest text that is read.
        seed: Of order and dropout.
        checkpoint: Steps between checkpoints.
    """

    epochs: int = 4
    batch: int = 64
    learning_rate: float = 6e-5
    temperature: float = 0.05
    popularity: float = 0.5
    tokens: int = 128
    seed: int = 0
    checkpoint: int = 40


def train_embedder(
    base: str | Path,
    pairs: Sequence[Pair],
    catalogue: Catalogue,
    work: Path,
    config: EmbedderConfig,
    progress: Progress,
) -> Path:
    """Train a copy of `base`; a run that was killed goes on at its last checkpoint.

    Args:
        base: Folder or hub name of a sentence-transformers model.
        pairs: At least one batch.
        catalogue: Says what an item's text is.
        work: Folder for checkpoint.pt, losses.jsonl and the model.
        config: How.
        progress: Called after every step with the loss.

    Returns:
        The folder of the trained model, inside `work`.

    Raises:
        DataError: There are fewer pairs than a batch holds, or the checkpoint in `work` is of another base, other
            pairs or settings.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    if len(pairs) < config.batch:
        raise DataError(f"{len(pairs)} pairs are fewer than a batch of {config.batch}; bring more conversations")
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    model: Any = SentenceTransformer(str(base))
    model.max_seq_length = config.tokens
    per_epoch = len(pairs) // config.batch
    steps = config.epochs * per_epoch
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    counts = Counter(pair.item_id for pair in pairs)
    made = asdict(config) | {"base": _weights_hash(torch, model), "pairs": pairs_hash(pairs, catalogue)}
    done = _resume(torch, model, optimizer, schedule, work / "checkpoint.pt", made)
    model.train()
    with _log(work / "losses.jsonl", done) as log:
        for step in range(done, steps):
            epoch, place = divmod(step, per_epoch)
            if place == 0 or step == done:
                order = random.Random(config.seed * 1000 + epoch).sample(range(len(pairs)), len(pairs))
            batch = [pairs[n] for n in order[place * config.batch : (place + 1) * config.batch]]
            loss = _loss(torch, model, batch, catalogue, counts, config)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            log.write(json.dumps({"step": step + 1, "loss": round(loss.item(), 4)}) + "\n")
            log.flush()
            progress((step + 1) / steps, f"loss {loss.item():.3f}, step {step + 1} of {steps}")
            if (step + 1) % config.checkpoint == 0:
                _save(torch, model, optimizer, schedule, step + 1, work, made)
    model.eval()
    target = work / "model"
    shutil.rmtree(target, ignore_errors=True)
    model.save(str(target))
    return target


def train_soup(
    base: str | Path,
    pairs: Sequence[Pair],
    catalogue: Catalogue,
    work: Path,
    config: EmbedderConfig,
    progress: Progress,
    trainings: int = 1,
) -> Path:
    """`train_embedder` with as many seeds, the first of them config.seed; the folder of their mean, inside `work`.

    Raises: as `train_embedder`.
    """

    def train(number: int) -> Path:
        return train_embedder(
            base,
            pairs,
            catalogue,
            work / str(number) if trainings > 1 else work,
            replace(config, seed=config.seed + number),
            lambda done, what: progress((number + done) / trainings, f"training {number + 1}: {what}"),
        )

    models = [train(number) for number in range(trainings)]
    if trainings == 1:
        return models[0]
    from safetensors.torch import load_file, save_file

    own = [load_file(model / _WEIGHTS) for model in models]
    mean = {name: sum(weights[name] for weights in own) / trainings for name in own[0]}
    target = work / "model"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(models[0], target)
    save_file(mean, target / _WEIGHTS, metadata={"format": "pt"})
    return target


def _loss(
    torch: Any,
    model: Any,
    batch: Sequence[Pair],
    catalogue: Catalogue,
    counts: Counter[str],
    config: EmbedderConfig,
) -> Any:
    requests = _encode(torch, model, [pair.text for pair in batch])
    items = _encode(torch, model, [catalogue.passage(catalogue[pair.item_id]) for pair in batch])
    frequency = torch.tensor([math.log1p(counts[pair.item_id]) for pair in batch], device=requests.device)
    logits = requests @ items.T / config.temperature - config.popularity * frequency
    excepted = [
        [row != column and other.item_id in pair.related for column, other in enumerate(batch)]
        for row, pair in enumerate(batch)
    ]
    logits = logits.masked_fill(torch.tensor(excepted, device=logits.device), -math.inf)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(batch), device=logits.device))


def _encode(torch: Any, model: Any, texts: Sequence[str]) -> Any:
    features = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in model.preprocess(list(texts)).items()
    }
    return torch.nn.functional.normalize(model(features)["sentence_embedding"], dim=1)


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))


def _save(
    torch: Any, model: Any, optimizer: Any, schedule: Any, step: int, work: Path, made: dict[str, Any]
) -> None:
    staging = work / "checkpoint.staging"
    state = {
        "made": made,
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "random": torch.get_rng_state(),
    }
    torch.save(state, staging)
    staging.replace(work / "checkpoint.pt")


def _weights_hash(torch: Any, model: Any) -> str:
    """sha256 (hex) of a model's weights, the same wherever its folder lies."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        # As bytes: numpy knows no bfloat16.
        digest.update(name.encode() + value.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def pairs_hash(pairs: Sequence[Pair], catalogue: Catalogue) -> str:
    """sha256 (hex) of all that is learned from: requests, items' texts, and what is no counter-example."""
    digest = hashlib.sha256()
    for pair in pairs:
        told = [pair.text, pair.item_id, catalogue.passage(catalogue[pair.item_id]), sorted(pair.related)]
        digest.update(json.dumps(told).encode() + b"\n")
    return digest.hexdigest()


def _log(file: Path, done: int) -> TextIO:
    """The log of losses, open at its end, without what a killed run wrote after its checkpoint."""
    kept = file.read_text(encoding="utf-8").splitlines(keepends=True)[:done] if file.exists() else []
    file.write_text("".join(kept), encoding="utf-8")
    return file.open("a", encoding="utf-8")


def _resume(torch: Any, model: Any, optimizer: Any, schedule: Any, file: Path, made: dict[str, Any]) -> int:
    """Steps that are done; 0 without a checkpoint."""
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    if state["made"] != made:
        raise DataError(
            f"{file} is of another base, other settings or pairs; delete its folder or name another --out"
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    torch.set_rng_state(state["random"])
    return int(state["step"])
