"""Train an adapter on a data set instead of a ledger, judge it on the data set's validation part, and keep it.

The test part is not looked at: that is for `convrec evaluate --systems retrieval,blend+NAME/VERSION`. For ReDial
the text embedder has learned from the conversations as well, so the examples of each fold come from an embedder
that is trained without it.
"""

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from convrec.console import ConsoleSteps, print_verdict
from convrec.data.sources import fetch_embedder
from convrec.evaluation.base import Task
from convrec.evaluation.datasets.base import Dataset
from convrec.evaluation.datasets.movielens import read_movielens_100k
from convrec.evaluation.datasets.redial import read_redial
from convrec.evaluation.protocols import conversation
from convrec.prompting import load_domain
from convrec.retrieval.base import Embedder
from convrec.retrieval.embedding import NoText, SentenceEmbedder
from convrec.retrieval.hybrid import hybrid_config
from convrec.service.build import Workshop
from convrec.service.retrain import RetrainConfig, judge_again, train_version
from convrec.service.steps import Steps
from convrec.settings import load_settings
from convrec.training.embedder import EmbedderConfig, train_embedder
from convrec.training.examples import ExamplesConfig
from convrec.training.lessons import LessonsConfig
from convrec.training.objective import Objective
from convrec.training.requests import learned_pairs
from convrec.training.task_lessons import HeldOut, early_choices, parted, task_lessons
from convrec.training.trainer import TrainerConfig

_OWN = TrainerConfig()


def main(
    name: Annotated[str, typer.Option(help="Of the adapter; each run makes its next version")],
    dataset: Annotated[Literal["movielens-100k", "redial"], typer.Option(help="What to learn from")],
    path: Annotated[Path | None, typer.Option(help="ReDial as released")] = None,
    embedder: Annotated[str | None, typer.Option(help="ReDial: the embedder that train_embedder.py made")] = None,
    candidates: Annotated[int, typer.Option(help="Items that the retriever offers")] = 20,
    cuts: Annotated[int, typer.Option(help="MovieLens: latest choices of a person that become examples")] = 5,
    folds: Annotated[int, typer.Option(help="Parts that people are dealt into")] = 3,
    examples: Annotated[int, typer.Option(help="At most so many to learn from")] = 1000,
    opinions: Annotated[float, typer.Option(help="Share of the examples that are groups of 12 ratings")] = 0.4,
    matches: Annotated[int, typer.Option(help="Of them, targets among other people's targets")] = 0,
    choose: Annotated[int, typer.Option(help="At most so many that choose the weights")] = 60,
    judge: Annotated[int, typer.Option(help="At most so many that judge them")] = 400,
    objective: Annotated[Objective, typer.Option()] = _OWN.objective,
    scale: Annotated[float, typer.Option()] = _OWN.scale,
    rank: Annotated[int, typer.Option()] = _OWN.rank,
    modules: Annotated[Literal["all-linear", "attention"], typer.Option()] = _OWN.modules,
    layers: Annotated[float, typer.Option()] = _OWN.layers,
    learning_rate: Annotated[float, typer.Option()] = _OWN.learning_rate,
    epochs: Annotated[int, typer.Option()] = _OWN.epochs,
    batch: Annotated[int, typer.Option()] = _OWN.batch,
    room: Annotated[int, typer.Option(help="Candidates per example and step")] = _OWN.room,
    seed: Annotated[int, typer.Option()] = 0,
    again: Annotated[
        str | None,
        typer.Option(help="NAME/VERSION: judge its weights again instead of training; all else as it was given"),
    ] = None,
    promote: Annotated[bool, typer.Option(help="Make it active where the gate accepts it")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data and models are kept")] = None,
) -> None:
    """Train and judge."""
    console, steps = Console(), ConsoleSteps(Console(stderr=True))
    workshop = Workshop(load_settings(data_dir=data_dir))
    movies = load_domain(workshop.settings.prompts_dir, "movies")
    lessons_config = LessonsConfig(
        learn_examples=examples,
        choose_examples=choose,
        judge_examples=judge,
        opinions=opinions,
        matched=matches,
        offers=ExamplesConfig(candidates, folds, cuts, seed),
    )
    eyes: Embedder
    if dataset == "redial":
        if path is None or embedder is None:
            raise typer.BadParameter("ReDial needs --path, where you unpacked it, and --embedder")
        talks = read_redial(path, movies)
        task, choosing, judging = _conversations(talks)
        eyes, weights = SentenceEmbedder(embedder), hybrid_config(embedder)
    else:
        talks = read_movielens_100k(path, workshop.settings.data_dir, movies)
        task, choosing, judging = early_choices(talks)
        eyes, weights = NoText(), workshop.hybrid

    def blind(units: frozenset[str]) -> Embedder:
        return _without(units, talks, task, workshop, steps) if dataset == "redial" else eyes

    with steps.step("Making examples") as progress:
        lessons = task_lessons(task, choosing, judging, eyes, blind, weights, lessons_config, progress)
    config = RetrainConfig(
        name,
        lessons_config,
        TrainerConfig(
            objective=objective,
            scale=scale,
            rank=rank,
            alpha=2 * rank,
            modules=modules,
            layers=layers,
            learning_rate=learning_rate,
            epochs=epochs,
            batch=batch,
            room=room,
            seed=seed,
        ),
        promote=promote,
    )
    if again is None:
        done = train_version(workshop, task.catalogue, lessons, config, steps)
    else:
        done = judge_again(workshop, task.catalogue, again, lessons, config, steps)
    print_verdict(console, done.verdict)
    console.print(f"{done.version.label if done.version else 'nothing'} was kept")


def _conversations(talks: Dataset) -> tuple[Task, HeldOut, HeldOut]:
    """Learns from four fifths of the validation part; of the rest, every fifth conversation chooses."""
    task = conversation(talks, "valid")
    choosers = set(sorted({case.unit for case in task.cases})[::5])
    return task, *parted(choosers, task.cases)


def _without(units: frozenset[str], talks: Dataset, task: Task, workshop: Workshop, steps: Steps) -> Embedder:
    """The embedder trained as the served one, without these conversations; kept for the next run."""
    pairs = learned_pairs(talks, task, units)
    mark = sha256("\n".join(sorted(units)).encode()).hexdigest()[:12]
    work = workshop.settings.data_dir / "training" / "blind" / mark
    done = work / "done"
    if not done.is_file():
        base = fetch_embedder(workshop.settings.models_dir)
        with steps.step(f"Training an embedder without {len(units)} conversations") as progress:
            train_embedder(base, pairs, task.catalogue, work, EmbedderConfig(), progress)
        done.touch()
    return SentenceEmbedder(work / "model")


if __name__ == "__main__":
    typer.run(main)
