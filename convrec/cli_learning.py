"""`convrec evaluate` and `convrec retrain`: parse, call, print. No logic."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from convrec.cli_options import DataDir, EngineOption, Json, print_json
from convrec.console import ConsoleSteps, JsonSteps, print_verdict
from convrec.errors import ConvRecError
from convrec.evaluation.protocols import Split
from convrec.service.build import Workshop
from convrec.service.evaluate import SYSTEMS, DatasetName, EvaluateConfig, ProtocolName, run_evaluation
from convrec.settings import load_settings
from convrec.training.objective import Objective

_out = Console()
_err = Console(stderr=True)


def evaluate_systems(
    dataset: Annotated[DatasetName, typer.Option(help="What is evaluated on")],
    systems: Annotated[str, typer.Option(help="Comma-separated: " + ", ".join(SYSTEMS))],
    out: Annotated[
        Path, typer.Option(help="Folder for report.json, plot.png, ranks/; a killed run goes on there")
    ],
    protocol: Annotated[ProtocolName, typer.Option(help="How it is split")] = "leave-one-out",
    split: Annotated[Split, typer.Option(help="Choose settings on valid, report test")] = "test",
    path: Annotated[
        Path | None, typer.Option(help="The data set as its makers ship it [movielens-100k: fetched]")
    ] = None,
    catalogue: Annotated[Path | None, typer.Option(help="With --dataset files")] = None,
    interactions: Annotated[Path | None, typer.Option(help="With --dataset files")] = None,
    domain: Annotated[str, typer.Option(help="With --dataset files: a file of prompts/domains")] = "generic",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of systems that are random")] = 1,
    embedder: Annotated[str | None, typer.Option(help="Folder or hub name of a text embedder")] = None,
    depth: Annotated[int, typer.Option(min=10, max=1000, help="Length of the ranked lists")] = 100,
    engine: EngineOption = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Judge systems on held-out events: a table with 95 % intervals, report.json, every rank, a plot."""
    from convrec.evaluation.report import report_table

    workshop = Workshop(load_settings(engine=engine, data_dir=data_dir))
    names = [name.strip() for name in systems.split(",") if name.strip()]
    config = EvaluateConfig(
        dataset, protocol, names, out, split, path, catalogue, interactions, domain, seeds, embedder, depth
    )
    report = run_evaluation(workshop, config, ["convrec", *sys.argv[1:]], ConsoleSteps(_err))
    if as_json:
        typer.echo((out / "report.json").read_text())
    else:
        _out.print(report_table(report))
        for note in report.notes:
            _out.print(note, markup=False, soft_wrap=True)
        _out.print(f"report.json, plot.png, ranks/ in {out}", markup=False, soft_wrap=True)


def retrain_adapter(
    name: Annotated[str, typer.Option(help="Of the adapter; each run makes its next version")] = "default",
    examples: Annotated[int, typer.Option(min=1, help="At most so many to learn from")] = 600,
    judge: Annotated[int, typer.Option(min=1, help="At most so many to judge by")] = 200,
    choose: Annotated[int, typer.Option(min=1, help="At most so many to choose the best weights by")] = 40,
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    objective: Annotated[Objective, typer.Option(help="What is minimised")] = "bce+offset",
    seed: Annotated[int, typer.Option()] = 0,
    promote: Annotated[bool, typer.Option(help="Make it active where the gate accepts it")] = True,
    progress_json: Annotated[
        Path | None, typer.Option(help="Append what is being done to this file, one JSON object a line")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train an adapter on the ledger, judge it on later events, and promote it only where it wins."""
    from convrec.service.retrain import RetrainConfig, retrain
    from convrec.training.lessons import LessonsConfig
    from convrec.training.trainer import TrainerConfig

    config = RetrainConfig(
        name,
        LessonsConfig(learn_examples=examples, choose_examples=choose, judge_examples=judge),
        TrainerConfig(objective=objective, epochs=epochs, seed=seed),
        promote=promote,
    )
    steps = JsonSteps(progress_json) if progress_json else ConsoleSteps(_err)
    try:
        done = retrain(Workshop(load_settings(data_dir=data_dir)), config, steps)
    except ConvRecError as error:
        if isinstance(steps, JsonSteps):
            steps.say(error=str(error))
        raise
    label = done.version.label if done.version else None
    result = {"version": label, "promoted": done.promoted} | dataclasses.asdict(done.verdict)
    if isinstance(steps, JsonSteps):
        steps.say(result=result)
    if as_json:
        print_json(result)
    else:
        print_verdict(_out, done.verdict)
        kept = label or "nothing"
        _out.print(f"{kept} was kept and {'is active' if done.promoted else 'is not active'}")
