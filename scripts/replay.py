"""Replay a data set in time order, ten slices, and see what learning adds: four arms on the same predictions.

    frozen      the index of the first slice, and people as they were then
    in context  the same index, people's histories up to the moment
    lora        and an adapter, trained on all that came before after every `--every` slices and before the last
    full        and, for the last slice, the index as well is made anew from everything before it

An adapter ranks only where the gate accepted it. All arms are masked alike: nobody is shown what they had before.
A run that was killed goes on after its last training or slice.
"""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from convrec.console import ConsoleSteps
from convrec.durable import replace_text
from convrec.engine.transformers import TransformersEngine
from convrec.evaluation.base import Case, FittedSystem, Task
from convrec.evaluation.datasets.movielens import read_movielens_100k
from convrec.evaluation.metrics import ndcg
from convrec.evaluation.ours import FittedBlend, FittedRetrieval, RetrievalSystem, Scorer, Tuned
from convrec.evaluation.protocols import time_sliced
from convrec.evaluation.significance import estimate, numbered
from convrec.prompting import load_domain
from convrec.retrieval.embedding import NoText
from convrec.service.build import Workshop
from convrec.service.retrain import RetrainConfig, train_version
from convrec.service.steps import Steps
from convrec.settings import load_settings
from convrec.training.lessons import LessonsConfig, make_lessons
from convrec.training.registry import AdapterVersion
from convrec.training.trainer import TrainerConfig

ARMS = ("frozen", "in context", "lora", "full")


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where the targets of a slice's cases came, by arm; infinity where they were not among the candidates."""

    units: list[str]
    ranks: dict[str, list[float]]
    adapter: str | None


def main(
    out: Annotated[Path, typer.Option(help="Folder for replay.json, replay.png")],
    every: Annotated[int, typer.Option(min=1, help="Slices between trainings")] = 3,
    cases: Annotated[int, typer.Option(min=10, help="Predictions per slice")] = 200,
    examples: Annotated[int, typer.Option(help="To learn from, each time")] = 300,
    epochs: Annotated[int, typer.Option()] = 1,
    seed: Annotated[int, typer.Option()] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data and models are kept")] = None,
) -> None:
    """Replay MovieLens-100K."""
    console, steps = Console(), ConsoleSteps(Console(stderr=True))
    settings = load_settings(data_dir=data_dir)
    workshop = Workshop(settings.model_copy(update={"adapters_dir": out / "adapters", "engine": "transformers"}))
    films = read_movielens_100k(None, settings.data_dir, load_domain(settings.prompts_dir, "movies"))
    tasks = time_sliced(films)
    config = RetrainConfig(
        "replay", LessonsConfig(learn_examples=examples), TrainerConfig(epochs=epochs, seed=seed), promote=True
    )
    first = RetrievalSystem(NoText()).fit(tasks[0], 0, lambda _done, _what: None)
    done = Done(out, {"every": every, "cases": cases, "examples": examples, "epochs": epochs, "seed": seed})
    told: list[Ranked] = []
    for number, task in enumerate(tasks, start=1):
        sample = random.Random(seed).sample(task.cases, min(cases, len(task.cases)))
        if number > 1 and ((number - 1) % every == 0 or number == len(tasks)):
            verdict = done.once(f"training {number}", partial(_train, workshop, task, config, steps))
            steps.note(f"before slice {number}: {'accepted' if verdict['accepted'] else 'rejected'}")
        with steps.step(f"Slice {number}"):
            ranked = done.once(f"slice {number}", partial(_slice, workshop, task, sample, first, tasks[0]))
            told.append(Ranked(**ranked))
    last = tasks[-1]
    refitted = RetrievalSystem(NoText()).fit(last, 0, lambda _done, _what: None)
    with steps.step("The last slice again"):
        again = _slice(workshop, last, sample, refitted, tasks[0])
    told[-1] = replace(told[-1], ranks={**told[-1].ranks, "full": again["ranks"]["lora"]})
    first.close()
    refitted.close()
    slices = [_figures(slice_) for slice_ in told]
    figures = {
        "command": f"scripts/replay.py --every {every} --cases {cases} --examples {examples} --out OUT",
        "trainings": done.of("training"),
        "slices": slices,
    }
    (out / "replay.json").write_text(json.dumps(figures, indent=1) + "\n")
    console.print(_table(slices))
    _plot(slices, out / "replay.png")


class Done:
    """What a run has done, kept in a file: what is there is not done again.

    Args:
        options: Of the run; with others, everything is done anew.
    """

    def __init__(self, out: Path, options: dict[str, int]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._file = out / "done.json"
        told = json.loads(self._file.read_text()) if self._file.is_file() else {}
        self._told: dict[str, dict[str, Any]] = told if told.get("options") == options else {"options": options}

    def once(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What the work makes, now or in an earlier run."""
        if name not in self._told:
            self._told[name] = work()
            replace_text(self._file, json.dumps(self._told))
        return self._told[name]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Everything whose name begins so."""
        return {name: told for name, told in self._told.items() if name.startswith(kind)}


def _train(workshop: Workshop, task: Task, config: RetrainConfig, steps: Steps) -> dict[str, Any]:
    """On everything before a slice; what the gate rejects changes nothing."""
    with steps.step("Making examples") as progress:
        lessons = make_lessons(task.train, (), lambda _: (), task.catalogue, config.lessons, progress)
    verdict = train_version(workshop, task.catalogue, lessons, config, steps).verdict
    return {"accepted": verdict.accepted, "reasons": list(verdict.reasons)}


def _slice(
    workshop: Workshop, task: Task, cases: list[Case], fitted: FittedRetrieval, frozen: Task
) -> dict[str, Any]:
    """A `Ranked` as a dict."""
    active = workshop.registry.active()
    ranks: dict[str, list[float]] = {arm: [] for arm in ARMS[:3]}
    cut = max(event.timestamp for event in frozen.train)
    with _blended(workshop, active, fitted, task) as blended:
        for case in cases:
            (target,) = case.targets
            history = tuple(entry for entry in case.query.history if entry.timestamp <= cut)
            old = replace(case, query=replace(case.query, history=history))
            for arm, system, asked in (
                ("frozen", fitted, old),
                ("in context", fitted, case),
                ("lora", blended, case),
            ):
                ranks[arm].append(_rank(system.recommend(asked, 100), target))
    return asdict(Ranked([case.unit for case in cases], ranks, active.label if active else None))


@contextmanager
def _blended(
    workshop: Workshop, active: AdapterVersion | None, fitted: FittedRetrieval, task: Task
) -> Iterator[FittedSystem]:
    """Retrieval's candidates in the order of the active version's blend; retrieval alone where none is active."""
    if active is None:
        yield fitted
        return
    loop = asyncio.new_event_loop()
    engine = TransformersEngine(workshop.model, score_timeout_s=600.0)
    try:
        loop.run_until_complete(engine.start())
        loop.run_until_complete(engine.load_adapter(active.ref))
        scorer = Scorer(workshop.interest(engine, task.catalogue), engine.close)
        tuned = Tuned(active.ref.name, active.manifest.blend)
        yield FittedBlend(fitted, loop, scorer, tuned, workshop.settings.candidates, task.catalogue)
    finally:
        loop.run_until_complete(engine.close())
        loop.close()


def _rank(ids: Sequence[str], target: str) -> float:
    return list(ids).index(target) + 1 if target in ids else float("inf")


def _figures(told: Ranked) -> dict[str, object]:
    units = numbered(told.units)
    arms = {
        arm: {
            "ndcg@10": asdict(estimate(ndcg(np.array(ranks), 10), units)),
            "hit@10": asdict(estimate((np.array(ranks) <= 10).astype(np.float64), units)),
        }
        for arm, ranks in told.ranks.items()
    }
    return {"cases": len(told.units), "adapter": told.adapter, "arms": arms}


def _table(figures: list[dict[str, object]]) -> Table:
    table = Table("slice", *(f"{arm} {name}" for arm in ARMS for name in ("NDCG@10", "HR@10")), "adapter")
    for number, row in enumerate(figures, start=1):
        arms: dict[str, dict[str, dict[str, float]]] = row["arms"]  # type: ignore[assignment]
        cells = [
            f"{arms[arm][metric]['mean']:.4f}" if arm in arms else ""
            for arm in ARMS
            for metric in ("ndcg@10", "hit@10")
        ]
        table.add_row(str(number), *cells, str(row["adapter"] or ""))
    return table


def _plot(figures: list[dict[str, object]], file: Path) -> None:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("ndcg@10", "hit@10"), strict=True):
        for arm in ARMS:
            points = [
                (number, row["arms"][arm][metric])  # type: ignore[index]
                for number, row in enumerate(figures, start=1)
                if arm in row["arms"]  # type: ignore[operator]
            ]
            axes.errorbar(
                [number for number, _ in points],
                [point["mean"] for _, point in points],
                yerr=[
                    [point["mean"] - point["low"] for _, point in points],
                    [point["high"] - point["mean"] for _, point in points],
                ],
                marker="o",
                capsize=2,
                label=arm,
            )
        axes.set(xlabel="slice", title=metric)
        axes.grid(color="#e2e8f0")
        axes.legend(frameon=False)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    typer.run(main)
