"""`convrec prompts ...`: parses, calls, prints. No logic."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from convrec.cli_options import ATTENTION, DataDir, EngineOption, Json, print_json
from convrec.console import ConsoleSteps
from convrec.service.build import Workshop
from convrec.settings import load_settings

app = typer.Typer(help="Prompt versions: what they say, what they do to the model.", no_args_is_help=True)
_out = Console()
_err = Console(stderr=True)


@app.command("list")
def list_prompts(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Every version of every prompt; the active one of a task is marked."""
    prompts = Workshop(load_settings(data_dir=data_dir)).prompts
    active = {prompt.name for prompt in prompts.active()}
    rows = [(p.name, p.name in active, p.token_budget, p.hash, p.purpose) for p in prompts.all()]
    if as_json:
        names = ("name", "active", "token_budget", "hash", "purpose")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    table = Table("", "prompt", "tokens", "hash", "purpose", box=None, pad_edge=False, header_style="dim")
    for name, used, budget, digest, purpose in rows:
        table.add_row("●" if used else "", name, str(budget), digest, escape(purpose))
    _out.print(table)


@app.command()
def check(
    update: Annotated[bool, typer.Option("--update", help="Store what is found as the new standard")] = False,
    no_model: Annotated[bool, typer.Option("--no-model", help="Renderings only: seconds, not minutes")] = False,
    golden: Annotated[str, typer.Option(help="A folder of prompts/golden")] = "movies",
    engine: EngineOption = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Compare renderings with their snapshots, and what the golden conversations do with the stored reports."""
    from convrec.service.engines import start_engine
    from convrec.service.prompts_check import PromptsChecked, check_behaviour, check_snapshots

    workshop = Workshop(load_settings(engine=engine, data_dir=data_dir))
    steps = ConsoleSteps(_err)
    objections = check_snapshots(workshop.prompts, workshop.settings.prompts_dir, update=update)

    async def behaviour() -> PromptsChecked:
        started = await start_engine(workshop.settings, workshop.model, steps, one_shot=True)
        try:
            with steps.step("Holding the golden conversations") as progress:
                return await check_behaviour(workshop, started, golden, update=update, progress=progress)
        finally:
            await started.close()

    found = PromptsChecked((), (), ()) if no_model else asyncio.run(behaviour())
    found = dataclasses.replace(found, objections=(*objections, *found.objections))
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        table = Table("prompt", "metric", "now", box=None, pad_edge=False, header_style="dim")
        for report in found.reports:
            for metric, value in report.metrics.items():
                table.add_row(report.prompt, metric, f"{value:.3f}")
        if found.reports:
            _out.print(table)
        for note in found.notes:
            _out.print(f"[yellow]·[/yellow] {escape(note)}", soft_wrap=True)
        for objection in found.objections:
            _out.print(f"[red]✗[/red] {escape(objection)}", soft_wrap=True)
        if not found.objections:
            _out.print("stored" if update else "The prompts are what they were.")
    if found.objections:
        raise typer.Exit(ATTENTION)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A version, as rank.v3")],
    b: Annotated[str, typer.Argument(help="Another")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Two versions side by side: front matter, how their renderings differ, their stored reports."""
    from convrec.service.prompts_check import compared

    workshop = Workshop(load_settings(data_dir=data_dir))
    first, second = workshop.prompts.named(a), workshop.prompts.named(b)
    changed, rows = compared(first, second, workshop.settings.prompts_dir)
    if as_json:
        print_json(
            {"difference": changed, "rows": [dict(zip(("what", "a", "b"), row, strict=True)) for row in rows]}
        )
        return
    table = Table("", first.name, second.name, show_lines=True)
    for what, left, right in rows:
        mark = "" if left == right else "[yellow]≠[/yellow] "
        table.add_row(f"{mark}{what}", escape(left), escape(right))
    _out.print(table)
    _out.print(escape(changed) if changed else "They render alike.", highlight=False, soft_wrap=True)
