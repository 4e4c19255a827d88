"""Times whole turns on the demo's data: seconds to the slate and to the end, beside what the arithmetic must cost.

The floor of a turn is the time, measured in this run, of plain matrix multiplies of the shapes that the model
needs for the turn's scoring tokens (prefix and segments, nothing cached). Run `convrec demo` once before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from convrec.console import ConsoleSteps
from convrec.data.catalogue import Catalogue
from convrec.engine.base import Engine, Labels
from convrec.service.build import Workshop
from convrec.service.engines import start_engine
from convrec.service.recommender import ChatRequest, Recommender, SlateReady, TurnDone
from convrec.settings import load_settings

MESSAGES = (
    "something like {liked} but funnier",
    "what should I see tonight?",
    "a drama from the 90s",
    "no horror please, something light",
    "a science fiction adventure",
)


class CountingEngine:
    """Passes everything on and remembers how many tokens each call of `score` asked about."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.tokens: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def score(
        self, prefix: Sequence[int], segments: Sequence[Sequence[int]], labels: Labels, adapter: str | None = None
    ) -> list[float]:
        """Engine.score."""
        self.tokens.append((len(prefix) + sum(map(len, segments)), len(segments)))
        return await self._engine.score(prefix, segments, labels, adapter)


async def run_turn(recommender: Recommender, user_id: str, message: str) -> tuple[float, float]:
    """Seconds to the slate, and of the whole turn."""
    slate_s = turn_s = 0.0
    async for event in recommender.chat(ChatRequest(user_id, message)):
        if isinstance(event, SlateReady):
            assert not event.slate.degraded, event.slate.reason
            slate_s = event.latency_s
        elif isinstance(event, TurnDone):
            turn_s = event.latency_s
    return slate_s, turn_s


def floor_s(model: str, tokens: int, rows: int, repeats: int = 3) -> float:
    """Seconds of the model's matrix multiplies in float32 for `tokens` tokens, `rows` of which reach the head."""
    import torch
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(model)
    hidden, wide = config.hidden_size, config.intermediate_size
    head = getattr(config, "head_dim", None) or hidden // config.num_attention_heads
    query, key = config.num_attention_heads * head, config.num_key_value_heads * head
    shapes = [
        (hidden, query),
        (hidden, key),
        (hidden, key),
        (query, hidden),
        (hidden, wide),
        (hidden, wide),
        (wide, hidden),
    ]
    weights = [torch.randn(shape) for shape in shapes]
    inputs = {width: torch.randn(tokens, width) for width in {a for a, _ in shapes}}
    last, vocabulary = torch.randn(rows, hidden), torch.randn(hidden, config.vocab_size)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _layer in range(config.num_hidden_layers):
            for weight in weights:
                inputs[weight.shape[0]] @ weight
        last @ vocabulary
        times.append(time.perf_counter() - started)
    return min(times)


def messages(catalogue: Catalogue, recommender: Recommender, turns: int) -> list[tuple[str, str]]:
    """(user_id, message) of each turn: active users in turn, each naming something of their own."""
    users = [user_id for user_id, _ in recommender.ledger.users(turns)]
    made = []
    for turn in range(turns):
        user_id = users[turn % len(users)]
        liked = next(e.item_id for e in reversed(recommender.ledger.feedback(user_id)) if e.item_id)
        made.append((user_id, MESSAGES[turn % len(MESSAGES)].format(liked=catalogue[liked].title)))
    return made


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the turns; they stay in the ledger of the data folder, as a person's would."""
    console = Console(stderr=True)
    steps = ConsoleSteps(console)
    workshop = Workshop(load_settings(data_dir=arguments.data_dir, engine=arguments.engine, model=arguments.model))
    catalogue = workshop.catalogue()
    async with AsyncExitStack() as stack:
        index = stack.enter_context(workshop.open_index(catalogue, steps))
        started = time.perf_counter()
        engine = CountingEngine(await start_engine(workshop.settings, workshop.model, steps))
        start_s = time.perf_counter() - started
        stack.push_async_callback(engine.close)
        recommender = workshop.recommender(catalogue, index, engine, await workshop.active_version(engine, steps))
        plan = messages(catalogue, recommender, arguments.turns + 1)
        await run_turn(recommender, *plan[0])  # warms caches and grammars
        engine.tokens.clear()
        times = []
        with steps.step(f"{arguments.turns} turns") as progress:
            for done, (user_id, message) in enumerate(plan[1:], start=1):
                times.append(await run_turn(recommender, user_id, message))
                progress(done / arguments.turns, message)
        name = engine.name
    slate_s = [slate for slate, _ in times]
    floors = [floor_s(workshop.model, tokens, rows) for tokens, rows in engine.tokens]
    return {
        "engine": name,
        "turns": arguments.turns,
        "engine_start_s": round(start_s, 1),
        "scored_tokens": statistics.median(tokens for tokens, _ in engine.tokens),
        "slate_s": round(statistics.median(slate_s), 3),
        "turn_s": round(statistics.median(turn for _, turn in times), 3),
        "floor_s": round(statistics.median(floors), 3),
        "slate_over_floor_cold": round(statistics.median(s / f for s, f in zip(slate_s, floors, strict=True)), 3),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=None, help="the demo's data folder [.convrec]")
    parser.add_argument("--engine", choices=("auto", "vllm", "transformers"), default=None)
    parser.add_argument("--model", default=None, help="folder or hub name [the demo's model]")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments))
    print(json.dumps(result, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
