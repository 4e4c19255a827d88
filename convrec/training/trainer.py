"""Owns the training of a LoRA adapter on examples, with PEFT and transformers' Trainer. Judges nothing.

Each version starts from the base model. A run that was killed goes on at its last whole checkpoint; the same
examples, settings and seed give the same adapter on the same machine. Several GPUs: `accelerate launch`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convrec.dialogue.questions import QuestionPrompts
from convrec.engine.tokenizer import HFTokenizer
from convrec.errors import DataError
from convrec.progress import Progress
from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.ranking.interest import InterestPrompts
from convrec.training.message_examples import MessageExample
from convrec.training.objective import Objective
from convrec.training.packs import Packs, collate
from convrec.types import Profile, SessionState

if TYPE_CHECKING:
    from convrec.training.message_packs import MessagePacks
    from convrec.training.pack_trainer import Scoring

_LAYERS, _ATTENTION = ".layers.", ".self_attn."
"""In the names of a causal language model's modules, as transformers calls them."""

_STACKED, _WORKERS = 4, 4
"""Examples per pass and processes that make them, on GPUs, which one does not fill. A CPU gains by neither."""


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """How an adapter is trained.

    Args:
        objective, scale: See objective.py.
        rank, alpha: Of LoRA; the update is alpha / rank * B A.
        modules: Which linear modules get one.
        layers: Share of the model's layers, from the top, whose modules do. No gradient goes below them: a step
            of the 135M model on 600 tokens takes 2.7 s with 15 of its 30 layers and 4.2 s with all (2 cores).
        learning_rate, epochs, batch, warmup: Of AdamW with a warm-up over that share of the steps and a cosine
            fall; batch is examples per step.
        room: Candidates per example and step, drawn anew in every epoch; of the held-out ones, once.
        evaluations: How often the held-out NDCG is measured; the best is what is kept.
        patience: Evaluations without a new best after which training ends.
        seed: Of initial weights, order and draws.
        reporters: Of transformers ("tensorboard", "wandb", ...), besides metrics.jsonl.
    """

    objective: Objective = "bce+offset"
    scale: float = 1.0
    rank: int = 8
    alpha: int = 16
    modules: Literal["all-linear", "attention"] = "all-linear"
    layers: float = 0.5
    learning_rate: float = 1e-3
    epochs: int = 1
    batch: int = 2
    warmup: float = 0.05
    room: int = 12
    evaluations: int = 4
    patience: int = 4
    seed: int = 0
    reporters: tuple[str, ...] = ()


def digest(examples: Sequence[Example]) -> str:
    """sha256 (hex) of everything in examples that has an order: sets differ from process to process."""
    found = hashlib.sha256()
    for example in examples:
        context, profile = example.context, example.context.profile
        known = (profile.user_id, profile.history, profile.liked, profile.disliked)
        told = replace(example, context=RankingContext(Profile(""), SessionState()))
        found.update(repr((known, context.state, context.message, told)).encode())
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left.

    Args:
        ndcg_start, ndcg_best: Held-out NDCG over the drawn candidates before training and of what was kept.
        steps: How many were made.
    """

    ndcg_start: float
    ndcg_best: float
    steps: int


@dataclass(frozen=True, slots=True)
class TrainedOnMessages:
    """What a training on messages left.

    Args:
        right_start, right_best: Share of held-out questions answered right, before and by what was kept.
        steps: How many were made.
    """

    right_start: float
    right_best: float
    steps: int


def train_adapter(
    base: str | Path,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    prompts: InterestPrompts,
    work: Path,
    config: TrainerConfig,
    progress: Progress,
    initial: Path | None = None,
) -> Trained:
    """Train an adapter into `work/adapter`: adapter_model.safetensors (float16) and adapter_config.json.

    Args:
        base: Folder or hub name of the model.
        examples: To learn from, with their offsets.
        held_out: Later than those, with theirs; their NDCG decides which weights are kept.
        prompts: What is served with the adapter.
        work: Of this training alone: checkpoints and metrics.jsonl lie there too.
        progress: Called with the fraction done, and loss and examples per second.
        initial: An adapter to go on from; None starts from the base model.

    Raises:
        DataError: There is nothing to learn from or to choose by, or `work` holds a training on something else.
    """
    from convrec.training.scoring import InterestScoring

    _require(examples, held_out)
    told = [asdict(config), str(base), digest(examples), digest(held_out), str(initial)]
    tokenizer = HFTokenizer(base)
    fed = Packs(examples, prompts, tokenizer, config.epochs, config.room, config.seed)
    judged = Packs(held_out, prompts, tokenizer, room=config.room, seed=config.seed)
    scoring = InterestScoring(fed.labels, config.objective, config.scale)
    start, best, steps = _train(base, fed, judged, scoring, config.batch, told, work, config, progress, initial)
    return Trained(start, best, steps)


def train_on_messages(
    base: str | Path,
    examples: Sequence[MessageExample],
    held_out: Sequence[MessageExample],
    prompts: QuestionPrompts,
    work: Path,
    config: TrainerConfig,
    progress: Progress,
) -> TrainedOnMessages:
    """Train an adapter that answers questions about messages, into `work/adapter` as `train_adapter` does.

    Args:
        base: Folder or hub name of the model.
        examples: To learn from.
        held_out: Of other units; the share of their questions that is answered right decides what is kept.
        prompts: What is served with the adapter.
        work: Of this training alone.
        config: Of it objective, scale and room have no meaning here.
        progress: As for `train_adapter`.

    Raises:
        DataError: As `train_adapter`.
    """
    from convrec.training import message_packs

    _require(examples, held_out)
    told = [asdict(config), str(base), message_packs.digest(examples), message_packs.digest(held_out)]
    tokenizer = HFTokenizer(base)
    fed = message_packs.MessagePacks(examples, prompts, tokenizer, config.epochs, config.batch, config.seed)
    judged = message_packs.MessagePacks(held_out, prompts, tokenizer, together=config.batch)
    scoring = message_packs.AnswerScoring(fed.labels)
    return TrainedOnMessages(*_train(base, fed, judged, scoring, 1, told, work, config, progress))


def _require(examples: Sequence[object], held_out: Sequence[object]) -> None:
    if not examples or not held_out:
        raise DataError(
            f"{len(examples)} examples to learn from and {len(held_out)} to choose by: collect more feedback first"
        )


def _train(
    base: str | Path,
    fed: Packs | MessagePacks,
    judged: Packs | MessagePacks,
    scoring: Scoring,
    accumulated: int,
    told: Sequence[object],
    work: Path,
    config: TrainerConfig,
    progress: Progress,
    initial: Path | None = None,
) -> tuple[float, float, int]:
    """Train on packs, of which `accumulated` make a step.

    Args:
        told: What makes this training another than others.

    Returns:
        The held-out figure before and of what is kept, and the number of steps.
    """
    import torch
    from transformers import EarlyStoppingCallback, TrainingArguments

    from convrec.training.pack_trainer import PackTrainer
    from convrec.training.watch import Watch

    _own(work, json.dumps(told, sort_keys=True))
    steps = math.ceil(len(fed) / accumulated)
    torch.manual_seed(config.seed)
    every = max(1, steps // config.evaluations)
    gpu = torch.cuda.is_available()
    stacked = _stacked(accumulated, gpu)
    trainer = PackTrainer(
        scoring,
        model=_with_lora(base, config, gpu, initial),
        args=TrainingArguments(
            output_dir=str(work),
            per_device_train_batch_size=stacked,
            per_device_eval_batch_size=_stacked(_STACKED, gpu) if accumulated > 1 else 1,
            gradient_accumulation_steps=accumulated // stacked,
            learning_rate=config.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=config.warmup,
            num_train_epochs=1,
            eval_strategy="steps",
            eval_steps=every,
            save_strategy="steps",
            save_steps=every,
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model=f"eval_{scoring.figure}",
            greater_is_better=True,
            logging_steps=1,
            report_to=list(config.reporters),
            remove_unused_columns=False,
            dataloader_num_workers=_WORKERS if gpu else 0,
            dataloader_pin_memory=gpu,
            disable_tqdm=True,
            bf16=gpu,
            use_cpu=not gpu,
            seed=config.seed,
            data_seed=config.seed,
        ),
        data_collator=collate,
        train_dataset=fed,
        eval_dataset=judged,
        callbacks=[EarlyStoppingCallback(config.patience), Watch(work / "metrics.jsonl", progress)],
    )
    checkpoint = _last_whole(work)
    start = _start(trainer, f"eval_{scoring.figure}", work / "start.json")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    best = trainer.state.best_metric
    _save(trainer.model, Path(base).name, work / "adapter")
    return start, float(best if best is not None else start), trainer.state.global_step


def _stacked(batch: int, gpu: bool) -> int:
    """How many examples share a pass."""
    return math.gcd(batch, _STACKED) if gpu else 1


def _with_lora(base: str | Path, config: TrainerConfig, gpu: bool, initial: Path | None) -> Any:
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        str(base), dtype=torch.bfloat16 if gpu else torch.float32, attn_implementation="sdpa"
    )
    if initial is not None:
        return PeftModel.from_pretrained(model, str(initial), is_trainable=True)
    modules = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and _LAYERS in name
        and (config.modules == "all-linear" or _ATTENTION in name)
    }
    layers = int(model.config.num_hidden_layers)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        target_modules=sorted(modules),
        layers_to_transform=list(range(layers))[-max(1, round(config.layers * layers)) :],
        layers_pattern=_LAYERS.strip("."),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


def _start(trainer: Any, figure: str, file: Path) -> float:
    """Before any training; measured once, also where the run is resumed."""
    if not file.is_file():
        file.write_text(json.dumps(trainer.evaluate()[figure]))
    return float(json.loads(file.read_text()))


def _last_whole(work: Path) -> Path | None:
    """The newest checkpoint whose last file, the trainer's state, was written to its end."""
    for folder in sorted(work.glob("checkpoint-*"), key=lambda f: -int(f.name.rpartition("-")[2])):
        try:
            json.loads((folder / "trainer_state.json").read_text())
        except (OSError, ValueError):
            continue
        return folder
    return None


def _own(work: Path, made: str) -> None:
    work.mkdir(parents=True, exist_ok=True)
    note = work / "training.json"
    if note.is_file() and note.read_text() != made:
        raise DataError(f"{work} holds a training with other settings or data; name another folder")
    note.write_text(made)


def _save(model: Any, base: str, folder: Path) -> None:
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    weights = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in get_peft_model_state_dict(model).items()
    }
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.inference_mode = base, True
    config.save_pretrained(str(folder))
