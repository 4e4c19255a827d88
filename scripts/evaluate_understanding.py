"""Measures how well labelled messages are understood, each as the first of a conversation.

    scripts/evaluate_understanding.py tests/data/understanding/development.jsonl --errors
    scripts/evaluate_understanding.py tests/data/understanding/messages.jsonl --json

The catalogue is the ingested one, else the demo's MovieLens-100K. `--errors` prints every message that was
misunderstood; never use it on messages that are to measure what you change.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from convrec.data.catalogue import Catalogue, read_items
from convrec.data.sources import fetch_movielens
from convrec.dialogue.judging import learned_kinds
from convrec.dialogue.understanding import Understanding
from convrec.evaluation.messages import differences, read_messages, understood
from convrec.prompting import load_domain
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.types import Item, SessionState


def main() -> None:
    """Parse, understand, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--data-dir", type=Path, default=None, help="where the demo's data set is [.convrec]")
    parser.add_argument("--errors", action="store_true", help="print what was misunderstood")
    parser.add_argument("--rules", action="store_true", help="without the learned judge of kinds")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    settings = load_settings(data_dir=arguments.data_dir)
    items = read_items(fetch_movielens(settings.data_dir).catalogue_file)
    catalogue = Catalogue((i for i in items if isinstance(i, Item)), load_domain(settings.prompts_dir, "movies"))
    judge = None if arguments.rules else learned_kinds(Workshop(settings).embedder)
    understanding = Understanding(catalogue, judge)
    labelled = read_messages(arguments.file)
    started = time.perf_counter()
    intents = [understanding.understand(one.message, SessionState()) for one in labelled]
    took = time.perf_counter() - started
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


if __name__ == "__main__":
    main()
