"""Compares ways to train an adapter on the same examples of MovieLens-100K, judged by the same held-out ones.

    bce, bce+offset, softmax    the objectives (objective.py), each from the base model on all examples
    continued                   bce+offset on the older half and then, from there, on the newer half alone: what
                                adding to the last adapter would be, where the others see old and new together

Examples come from the first 80 % of everybody's ratings. A training that was killed goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from convrec.console import ConsoleSteps
from convrec.data.catalogue import Catalogue
from convrec.engine.base import AdapterRef
from convrec.engine.transformers import TransformersEngine
from convrec.evaluation.datasets.movielens import read_movielens_100k
from convrec.evaluation.metrics import auc
from convrec.evaluation.significance import estimate, numbered
from convrec.prompting import load_domain
from convrec.ranking.examples import Example
from convrec.ranking.interest import InterestPrompts
from convrec.retrieval.embedding import NoText
from convrec.service.build import Workshop
from convrec.service.retrain import interests_of
from convrec.settings import load_settings
from convrec.training.gate import judge
from convrec.training.lessons import Lessons, LessonsConfig
from convrec.training.task_lessons import early_choices, task_lessons
from convrec.training.trainer import TrainerConfig, train_adapter

ARMS = ("bce", "bce+offset", "softmax", "continued")


def main(
    out: Annotated[Path, typer.Option(help="Folder for the arms and compare.json")],
    arms: Annotated[str, typer.Option(help="Which, in this order")] = ",".join(ARMS),
    examples: Annotated[int, typer.Option(help="To learn from")] = 300,
    opinions: Annotated[float, typer.Option(help="Share of the examples that are groups of 12 ratings")] = 0.5,
    choose: Annotated[int, typer.Option(help="That choose the weights")] = 30,
    judged: Annotated[int, typer.Option("--judge", help="That judge them")] = 200,
    seed: Annotated[int, typer.Option()] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data and models are kept")] = None,
) -> None:
    """Train and compare."""
    steps = ConsoleSteps(Console(stderr=True))
    workshop = Workshop(load_settings(data_dir=data_dir))
    movies = load_domain(workshop.settings.prompts_dir, "movies")
    task, choosing, judging = early_choices(read_movielens_100k(None, workshop.settings.data_dir, movies))
    config = LessonsConfig(
        learn_examples=examples, choose_examples=choose, judge_examples=judged, opinions=opinions
    )
    with steps.step("Making examples") as progress:
        lessons = task_lessons(task, choosing, judging, NoText(), lambda _: NoText(), None, config, progress)
    found: dict[str, dict[str, Any]] = {}
    for arm in arms.split(","):
        adapter = _train(workshop, task.catalogue, arm, lessons, out / arm.replace("+", "-"), seed, steps)
        found[arm] = asyncio.run(_judged(workshop, task.catalogue, lessons, AdapterRef(arm, adapter), steps))
        (out / "compare.json").write_text(json.dumps(found, indent=1) + "\n")
    Console().print(_table(found))


def _train(
    workshop: Workshop,
    catalogue: Catalogue,
    arm: str,
    lessons: Lessons,
    work: Path,
    seed: int,
    steps: ConsoleSteps,
) -> Path:
    """The folder of the arm's adapter."""
    prompts = InterestPrompts(workshop.prompts.load("rank"), catalogue)

    def train(learn: Sequence[Example], folder: Path, initial: Path | None = None) -> Path:
        config = TrainerConfig(objective="bce+offset" if arm == "continued" else arm, seed=seed)  # type: ignore[arg-type]
        with steps.step(f"{arm}: training on {len(learn)} examples") as progress:
            train_adapter(workshop.model, learn, lessons.choose, prompts, folder, config, progress, initial)
        return folder / "adapter"

    if arm != "continued":
        return train(lessons.learn, work)
    by_time = sorted(lessons.learn, key=lambda example: example.moment)
    half = len(by_time) // 2
    return train(by_time[half:], work / "newer", initial=train(by_time[:half], work / "older"))


async def _judged(
    workshop: Workshop, catalogue: Catalogue, lessons: Lessons, ref: AdapterRef, steps: ConsoleSteps
) -> dict[str, Any]:
    """The gate's NDCG@10 and its differences to retrieval, and the AUC of f alone on held-out opinions."""
    engine = TransformersEngine(workshop.model, score_timeout_s=600.0)
    await engine.start()
    try:
        await engine.load_adapter(ref)
        interest = workshop.interest(engine, catalogue)
        with steps.step(f"{ref.name}: scoring {len(lessons.judge)} examples") as progress:
            values = await interests_of(interest, lessons.judge, ref.name, progress)
    finally:
        await engine.close()
    verdict = judge(lessons.judge, values, None, lessons.coverage)
    areas, units = [], []
    for example, own in zip(lessons.judge, values, strict=True):
        label_I = np.array(example.labels)
        told = (label_I >= 0.75) | (label_I <= 0.5)
        if not example.offered and 0 < (label_I[told] >= 0.75).sum() < told.sum():
            areas.append(auc(np.array(own)[told], label_I[told] >= 0.75))
            units.append(example.user_id)
    area = estimate(np.array(areas), numbered(units))
    ndcg = verdict.metrics["ndcg@10"]
    return {
        "auc": {"mean": area.mean, "low": area.low, "high": area.high},
        "ndcg@10": {name: ndcg[f"{name}: adapter - retrieval"] for name in ("offers", "opinions")},
        "w_interest": verdict.blend.w_interest,
    }


def _table(found: dict[str, dict[str, Any]]) -> Table:
    table = Table("arm", "AUC of f, opinions", "NDCG@10 over retrieval: offers", "opinions", "weight of f")
    for arm, figures in found.items():
        area = figures["auc"]
        differences = [
            f"{d['difference']:+.4f} [{d['low']:+.4f}, {d['high']:+.4f}]" for d in figures["ndcg@10"].values()
        ]
        told = f"{area['mean']:.4f} [{area['low']:.4f}, {area['high']:.4f}]"
        table.add_row(arm, told, *differences, f"{figures['w_interest']:.2f}")
    return table


if __name__ == "__main__":
    typer.run(main)
