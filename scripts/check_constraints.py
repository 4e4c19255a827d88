"""Counts how often a hard wish is broken in slates for generated requests: it must be never.

Needs an ingested, indexed catalogue that no server holds (`convrec demo`, then stop it). The language model is not
asked: rules, judges and retrieval are what holds constraints. Exit code 1 when any slate breaks one.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from convrec.console import ConsoleSteps
from convrec.retrieval.hybrid import HybridRetriever
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.testing.requests import HardRequest, hard_requests
from convrec.testing.talk import Talk
from convrec.types import SessionState


def main() -> None:
    """Generate, ask, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None, help="write the figures there")
    arguments = parser.parse_args()
    workshop = Workshop(load_settings(data_dir=arguments.data_dir))
    catalogue = workshop.catalogue()
    started = time.monotonic()
    counts = {"requests": 0, "slates": 0, "questions": 0, "relaxed_and_said": 0, "items": 0, "broken_slates": 0}
    with workshop.open_index(catalogue, ConsoleSteps(Console(stderr=True))) as index:
        retriever = HybridRetriever(index, catalogue, workshop.embedder, workshop.hybrid)
        talk = Talk(workshop.listener(catalogue), retriever)

        def answer(request: HardRequest) -> tuple[tuple[str, ...], SessionState, bool]:
            """The last slate, the state behind it, and whether anything was said to be relaxed."""
            state, found, relaxed = SessionState(), tuple[str, ...](), False
            for message in request.turns:
                said = talk.turn(message, state, 5)
                state, found, clarification = said.state, said.found, said.intent.clarification
                relaxed |= clarification is not None and not clarification.asks
            return found, state, relaxed

        for request in track(list(hard_requests(catalogue, arguments.requests, arguments.seed)), "requests"):
            found, state, relaxed = answer(request)
            counts["requests"] += 1
            counts["questions"] += state.asked is not None
            counts["relaxed_and_said"] += relaxed
            counts["slates"] += bool(found)
            counts["items"] += len(found)
            if not relaxed and not all(request.holds(catalogue[item_id]) for item_id in found):
                counts["broken_slates"] += 1
                print(f"broken: {request.turns}")
    figures = {**counts, "seconds": round(time.monotonic() - started, 1)}
    print(json.dumps(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    raise SystemExit(1 if counts["broken_slates"] else 0)


if __name__ == "__main__":
    main()
