"""64 streams at once, a fifth of the clients vanishing, 2,000 turns; then everything that was held is let go.

Without `--url` a small server with a fake language model is started and ended. With it the server must be on
this machine; what it alone knows (tasks, turns under way) is left out then, and its ledger keeps the talk. Exit
code 1 when anything leaked, or a stream that was read to its end was not whole, in order and as the ledger has it.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from convrec.testing.soak import Soak, soak, soaked_server


def main(
    turns: Annotated[int, typer.Option(min=1)] = 2_000,
    warm_up: Annotated[int, typer.Option(min=1, help="Turns before the first look")] = 500,
    clients: Annotated[int, typer.Option(min=1, help="At once")] = 64,
    vanishing: Annotated[float, typer.Option(min=0, max=1, help="Share of turns whose client vanishes")] = 0.2,
    seed: Annotated[int, typer.Option()] = 7,
    url: Annotated[str | None, typer.Option(help="A running server on this machine")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here")] = None,
) -> None:
    """Soak, print, judge."""
    with ExitStack() as stack:
        if url is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = stack.enter_context(soaked_server(folder))
        found = soak(url.rstrip("/"), turns, warm_up, clients, vanishing, seed)
    Console().print(_table(found))
    load = found.load
    print(
        f"{load.whole} whole, {load.before_slate} left before the slate, {load.in_mid_stream} in mid-stream, in "
        f"{load.seconds:.0f} s; {load.busy} told to come back"
    )
    for fault in load.faults[:10]:
        print(f"fault: {fault}")
    print(f"faults: {len(load.faults)}; leaks: {', '.join(found.leaks) or 'none'}")
    if json_file:
        json_file.write_text(json.dumps(asdict(found) | {"leaks": found.leaks}, indent=2) + "\n")
    raise typer.Exit(bool(load.faults or found.leaks))


def _table(found: Soak) -> Table:
    table = Table("held", "before", "after")
    before, after = asdict(found.before), asdict(found.after)
    for name, held in before.items():
        if held is not None:
            table.add_row(name, f"{held:,}", f"{after[name]:,}")
    return table


if __name__ == "__main__":
    typer.run(main)
