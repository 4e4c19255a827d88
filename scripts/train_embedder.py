"""Train a version of the text embedder, and let it serve only where it beats the one it came from.

Trains on four fifths of the conversations (or of requests made from the catalogue) and judges on the last fifth.
What was judged is what serves, under the weights it was judged with; with --whole it is what was then trained
likewise on all five.
"""

import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from convrec.console import ConsoleSteps
from convrec.data.sources import fetch_embedder
from convrec.evaluation.datasets.redial import read_redial
from convrec.evaluation.protocols import conversation
from convrec.prompting import load_domain
from convrec.retrieval.embedding import SentenceEmbedder
from convrec.retrieval.manifest import EmbedderManifest, write_manifest
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.training.embedder import EmbedderConfig, pairs_hash, train_soup
from convrec.training.embedder_gate import Verdict, Weighed, judge, weigh
from convrec.training.requests import catalogue_pairs, learned_pairs, request_pairs, request_task


def main(
    out: Annotated[Path, typer.Option(help="Folder of the new version; a killed run goes on there")],
    dataset: Annotated[Literal["redial", "catalogue"], typer.Option(help="What to learn from")] = "catalogue",
    path: Annotated[Path | None, typer.Option(help="ReDial as released")] = None,
    base: Annotated[str | None, typer.Option(help="Folder or hub name to start from [the demo's]")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = EmbedderConfig().epochs,
    soup: Annotated[int, typer.Option(min=1, help="Trainings whose weights are averaged")] = 1,
    whole: Annotated[bool, typer.Option(help="Serve one trained on what judged as well")] = False,
    seed: Annotated[int, typer.Option()] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data and models are kept")] = None,
) -> None:
    """Train and judge."""
    console, steps = Console(), ConsoleSteps(Console(stderr=True))
    workshop = Workshop(load_settings(data_dir=data_dir))
    start = base or str(fetch_embedder(workshop.settings.models_dir))
    if dataset == "redial":
        if path is None:
            raise typer.BadParameter("ReDial needs --path: the folder where you unpacked it")
        talks = read_redial(path, load_domain(workshop.settings.prompts_dir, "movies"))
        task = conversation(talks, "valid")
        learned, everything = learned_pairs(talks, task), learned_pairs(talks, task, all_of_it=True)
    else:
        task = request_task(workshop.catalogue(), workshop.ledger.feedback(), seed)
        learned, everything = request_pairs(task, seed), catalogue_pairs(task.catalogue, seed=seed)
    config = EmbedderConfig(epochs=epochs, seed=seed)
    with steps.step(f"Training on {len(learned):,} pairs") as progress:
        candidate = train_soup(start, learned, task.catalogue, out / "work", config, progress, soup)
    with steps.step("Weighing the base") as progress:
        before = weigh(SentenceEmbedder(start), task, progress)
    with steps.step("Weighing the new version") as progress:
        after = weigh(SentenceEmbedder(candidate), task, progress)
    verdict = judge(before, after)
    _show(console, before, after, verdict)
    if whole and verdict.accepted:
        learned = everything
        with steps.step(f"Training on {len(learned):,} pairs") as progress:
            candidate = train_soup(start, learned, task.catalogue, out / "whole", config, progress, soup)
    lineage = {
        "data": dataset,
        "pairs": len(learned),
        "data_hash": pairs_hash(learned, task.catalogue),
        "config": asdict(config) | {"soup": soup, "whole": whole},
    }
    _publish(candidate, out / "model", start, before, after, verdict, lineage)
    console.print(
        f"Serve it with CONVREC_EMBEDDER={out / 'model'} and: convrec index"
        if verdict.accepted
        else "Rejected: convrec will refuse to serve it"
    )


def _publish(
    candidate: Path,
    target: Path,
    base: str,
    before: Weighed,
    after: Weighed,
    verdict: Verdict,
    lineage: dict[str, Any],
) -> None:
    staging = target.with_name("model.staging")
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(candidate, staging)
    figures = {
        name: {metric: asdict(figure) for metric, figure in weighed.figures().items()}
        | {"coverage": weighed.coverage}
        for name, weighed in (("base", before), ("tuned", after))
    }
    lineage = lineage | {"created": datetime.now(UTC).isoformat(timespec="seconds")}
    manifest = EmbedderManifest(
        Path(base).name, verdict.accepted, verdict.reasons, after.weights, figures, lineage
    )
    write_manifest(manifest, staging)
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)


def _show(console: Console, before: Weighed, after: Weighed, verdict: Verdict) -> None:
    table = Table("held out", "base", "tuned", title="accepted" if verdict.accepted else "rejected")
    for name, figure in before.figures().items():
        tuned = after.figures()[name]
        table.add_row(
            name,
            f"{figure.mean:.4f} [{figure.low:.4f}, {figure.high:.4f}]",
            f"{tuned.mean:.4f} [{tuned.low:.4f}, {tuned.high:.4f}]",
        )
    table.add_row("coverage", f"{before.coverage:.4f}", f"{after.coverage:.4f}")
    console.print(table)
    console.print("tuned less base: " + "; ".join(verdict.reasons))
    console.print("weights: " + ", ".join(f"{name} {weight:.2f}" for name, weight in after.weights.items()))


if __name__ == "__main__":
    typer.run(main)
