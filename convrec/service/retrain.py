"""Owns one run of the learning loop: ledger, lessons, adapter, gate, registry.

One at a time: under a lock in the data folder. A run that was killed goes on where it was if the ledger is the
same.
"""

from __future__ import annotations

import asyncio
import filecmp
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from convrec.data.catalogue import Catalogue
from convrec.engine.base import AdapterRef, Engine
from convrec.engine.transformers import TransformersEngine
from convrec.engine.vllm import vllm_available
from convrec.errors import ConvRecError, DataError
from convrec.progress import Progress
from convrec.ranking.blend import Blend
from convrec.ranking.examples import Example
from convrec.ranking.interest import Interest, InterestPrompts
from convrec.service.build import Workshop
from convrec.service.engines import start_engine
from convrec.service.erase import unlearned
from convrec.service.prompts_check import adapter_objections
from convrec.service.schedule import LastRun, write_last_run
from convrec.service.steps import Steps
from convrec.training.base_model import base_hash, base_name
from convrec.training.gate import GateConfig, Interests, Verdict, judge
from convrec.training.lessons import Lessons, LessonsConfig, make_lessons
from convrec.training.manifest import WEIGHTS, AdapterManifest, check_servable
from convrec.training.parity import measure_parity
from convrec.training.registry import AdapterVersion
from convrec.training.trainer import TrainerConfig, digest, train_adapter

_PARITY_EXAMPLES = 3
_SCORE_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class RetrainConfig:
    """What is trained, and how it is judged.

    Args:
        name: Of the adapter; each run makes its next version.
        lessons, trainer, gate: Of the stages.
        promote: Make it active where it is accepted.
    """

    name: str = "default"
    lessons: LessonsConfig = field(default_factory=LessonsConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    promote: bool = True


@dataclass(frozen=True, slots=True)
class Retrained:
    """What a run left.

    Args:
        version: In the registry, accepted or not; None where the files could not even be kept.
        verdict: Of the gate.
        promoted: Whether it is active now.
    """

    version: AdapterVersion | None
    verdict: Verdict
    promoted: bool


class _ErasedError(DataError):
    """Somebody whom a training learned from may have been erased meanwhile."""


def retrain(workshop: Workshop, config: RetrainConfig, steps: Steps) -> Retrained:
    """Run the loop once. Versions that had learned from people who were erased since are removed then.

    Raises:
        DataError: There is too little feedback, another run is under way, or somebody was erased meanwhile.
        ConvRecError: A model or the index cannot be used.
    """
    with _alone(workshop.settings.data_dir):
        write_last_run(LastRun(workshop.ledger.position(), time.time()), workshop.settings.last_run_file)
        catalogue = workshop.catalogue()
        erased = workshop.ledger.erased_position()
        with steps.step("Making examples of the ledger") as progress:
            lessons = make_lessons(
                workshop.ledger.feedback(),
                workshop.ledger.impressions(),
                workshop.ledger.turns,
                catalogue,
                config.lessons,
                progress,
            )
        done = train_version(workshop, catalogue, lessons, config, steps, erased)
        removed = workshop.registry.forget(unlearned(workshop.ledger, workshop.registry))
        if removed:
            steps.note(f"removed, for they had learned from people who were erased: {', '.join(removed)}")
        return done


def train_version(
    workshop: Workshop,
    catalogue: Catalogue,
    lessons: Lessons,
    config: RetrainConfig,
    steps: Steps,
    erased: int | None = None,
) -> Retrained:
    """From examples to a version in the registry.

    Args:
        catalogue: Of the examples.
        lessons: What is learned from and judged by; `config.lessons` is noted only.
        erased: Position of the last erasure before the ledger was read; None where lessons are of no ledger.

    Raises:
        DataError: There are too few examples, or somebody was erased meanwhile.
        ConvRecError: A model cannot be used.
    """
    prompts = InterestPrompts(workshop.prompts.load("rank"), catalogue)
    work = _work(workshop.settings.data_dir / "training", config, lessons)
    with steps.step(f"Training on {len(lessons.learn):,} examples") as progress:
        trained = train_adapter(
            workshop.model, lessons.learn, lessons.choose, prompts, work, config.trainer, progress
        )
    steps.note(
        f"held-out NDCG over drawn candidates {trained.ndcg_start:.4f} before, {trained.ndcg_best:.4f} after"
    )
    try:
        kept = _keep(workshop, catalogue, work / "adapter", lessons, config, steps, erased)
    except _ErasedError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    if kept.version is not None:
        shutil.rmtree(work, ignore_errors=True)
    return kept


def judge_again(
    workshop: Workshop, catalogue: Catalogue, label: str, lessons: Lessons, config: RetrainConfig, steps: Steps
) -> Retrained:
    """The next version, with the weights of one that too few examples have judged.

    Args:
        label: Of that version, name/version.
        lessons: Made as its own were, but for how many judge.

    Raises:
        DataError: It was trained on something else, or with other settings.
        NotFoundError: There is no such version.
    """
    before = workshop.registry.get(label)
    workshop.require_fit(before, catalogue.domain.name)
    own = {name: before.manifest.data.get(name) for name in ("task", "hash", "learn")}
    now = {name: lessons.lineage.get(name) for name in own}
    if now != own:
        raise DataError(f"{label} was trained on {own}, and these examples are of {now}: give what it was given")
    trainer = TrainerConfig(**before.manifest.config["trainer"])
    return _keep(workshop, catalogue, before.path, lessons, replace(config, trainer=trainer), steps)


def _keep(
    workshop: Workshop,
    catalogue: Catalogue,
    weights: Path,
    lessons: Lessons,
    config: RetrainConfig,
    steps: Steps,
    erased: int | None = None,
) -> Retrained:
    """From weights to a judged version in the registry; `erased` as for `train_version`."""
    prompts = InterestPrompts(workshop.prompts.load("rank"), catalogue)
    with workshop.registry.stage(config.name) as (staging, number):
        shutil.copytree(weights, staging, dirs_exist_ok=True)
        ref = AdapterRef(f"{config.name}@{number}", staging)
        verdict = asyncio.run(_judge(workshop, catalogue, ref, lessons, prompts, config.gate, steps))
        manifest = AdapterManifest(
            name=config.name,
            version=number,
            base_model=base_name(workshop.model),
            base_hash=base_hash(workshop.model),
            prompt=workshop.prompt,
            domain=catalogue.domain.name,
            accepted=verdict.accepted,
            reasons=verdict.reasons,
            blend=verdict.blend,
            metrics=verdict.metrics,
            data=lessons.lineage,
            config={"trainer": asdict(config.trainer), "lessons": asdict(config.lessons)},
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if erased is not None and workshop.ledger.erased_position() > erased:
            raise _ErasedError("somebody whom it learned from may have been erased meanwhile; train again")
        try:
            version = workshop.registry.publish(staging, manifest)
        except DataError as error:
            return Retrained(None, _rejected(verdict, str(error)), promoted=False)
    promoted = verdict.accepted and config.promote
    if promoted:
        workshop.registry.promote(version.label)
    return Retrained(version, verdict, promoted)


def _work(folder: Path, config: RetrainConfig, lessons: Lessons) -> Path:
    """The folder of just this training; what other trainings of the name left unfinished is removed."""
    made = [digest(lessons.learn), digest(lessons.choose)]
    told = json.dumps([lessons.lineage, asdict(config.trainer), asdict(config.lessons), made], sort_keys=True)
    work = folder / f"{config.name}@{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    for other in folder.glob(f"{config.name}@*"):
        if other != work:
            shutil.rmtree(other, ignore_errors=True)
    return work


async def _judge(
    workshop: Workshop,
    catalogue: Catalogue,
    ref: AdapterRef,
    lessons: Lessons,
    prompts: InterestPrompts,
    gate: GateConfig,
    steps: Steps,
) -> Verdict:
    """The gate's verdict, with what the engines say."""
    try:
        check_servable(ref.path)
    except DataError as error:
        return Verdict(False, (str(error),), Blend())
    engine = TransformersEngine(workshop.model, dtype=workshop.settings.dtype, score_timeout_s=_SCORE_TIMEOUT_S)
    with steps.step("Loading the language model"):
        await engine.start()
    try:
        await engine.load_adapter(ref)
        interest = workshop.interest(engine, catalogue)
        with steps.step(f"Scoring {len(lessons.judge):,} held-out examples") as progress:
            own = await interests_of(interest, lessons.judge, ref.name, progress)
        active = _active(workshop, catalogue)
        before: Interests | None = None
        if active is not None and filecmp.cmp(active.path / WEIGHTS, ref.path / WEIGHTS, shallow=False):
            before = own
        elif active is not None:
            await engine.load_adapter(active.ref)
            with steps.step(f"Scoring them with {active.label}") as progress:
                before = await interests_of(interest, lessons.judge, active.ref.name, progress)
        verdict = judge(lessons.judge, own, before, lessons.coverage, gate)
        objections = list(await _parity(workshop, engine, ref, lessons.judge, prompts, steps))
        if verdict.accepted and not objections:
            with steps.step("Holding golden conversations with it") as progress:
                objections += await adapter_objections(workshop, engine, ref.name, catalogue.domain.name, progress)
    except ConvRecError as error:
        return Verdict(False, (str(error),), Blend())
    finally:
        await engine.close()
    return _rejected(verdict, *objections) if objections else verdict


async def _parity(
    workshop: Workshop,
    trained: Engine,
    ref: AdapterRef,
    examples: Sequence[Example],
    prompts: InterestPrompts,
    steps: Steps,
) -> Sequence[str]:
    """What the serving engine's scores say against the adapter; nothing where vLLM cannot run here."""
    missing = vllm_available() if not workshop.settings.vllm_urls else None
    if workshop.settings.engine == "transformers" or missing:
        return ()
    served = await start_engine(workshop.settings, workshop.model, steps)
    try:
        with steps.step("Comparing vLLM with PEFT"):
            found = await measure_parity(served, trained, ref, examples[:_PARITY_EXAMPLES], prompts)
    finally:
        await served.close()
    return found.objections


async def interests_of(
    interest: Interest, examples: Sequence[Example], adapter: str, progress: Progress
) -> list[list[float]]:
    """f of every candidate of every example by a loaded adapter."""
    values = []
    for done, example in enumerate(examples, start=1):
        found, _ = await interest.score(example.context, example.candidates, adapter)
        values.append(found)
        progress(done / len(examples), f"{done} of {len(examples)}")
    return values


def _active(workshop: Workshop, catalogue: Catalogue) -> AdapterVersion | None:
    """The active version, where it can rank this catalogue with this model at all."""
    try:
        active = workshop.registry.active()
        if active is not None:
            workshop.require_fit(active, catalogue.domain.name)
    except ConvRecError:
        return None
    return active


def _rejected(verdict: Verdict, *objections: str) -> Verdict:
    return replace(verdict, accepted=False, reasons=(*objections, *verdict.reasons))


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(data_dir / ".retrain.lock", timeout=0):
            yield
    except Timeout as error:
        raise DataError(f"a training is under way in {data_dir}; wait for it to end") from error
