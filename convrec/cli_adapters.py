"""`convrec adapters ...`: parses, calls the registry, prints. No logic."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from convrec.cli_options import Json, print_json
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.training.registry import AdapterVersion, Registry

app = typer.Typer(help="Adapter versions: what was trained, what ranks.", no_args_is_help=True)
_out = Console()

_JUDGED = ("offers: adapter", "opinions: adapter")
Label = Annotated[str, typer.Argument(metavar="NAME/VERSION")]


@app.command("list")
def list_versions(as_json: Json = False) -> None:
    """Every version, its verdict, and which is active."""
    registry = _registry()
    active = registry.active()
    rows = [_row(version, active) for version in registry.versions()]
    if as_json:
        print_json(rows)
        return
    table = Table("adapter", "active", "base model", "NDCG@10 offers", "opinions", "verdict")
    for row in rows:
        figures = row["metrics"].get("ndcg@10", {})
        table.add_row(
            f"{row['name']}/{row['version']}",
            "*" if row["active"] else "",
            row["base_model"],
            *(f"{figures[name]['mean']:.4f}" if name in figures else "" for name in _JUDGED),
            row["verdict"],
        )
    _out.print(table)


@app.command()
def show(label: Label) -> None:
    """A version's manifest."""
    print_json(dataclasses.asdict(_registry().get(label).manifest))


@app.command()
def promote(label: Label) -> None:
    """Make a version the active one; a running server ranks by it within a second."""
    _out.print(f"{_registry().promote(label).label} is active")


@app.command()
def rollback() -> None:
    """Make active what was active before."""
    version = _registry().rollback()
    _out.print(f"{version.label if version else 'the base model'} is active")


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=0, help="Newest versions of each name that stay")] = 5,
) -> None:
    """Remove old versions; the active one and the one before it stay."""
    removed = _registry().prune(keep)
    _out.print(f"removed: {', '.join(removed) or 'none'}")


def _registry() -> Registry:
    return Workshop(load_settings()).registry


def _row(version: AdapterVersion, active: AdapterVersion | None) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "active": active is not None and active.label == version.label,
        "base_model": manifest.base_model,
        "metrics": dict(manifest.metrics),
        "verdict": "accepted" if manifest.accepted else "rejected",
    }
