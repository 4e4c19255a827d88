"""`convrec understand`: parse, call, print. No logic."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from convrec.cli_options import DataDir, Json
from convrec.console import ConsoleSteps
from convrec.dialogue.state import update
from convrec.service.build import Workshop
from convrec.service.engines import engine_or_none
from convrec.service.views import understood_view
from convrec.settings import load_settings
from convrec.types import Intent, SessionState

_out, _err = Console(), Console(stderr=True)


def understand_messages(
    text: Annotated[list[str], typer.Argument(help="Messages, each quoted")],
    conversation: Annotated[
        bool, typer.Option("--conversation", help="The turns of one conversation instead of messages of their own")
    ] = False,
    no_llm: Annotated[bool, typer.Option("--no-llm", help="By rules and the text embedder alone")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say how messages are understood on the ingested catalogue; --json prints one line for each."""
    workshop = Workshop(load_settings(data_dir=data_dir))
    intents = asyncio.run(_understood(workshop, text, conversation=conversation, llm=not no_llm))
    for message, intent in zip(text, intents, strict=True):
        view = understood_view(intent)
        if as_json:
            typer.echo(json.dumps(view, ensure_ascii=False))
            continue
        _out.print(f"[bold]{view['kind']}[/bold] {escape(message)}", soft_wrap=True)
        for name, value in view.items():
            if value and name != "kind":
                _out.print(f"  {name}: {escape(json.dumps(value, ensure_ascii=False))}", soft_wrap=True)


async def _understood(
    workshop: Workshop, messages: Sequence[str], *, conversation: bool, llm: bool
) -> list[Intent]:
    catalogue = workshop.catalogue()
    async with engine_or_none(
        workshop.settings, workshop.model_or_none if llm else None, ConsoleSteps(_err)
    ) as engine:
        listener = workshop.listener(catalogue, engine)
        state, intents = SessionState(), []
        for message in messages:
            intents.append(await listener.understand(message, state))
            state = update(state, intents[-1]) if conversation else state
        return intents
