"""Measures how well labelled messages are understood, each as the first of a conversation.

    scripts/evaluate_understanding.py tests/data/understanding/development.jsonl --errors
    scripts/evaluate_understanding.py tests/data/understanding/messages.jsonl --json

The catalogue is the ingested one, else the demo's MovieLens-100K. `--errors` prints every message that was
misunderstood; never use it on messages that are to measure what you change.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from convrec.console import ConsoleSteps
from convrec.data.catalogue import Catalogue, read_items
from convrec.data.sources import fetch_movielens
from convrec.dialogue.understanding import Understanding
from convrec.evaluation.messages import LabelledMessage, differences, read_messages, understood
from convrec.prompting import load_domain
from convrec.service.build import Workshop
from convrec.service.engines import engine_or_none
from convrec.service.listening import Listener
from convrec.settings import load_settings
from convrec.types import Intent, Item, SessionState


def main() -> None:
    """Parse, understand, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--data-dir", type=Path, default=None, help="where the demo's data set is [.convrec]")
    parser.add_argument("--errors", action="store_true", help="print what was misunderstood")
    parser.add_argument("--rules", action="store_true", help="no judge of kinds and no language model")
    parser.add_argument("--no-llm", action="store_true", help="without the language model")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    workshop = Workshop(load_settings(data_dir=arguments.data_dir))
    labelled = read_messages(arguments.file)
    model = None if arguments.rules or arguments.no_llm else workshop.model
    intents, took = asyncio.run(_understood(workshop, labelled, model, rules=arguments.rules))
    if arguments.errors:
        for one, intent in zip(labelled, intents, strict=True):
            for difference in differences(one.intent, intent):
                print(f"{one.message_id} {one.message!r}: {difference}")
    figures = {**asdict(understood(labelled, intents)), "messages": len(labelled), "seconds": took / len(labelled)}
    if arguments.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, figure in figures.items():
            print(f"{name:12} {figure:.4g}")


async def _understood(
    workshop: Workshop, labelled: Sequence[LabelledMessage], model: str | None, *, rules: bool
) -> tuple[list[Intent], float]:
    """The intents, and how many seconds they took together."""
    settings = workshop.settings
    items = read_items(fetch_movielens(settings.data_dir).catalogue_file)
    catalogue = Catalogue((i for i in items if isinstance(i, Item)), load_domain(settings.prompts_dir, "movies"))
    async with engine_or_none(settings, model, ConsoleSteps(Console(stderr=True))) as engine:
        listener = Listener(Understanding(catalogue)) if rules else workshop.listener(catalogue, engine)
        await listener.understand("hello", SessionState())  # the first question loads the adapter
        started = time.perf_counter()
        intents = [await listener.understand(one.message, SessionState()) for one in labelled]
        return intents, time.perf_counter() - started


if __name__ == "__main__":
    main()
