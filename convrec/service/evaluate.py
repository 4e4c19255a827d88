"""Owns `convrec evaluate`: from the names of a data set, a protocol and systems to a report on disk."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError, SettingsError
from convrec.evaluation.base import System, Task
from convrec.evaluation.baselines.registry import BASELINES, baseline
from convrec.evaluation.datasets.base import Dataset
from convrec.evaluation.datasets.files import read_files
from convrec.evaluation.datasets.movielens import read_movielens_100k, read_movielens_latest
from convrec.evaluation.datasets.redial import read_redial
from convrec.evaluation.ours import BlendSystem, RetrievalSystem, Scorer, Tuned
from convrec.evaluation.plot import plot_report
from convrec.evaluation.protocols import Split, conversation, leave_one_out, like_dislike, llamarec, time_sliced
from convrec.evaluation.report import Report, make_report, write_report
from convrec.evaluation.run import RunConfig, evaluate
from convrec.prompting import load_domain
from convrec.retrieval.base import Embedder
from convrec.retrieval.embedding import CachedEmbedder, SentenceEmbedder
from convrec.retrieval.hybrid import HybridConfig, hybrid_config
from convrec.service.build import Workshop
from convrec.service.steps import Steps

DatasetName = Literal["movielens-100k", "movielens-latest-small", "redial", "files"]
ProtocolName = Literal["leave-one-out", "llamarec", "time-sliced", "like-dislike", "conversation"]
SYSTEMS = (*BASELINES, "retrieval", "blend", "blend+NAME/VERSION")


@dataclass(frozen=True, slots=True)
class EvaluateConfig:
    """What is evaluated.

    Args:
        dataset, protocol, split: Which predictions; time-sliced and like-dislike have one split.
        systems: Names, see SYSTEMS.
        path: Where the data set lies as its makers ship it; None takes the demo's MovieLens-100K.
        catalogue_file, interactions_file, domain: For `files`.
        seeds: Of the stochastic systems.
        out: Folder for report.json, plot.png, ranks/ and scores/.
        embedder: Folder or hub name of a text embedder; None takes the settings'.
        depth: How long lists are.
    """

    dataset: DatasetName
    protocol: ProtocolName
    systems: Sequence[str]
    out: Path
    split: Split = "test"
    path: Path | None = None
    catalogue_file: Path | None = None
    interactions_file: Path | None = None
    domain: str = "generic"
    seeds: int = 1
    embedder: str | None = None
    depth: int = 100


def run_evaluation(workshop: Workshop, config: EvaluateConfig, command: Sequence[str], steps: Steps) -> Report:
    """Read, split, fit, rank, report.

    Args:
        workshop: For prompts, models and engine.
        config: What.
        command: The words that were typed, for the report.
        steps: Told how far it is.

    Raises:
        DataError: The data cannot be used, or OUT holds another run.
        SettingsError: A system is unknown, or a library for it missing.
    """
    with steps.step(f"Reading {config.dataset}"):
        dataset = _dataset(workshop, config)
        tasks = _tasks(dataset, config)
    embedder = CachedEmbedder(SentenceEmbedder(config.embedder) if config.embedder else workshop.embedder)
    weights = hybrid_config(config.embedder) if config.embedder else workshop.hybrid
    systems = [
        _system(name, dataset, workshop, embedder, weights, steps) for name in dict.fromkeys(config.systems)
    ]
    with steps.step("Evaluating") as progress:
        runs = evaluate(tasks, systems, RunConfig(config.out, config.seeds, config.depth), progress)
    with steps.step("Reporting"):
        catalogue = tasks[-1].catalogue
        vectors_N_D = embedder.embed([catalogue.passage(catalogue[item_id]) for item_id in catalogue.ids])
        ks = [k for k in (1, 5, 10, 20, 50, 100) if k <= config.depth]
        report = make_report(dataset.name, tasks, runs, config.seeds, shlex.join(command), ks, vectors_N_D)
        write_report(report, config.out / "report.json")
        plot_report(report, config.out / "plot.png")
    return report


def _dataset(workshop: Workshop, config: EvaluateConfig) -> Dataset:
    settings = workshop.settings
    if config.dataset == "files":
        if config.catalogue_file is None or config.interactions_file is None:
            raise DataError("files need --catalogue FILE and --interactions FILE")
        domain = load_domain(settings.prompts_dir, config.domain)
        return read_files(config.catalogue_file, config.interactions_file, domain)
    movies = load_domain(settings.prompts_dir, "movies")
    if config.dataset == "movielens-100k":
        return read_movielens_100k(config.path, settings.data_dir, movies)
    if config.path is None:
        raise DataError(f"{config.dataset} cannot be fetched; name the folder where you unpacked it with --path")
    return (read_redial if config.dataset == "redial" else read_movielens_latest)(config.path, movies)


def _tasks(dataset: Dataset, config: EvaluateConfig) -> list[Task]:
    if config.protocol == "time-sliced":
        return time_sliced(dataset)
    if config.protocol == "like-dislike":
        return [like_dislike(dataset)]
    make = {"leave-one-out": leave_one_out, "llamarec": llamarec, "conversation": conversation}[config.protocol]
    task = make(dataset, config.split)
    if not task.cases:
        raise DataError(f"{config.protocol} finds nothing to predict in {dataset.name}")
    return [task]


def _system(
    name: str, dataset: Dataset, workshop: Workshop, embedder: Embedder, weights: HybridConfig, steps: Steps
) -> System:
    if name in BASELINES:
        return baseline(name, dataset.name)
    if name == "retrieval":
        return RetrievalSystem(embedder, weights)
    head, plus, adapter = name.partition("+")
    if head != "blend" or bool(plus) != bool(adapter):
        raise SettingsError(f"there is no system {name!r}; there are: {', '.join(SYSTEMS)}")

    version = workshop.registry.get(adapter) if adapter else None
    if version is not None:
        workshop.require_fit(version, dataset.catalogue.domain.name)

    async def start(catalogue: Catalogue) -> Scorer:
        from convrec.service.engines import start_engine

        engine = await start_engine(workshop.settings, workshop.model, steps, one_shot=True)
        if version is not None:
            await engine.load_adapter(version.ref)
        return Scorer(workshop.interest(engine, catalogue), engine.close)

    tuned = Tuned(version.ref.name, version.manifest.blend) if version is not None else None
    return BlendSystem(embedder, weights, start, workshop.settings.candidates, tuned)
