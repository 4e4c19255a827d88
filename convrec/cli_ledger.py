"""`convrec backup`, `restore`, `export`, `import`, `erase`, `stats`: parse, call, print. No logic."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from convrec.cli_options import ATTENTION, DataDir, Json, print_json
from convrec.console import ConsoleSteps, print_stats, print_verdict
from convrec.evaluation.online import By
from convrec.service.build import Workshop
from convrec.settings import load_settings

_out = Console()
_err = Console(stderr=True)


def backup_ledger(
    file: Annotated[Path, typer.Argument(help="A new file; SQLite, whatever the database is")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write ledger and catalogue of this moment to one file; a running server goes on."""
    from convrec.service.backup import backup

    copied = backup(Workshop(load_settings(data_dir=data_dir)).database, file)
    if as_json:
        print_json(dataclasses.asdict(copied))
    else:
        _out.print(f"{copied.events:,} events, {copied.items:,} items in {file}", markup=False, soft_wrap=True)


def restore_ledger(
    file: Annotated[Path, typer.Argument(help="What convrec backup wrote")],
    replace: Annotated[bool, typer.Option("--replace", help="Lose the events that the ledger has")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of ledger and catalogue, into SQLite or PostgreSQL, all or nothing."""
    from convrec.service.backup import restore

    copied = restore(Workshop(load_settings(data_dir=data_dir)).database, file, replace=replace)
    if as_json:
        print_json(dataclasses.asdict(copied))
    else:
        _out.print(f"{copied.events:,} events, {copied.items:,} items restored")
        _out.print("Next: convrec index, and start a running server anew")


def export_ledger(
    out: Annotated[Path, typer.Option(help="FILE.jsonl, one event a line")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write every event of the ledger to a file; a running server goes on."""
    from convrec.service.exchange import export_events

    count = export_events(Workshop(load_settings(data_dir=data_dir)).ledger, out)
    if as_json:
        print_json({"events": count})
    else:
        _out.print(f"{count:,} events in {out}", markup=False, soft_wrap=True)


def import_ledger(
    file: Annotated[Path, typer.Argument(help="What convrec export wrote")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Store the events of a file that are not there yet; bad lines are reported, good ones kept."""
    from convrec.service.exchange import import_events

    workshop = Workshop(load_settings(data_dir=data_dir))
    with ConsoleSteps(_err).step("Importing") as progress:
        report = import_events(workshop.ledger, file, progress)
    if as_json:
        print_json(dataclasses.asdict(report))
    else:
        for error in report.errors:
            _err.print(escape(str(error)), style="red")
        _out.print(f"events: {report.read:,} read, {report.new:,} new; bad lines: {report.error_count:,}")
    if report.error_count:
        raise typer.Exit(ATTENTION)


def erase_user(
    user: Annotated[str, typer.Option(help="user_id")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train an adapter without them now, and remove those that knew them")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Remove everything of a user: ledger, keys, index, files of the data folder; names the adapters that knew."""
    workshop = Workshop(load_settings(data_dir=data_dir))
    if not yes:
        typer.confirm(f"Remove everything of {user}?", abort=True)
    done = workshop.erase(user)
    if as_json:
        print_json(dataclasses.asdict(done))
    else:
        files = ", ".join(done.files) or "none"
        _out.print(f"{done.events:,} events removed; files changed: {files}", markup=False, soft_wrap=True)
        if done.index:
            _out.print("The index knew them and is removed. Next: convrec index")
        if done.adapters:
            _out.print(f"Adapters that learned from them: {', '.join(done.adapters)}", markup=False)
    if done.adapters and retrain:
        _retrain(workshop, done.adapters)
    elif done.adapters and not as_json:
        _out.print("The next training removes them: a server with a schedule begins it now; else convrec retrain")


def show_stats(
    since: Annotated[
        str | None, typer.Option(help="A date, a time (ISO 8601) or a number of days [everything]")
    ] = None,
    by: Annotated[By, typer.Option(help="Whose versions")] = By.ADAPTER,
    against: Annotated[
        str | None, typer.Option(help="Compare the others with this version [the most shown]")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Print what slates led to per adapter or prompt version, with 95 % intervals, and how versions differ."""
    from convrec.service.stats import ledger_stats, moment

    workshop = Workshop(load_settings(data_dir=data_dir))
    scale = workshop.catalogue().domain.rating_scale
    since_s = None if since is None else moment(since, time.time())
    stats = ledger_stats(workshop.ledger, scale, by, since_s, against)
    if as_json:
        print_json(dataclasses.asdict(stats))
    else:
        print_stats(_out, stats)


def _retrain(workshop: Workshop, adapters: tuple[str, ...]) -> None:
    """By the name of the active adapter, where that knew them, else of the last that did."""
    from convrec.service.retrain import RetrainConfig, retrain

    active = workshop.registry.active()
    label = active.label if active is not None and active.label in adapters else adapters[-1]
    done = retrain(workshop, RetrainConfig(label.partition("/")[0]), ConsoleSteps(_err))
    print_verdict(_err, done.verdict)
