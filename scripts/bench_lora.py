"""What an adapter costs in vLLM: scoring and decoding with one, over the same without, in one run.

The adapter is a LoRA with random weights on every linear module of every layer, which costs most. `--stock` also
runs vLLM without our plugin, whose own LoRA products are the baseline.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from convrec.console import ConsoleSteps
from convrec.engine.base import AdapterRef, Labels, Sampling
from convrec.engine.vllm import VllmEngine
from convrec.engine.vllm_server import VllmServer
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.testing.adapters import write_lora

_WORDS = (1_000, 40_000)
"""Token ids that prompts are drawn from: any will do."""


class StockServer(VllmServer):
    """A vLLM server whose LoRA products are its own."""

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "VLLM_PLUGINS": ""}


def main(
    model: Annotated[str | None, typer.Option(help="Folder or hub name [the demo's model]")] = None,
    candidates: Annotated[int, typer.Option(help="Segments of a call")] = 20,
    prefix: Annotated[int, typer.Option(help="Tokens of the prefix")] = 200,
    segment: Annotated[int, typer.Option(help="Tokens of a segment")] = 14,
    rank: Annotated[int, typer.Option(help="Of the adapter")] = 8,
    tokens: Annotated[int, typer.Option(help="Decoded in a reply")] = 48,
    rounds: Annotated[int, typer.Option(help="Each kind is timed so often, in turn")] = 9,
    stock: Annotated[bool, typer.Option(help="Also vLLM without the plugin")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's models are kept")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here")] = None,
) -> None:
    """Measure and print."""
    workshop = Workshop(load_settings(data_dir=data_dir, model=model))
    steps = ConsoleSteps(Console(stderr=True))
    shape = {"candidates": candidates, "prefix": prefix, "segment": segment, "rank": rank, "tokens": tokens}
    with TemporaryDirectory() as folder:
        adapter = AdapterRef("bench@1", Path(folder))
        write_lora(adapter.path, workshop.model, seed=0, rank=rank)
        figures: dict[str, object] = {**shape, "rounds": rounds}
        kinds: list[tuple[str, type[VllmServer]]] = [
            ("", VllmServer),
            *([("stock_", StockServer)] if stock else []),
        ]
        for kind, server in kinds:
            with steps.step(f"vLLM{' without the plugin' if kind else ''}"), TemporaryDirectory() as logs:
                child = server(workshop.model, logs_dir=Path(logs), dtype=workshop.settings.dtype)
                engine = VllmEngine(workshop.model, server=child, score_timeout_s=120.0, reply_timeout_s=300.0)
                found = asyncio.run(_measure(engine, adapter, shape, rounds))
            figures |= {kind + name: value for name, value in found.items()}
    print(json.dumps(figures, indent=2))
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


async def _measure(
    engine: VllmEngine, adapter: AdapterRef, shape: dict[str, int], rounds: int
) -> dict[str, float]:
    source = random.Random(0)

    def drawn(count: int) -> list[int]:
        return [source.randrange(*_WORDS) for _ in range(count)]

    async def score_s(prompt: list[int], name: str | None) -> float:
        segments = [drawn(shape["segment"]) for _ in range(shape["candidates"])]
        started = time.perf_counter()
        await engine.score(prompt, segments, Labels(10, 11), name)
        return time.perf_counter() - started

    async def token_s(name: str | None) -> float:
        """Seconds per token after the first: the grammar keeps the reply from ending early."""
        sampling = Sampling(shape["tokens"], grammar="root ::= [a-z ]{2000}")
        moments = [
            time.perf_counter() async for _ in engine.generate(drawn(shape["prefix"]), sampling, adapter=name)
        ]
        return (moments[-1] - moments[0]) / (len(moments) - 1)

    times: dict[str, list[float]] = {}
    await engine.start()
    try:
        await engine.load_adapter(adapter)
        for number in range(rounds + 1):
            # The one that goes first changes from round to round.
            for kind, name in (("base", None), ("adapter", adapter.name))[:: 1 if number % 2 else -1]:
                prompt = drawn(shape["prefix"])
                found = {
                    f"score_{kind}_s": await score_s(prompt, name),
                    f"score_cached_{kind}_s": await score_s(prompt, name),
                    f"token_{kind}_s": await token_s(name),
                }
                if number:  # the first round warms up
                    for key, value in found.items():
                        times.setdefault(key, []).append(value)
    finally:
        await engine.close()
    medians = {key: statistics.median(values) for key, values in times.items()}
    ratios = {
        "score_ratio": medians["score_adapter_s"] / medians["score_base_s"],
        "score_cached_ratio": medians["score_cached_adapter_s"] / medians["score_cached_base_s"],
        "decode_ratio": medians["token_adapter_s"] / medians["token_base_s"],
    }
    return {key: round(value, 4) for key, value in (medians | ratios).items()}


if __name__ == "__main__":
    typer.run(main)
