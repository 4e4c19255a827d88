"""`convrec understand`: parse, call, print. No logic."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from convrec.cli_options import DataDir, Json
from convrec.dialogue.state import update
from convrec.service.build import Workshop
from convrec.service.views import understood_view
from convrec.settings import load_settings
from convrec.types import SessionState

_out = Console()


def understand_messages(
    text: Annotated[list[str], typer.Argument(help="Messages, each quoted")],
    conversation: Annotated[
        bool, typer.Option("--conversation", help="The turns of one conversation instead of messages of their own")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say how messages are understood on the ingested catalogue; --json prints one line for each."""
    workshop = Workshop(load_settings(data_dir=data_dir))
    understanding = workshop.understanding(workshop.catalogue())
    state = SessionState()
    for message in text:
        intent = understanding.understand(message, state)
        state = update(state, intent) if conversation else state
        view = understood_view(intent)
        if as_json:
            typer.echo(json.dumps(view, ensure_ascii=False))
            continue
        _out.print(f"[bold]{view['kind']}[/bold] {escape(message)}", soft_wrap=True)
        for name, value in view.items():
            if value and name != "kind":
                _out.print(f"  {name}: {escape(json.dumps(value, ensure_ascii=False))}", soft_wrap=True)
