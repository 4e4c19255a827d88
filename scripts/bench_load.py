"""Loads a server with virtual people and times their turns: to the slate, to the first word, to the end.

Closed loop (`--users 1,4,16`): each person asks again when the answer has ended. Open loop (`--rate 0.5,1`): turns
begin at random moments, so many a second, whether the server keeps up or not. `turns_over_first` compares the
turns a second with the first run's. Without `--url` a server of the demo's data folder is started and ended; run
`convrec demo` once before.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from convrec.console import ConsoleSteps
from convrec.engine.vllm_server import free_port

MESSAGES = (
    "what should I see tonight?",
    "a drama from the 90s",
    "something funnier",
    "no horror please, something light",
    "a science fiction adventure",
)
QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds from the request on; infinity for what never came.

    Args:
        slate, first, end: The slate, the first piece of prose, the end.
        degraded: Whether the slate was retrieval's alone.
        status: HTTP's; 0 where the connection failed.
    """

    slate: float
    first: float
    end: float
    degraded: bool
    status: int


def main(
    users: Annotated[str, typer.Option(help="Closed loop: people at once, one run each")] = "1,4,16",
    rate: Annotated[str, typer.Option(help="Open loop: turns a second, one run each")] = "",
    turns: Annotated[int, typer.Option(help="Turns of each person")] = 4,
    seconds: Annotated[float, typer.Option(help="Open loop: how long turns begin")] = 60.0,
    url: Annotated[str | None, typer.Option(help="A running server")] = None,
    engine: Annotated[str, typer.Option(help="Of the server that is started")] = "auto",
    model: Annotated[str | None, typer.Option(help="Of that server: folder or hub name [the demo's]")] = None,
    data_dir: Annotated[Path, typer.Option(help="The demo's data folder")] = Path(".convrec"),
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here")] = None,
) -> None:
    """Measure and print."""
    steps = ConsoleSteps(Console(stderr=True))
    runs: dict[str, dict[str, Any]] = {}
    with _server(url, engine, model, data_dir, steps) as base:
        asyncio.run(_closed(base, 1, 2))  # warms caches and grammars
        for count in _numbers(users):
            with steps.step(f"{count:g} people, {turns} turns each"):
                runs[f"users_{count:g}"] = _summary(*asyncio.run(_closed(base, int(count), turns)))
        for per_s in _numbers(rate):
            with steps.step(f"{per_s:g} turns a second"):
                runs[f"rate_{per_s:g}"] = _summary(*asyncio.run(_open(base, per_s, seconds)))
    rates = {name: run["turns_per_s"] for name, run in runs.items()}
    first = next(iter(rates.values()), 0.0)
    figures = {
        "turns_per_s": rates,
        "turns_over_first": {name: round(rate / first, 3) for name, rate in rates.items() if first},
        "runs": runs,
    }
    Console(stderr=True).print(_table(runs))
    print(json.dumps(figures, indent=2))
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


@contextmanager
def _server(url: str | None, engine: str, model: str | None, data_dir: Path, steps: ConsoleSteps) -> Iterator[str]:
    if url is not None:
        yield url.rstrip("/")
        return
    port = free_port()
    command = [sys.executable, "-m", "convrec.cli", "serve", "--port", str(port), "--engine", engine]
    chosen = {"CONVREC_MODEL": model} if model else {}
    child = subprocess.Popen(
        [*command, "--data-dir", str(data_dir)], stderr=subprocess.DEVNULL, env={**os.environ, **chosen}
    )
    base = f"http://127.0.0.1:{port}"
    try:
        with steps.step("Starting a server"):
            while child.poll() is None:
                try:
                    if httpx.get(f"{base}/ready", trust_env=False).status_code == httpx.codes.OK:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.5)
            else:
                raise typer.BadParameter(f"the server ended; see {data_dir / 'logs'}, or run: convrec demo")
        yield base
    finally:
        child.terminate()
        child.wait(60)


async def _closed(base: str, count: int, turns: int) -> tuple[list[Turn], float]:
    """Turns of so many people who ask at once, and the seconds that all of it took."""

    async def person(http: httpx.AsyncClient, number: int) -> list[Turn]:
        session = f"bench-{random.getrandbits(64):x}"
        return [await _turn(http, number, session, turn) for turn in range(turns)]

    async with httpx.AsyncClient(base_url=base, timeout=600.0, trust_env=False) as http:
        started = time.perf_counter()
        made = await asyncio.gather(*(person(http, number) for number in range(count)))
    return [turn for own in made for turn in own], time.perf_counter() - started


async def _open(base: str, per_s: float, seconds: float) -> tuple[list[Turn], float]:
    """Turns that begin at random, of one person each."""
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(base_url=base, timeout=600.0, limits=limits, trust_env=False) as http,
        asyncio.TaskGroup() as group,
    ):
        started, begun = time.perf_counter(), []
        while time.perf_counter() - started < seconds:
            number = len(begun)
            begun.append(group.create_task(_turn(http, number, f"bench-{random.getrandbits(64):x}", number)))
            await asyncio.sleep(random.expovariate(per_s))
    return [turn.result() for turn in begun], time.perf_counter() - started


async def _turn(http: httpx.AsyncClient, person: int, session: str, turn: int) -> Turn:
    body = {
        "model": "convrec",
        "messages": [{"role": "user", "content": MESSAGES[(person + turn) % len(MESSAGES)]}],
        "stream": True,
        "convrec": {"user_id": str(1 + person), "session_id": session},
    }
    started = time.perf_counter()
    slate = first = end = float("inf")
    degraded, status = False, 0
    try:
        async with http.stream("POST", "/v1/chat/completions", json=body) as response:
            status = response.status_code
            async for line in response.aiter_lines():
                now = time.perf_counter() - started
                if line == "data: [DONE]":
                    end = now
                elif line.startswith("data: "):
                    for choice in json.loads(line[6:]).get("choices", ()):
                        delta = choice["delta"]
                        if shown := delta.get("convrec"):
                            slate, degraded = now, shown["degraded"]
                        if delta.get("content"):
                            first = min(first, now)
    except httpx.TransportError:
        pass
    return Turn(slate, first, end, degraded, status)


def _summary(made: list[Turn], wall_s: float) -> dict[str, Any]:
    done = [turn for turn in made if turn.end < float("inf")]
    quantiles = {
        f"{name}_s": {
            f"p{round(100 * q)}": round(float(np.quantile([getattr(turn, name) for turn in done], q)), 3)
            for q in QUANTILES
        }
        for name in ("slate", "first", "end")
        if done
    }
    p99_over_p50 = {
        name: round(quantiles[name]["p99"] / quantiles[name]["p50"], 2) for name in _TIMES if name in quantiles
    }
    return {
        "turns": len(made),
        "turns_per_s": round(len(done) / wall_s, 3),
        "refused": sum(turn.status == 503 for turn in made),
        "failed": len(made) - len(done) - sum(turn.status == 503 for turn in made),
        "degraded": sum(turn.degraded for turn in made),
        **quantiles,
        "p99_over_p50": p99_over_p50,
    }


def _table(runs: dict[str, dict[str, Any]]) -> Table:
    table = Table(
        "run", "turns/s", "slate p50 / p95 / p99", "first word", "whole turn", "refused, failed, degraded"
    )
    for name, run in runs.items():
        cells = [" / ".join(f"{value:.2f}" for value in run.get(key, {}).values()) for key in _TIMES]
        told = f"{run['refused']}, {run['failed']}, {run['degraded']}"
        table.add_row(name, f"{run['turns_per_s']:.2f}", *cells, told)
    return table


_TIMES = ("slate_s", "first_s", "end_s")


def _numbers(listed: str) -> list[float]:
    return [float(part) for part in listed.split(",") if part]


if __name__ == "__main__":
    typer.run(main)
