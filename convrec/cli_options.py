"""Options that commands share, and how they answer programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

ATTENTION = 3
"""Exit code: done, but something needs attention."""

EngineName = Literal["auto", "vllm", "transformers"]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Ledger, index, models, logs [env CONVREC_DATA_DIR; .convrec]")
]
EngineOption = Annotated[EngineName | None, typer.Option("--engine", help="What runs the language model [auto]")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on [127.0.0.1]")]
Port = Annotated[int | None, typer.Option("--port", help="Port of the API and of the page [8000]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read")]


def print_json(value: Any) -> None:
    """For a program to read."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
