"""Kill -9 under concurrent feedback, a hundred times on SQLite and a hundred on PostgreSQL; prints figures."""

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from convrec.cli_options import print_json
from convrec.testing.kill import KillFigures, kill_writers
from convrec.testing.postgres import postgres_binaries, postgres_cluster


def main(
    kills: Annotated[int, typer.Option(min=10, help="Of writers, on each database")] = 100,
    seed: Annotated[int, typer.Option()] = 7,
) -> None:
    """Exit code 1 where anything that was acknowledged is lost, or anything is stored twice or in part."""
    found: dict[str, KillFigures] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found["sqlite"] = kill_writers(f"sqlite:///{folder / 'ledger.db'}", kills, seed)
        binaries = postgres_binaries()
        if binaries is not None:
            cluster = stack.enter_context(postgres_cluster(binaries))

            def crash() -> None:
                cluster.crash()
                cluster.start()

            found["postgresql"] = kill_writers(cluster.new_database(), kills, seed, crash)
    print_json({name: asdict(figures) for name, figures in found.items()})
    if binaries is None:
        typer.echo("PostgreSQL is not installed: skipped", err=True)
    raise typer.Exit(not all(figures.sound for figures in found.values()))


if __name__ == "__main__":
    typer.run(main)
