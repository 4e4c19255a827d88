"""Times turns on the demo's data: seconds to the slate and to the end, beside what the arithmetic must cost.

Each person says two things: the first meets a cold cache, the second the person's prefix in it. The floor of a
turn is the time, measured in this run, of plain matrix multiplies of the shapes that the model needs for the
turn's scoring tokens (prefix and segments, nothing cached). Run `convrec demo` once before.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console

from convrec.console import ConsoleSteps
from convrec.data.catalogue import Catalogue
from convrec.engine.base import Engine, Labels, Sampling
from convrec.engine.vllm import VllmEngine
from convrec.service.build import Workshop
from convrec.service.engines import start_engine
from convrec.service.recommender import Recommender
from convrec.service.requests import ChatRequest, SlateReady, TurnDone
from convrec.settings import load_settings

MESSAGES = (
    "something like {liked} but funnier",
    "what should I see tonight?",
    "a drama from the 90s",
    "no horror please, something light",
    "a science fiction adventure",
    "something shorter and newer",
    "a thriller from the 80s",
    "films about boxing",
    "a musical for the whole family",
    "war films, but no romance",
)


@dataclass(frozen=True, slots=True)
class Scored:
    """A call of `score`: what was asked about, and the seconds that it took."""

    prefix: list[int]
    segments: list[list[int]]
    adapter: str | None
    salt: str | None
    seconds: float

    @property
    def tokens(self) -> int:
        """Of the prefix and all segments."""
        return len(self.prefix) + sum(map(len, self.segments))


class WatchedEngine:
    """Passes everything on and remembers the calls of `score`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.calls: list[Scored] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def score(
        self,
        prefix: Sequence[int],
        segments: Sequence[Sequence[int]],
        labels: Labels,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> list[float]:
        """Engine.score."""
        started = time.perf_counter()
        values = await self.engine.score(prefix, segments, labels, adapter, salt)
        seconds = time.perf_counter() - started
        self.calls.append(Scored(list(prefix), [list(segment) for segment in segments], adapter, salt, seconds))
        return values


async def run_turn(recommender: Recommender, request: ChatRequest) -> tuple[float, float]:
    """Seconds to the slate, and of the whole turn."""
    slate_s = turn_s = 0.0
    async for event in recommender.chat(request):
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


def whole_prompts_s(model: str, calls: Sequence[Scored]) -> list[float]:
    """Seconds in which plain transformers scores each call's prompts one after the other, nothing shared."""
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    times = []
    with torch.inference_mode():
        loaded(torch.tensor([calls[0].prefix]))
        for call in calls:
            started = time.perf_counter()
            for segment in call.segments:
                loaded(torch.tensor([call.prefix + segment]), logits_to_keep=1)
            times.append(time.perf_counter() - started)
    return times


async def generated_list_s(engine: Engine, call: Scored, titles: Sequence[str], numbered: bool) -> float:
    """Seconds in which the engine writes a ranked list of these titles, in whatever order it likes.

    Args:
        numbered: Lines begin with their number, as published prompts ask for (Hou et al. 2024, "Large Language
            Models are Zero-Shot Rankers for Recommender Systems": ranking results "with order numbers").
    """
    shown = "".join(f"- {title}\n" for title in titles)
    asked = engine.tokenizer.encode(f"{shown}The same films, best first:\n")
    line = " | ".join(json.dumps(f"{title}\n", ensure_ascii=False) for title in titles)
    places = [f'"{place}. " line' if numbered else "line" for place in range(1, len(titles) + 1)]
    grammar = f"root ::= {' '.join(places)}\nline ::= {line}"
    budget = 3 * len(engine.tokenizer.encode(shown)) + 100
    started = time.perf_counter()
    pieces: AsyncIterator[str] = engine.generate(
        [*call.prefix, *asked], Sampling(budget, grammar=grammar), call.adapter, call.salt
    )
    async for _ in pieces:
        pass
    return time.perf_counter() - started


def requests(catalogue: Catalogue, recommender: Recommender, people: int) -> list[tuple[ChatRequest, ChatRequest]]:
    """What each person says: something, naming a thing of their own, and something else in the same session."""
    made = []
    for number, (user_id, _) in enumerate(recommender.ledger.users(people)):
        liked = next(e.item_id for e in reversed(recommender.ledger.feedback(user_id)) if e.item_id)
        session = f"bench-{uuid4().hex}"
        first, second = (
            ChatRequest(
                user_id, MESSAGES[n % len(MESSAGES)].format(liked=catalogue[liked].title), session_id=session
            )
            for n in (number, number + 1)
        )
        made.append((first, second))
    return made


async def measure(
    workshop: Workshop, turns: int, conversation: int, compared: int, steps: ConsoleSteps
) -> dict[str, Any]:
    """Run the turns; they stay in the ledger of the data folder, as a person's would."""
    catalogue = workshop.catalogue()
    async with AsyncExitStack() as stack:
        index = stack.enter_context(workshop.open_index(catalogue, steps))
        started = time.perf_counter()
        engine = WatchedEngine(await start_engine(workshop.settings, workshop.model, steps))
        start_s = time.perf_counter() - started
        stack.push_async_callback(engine.close)
        recommender = workshop.recommender(catalogue, index, engine, await workshop.active_version(engine, steps))
        plan = requests(catalogue, recommender, turns + 2)
        for request in plan[0]:  # warms caches and grammars
            await run_turn(recommender, request)
        engine.calls.clear()
        cold, cached = [], []
        with steps.step(f"{turns} people, two turns each") as progress:
            for done, (first, second) in enumerate(plan[1:-1], start=1):
                cold.append(await run_turn(recommender, first))
                cached.append(await run_turn(recommender, second))
                progress(done / turns, first.message)
        calls = list(engine.calls)
        figures: dict[str, Any] = {
            "engine": engine.name,
            "adapter": recommender.version.adapter,
            "turns": turns,
            "engine_start_s": round(start_s, 1),
            "scored_tokens": statistics.median(call.tokens for call in calls),
        }
        if isinstance(engine.engine, VllmEngine):
            figures["prefix_hit_rate"] = await _hit_rate(engine.engine, recommender, plan[-1], conversation)
        with steps.step(f"{compared} slates as generated lists"):
            lists, bare = [], []
            for number, call in enumerate(calls[: 2 * compared : 2]):
                films = [catalogue[i] for i in list(catalogue.ids)[number :: len(catalogue) // 20][:20]]
                # A film's title as MovieLens and ReDial write it: "Heat (1995)".
                named = [" ".join([film.title, *(f"({year})" for year in film.values("year"))]) for film in films]
                lists.append(await generated_list_s(engine.engine, call, named, True))
                bare.append(await generated_list_s(engine.engine, call, [film.title for film in films], False))
    with steps.step("The floors"):
        floors = [floor_s(workshop.model, call.tokens, len(call.segments)) for call in calls]
    with steps.step(f"{compared} slates as whole prompts"):
        whole = whole_prompts_s(workshop.model, calls[: 2 * compared : 2])

    def ratio(times: Sequence[float], over: Sequence[float]) -> float:
        return round(statistics.median(a / b for a, b in zip(times, over, strict=True)), 3)

    cold_s, cached_s = [slate for slate, _ in cold], [slate for slate, _ in cached]
    score_s = [call.seconds for call in calls[: 2 * compared : 2]]
    return figures | {
        "slate_s": round(statistics.median(cold_s), 3),
        "slate_cached_s": round(statistics.median(cached_s), 3),
        "turn_s": round(statistics.median(turn for _, turn in cold), 3),
        "turn_cached_s": round(statistics.median(turn for _, turn in cached), 3),
        "floor_s": round(statistics.median(floors), 3),
        "slate_over_floor_cold": ratio(cold_s, floors[::2]),
        "slate_over_floor_cached": ratio(cached_s, floors[1::2]),
        "speedup_over_whole_prompts": ratio(whole, score_s),
        "speedup_over_generated_list": ratio(lists, score_s),
        "speedup_over_bare_titles": ratio(bare, score_s),
    }


async def _hit_rate(
    engine: VllmEngine, recommender: Recommender, person: tuple[ChatRequest, ChatRequest], turns: int
) -> float:
    """Share of the tokens of a conversation's prompts, replies included, that vLLM had in its cache."""
    before = await engine.prefix_cache()
    for turn in range(turns):
        message = MESSAGES[turn % len(MESSAGES)].format(liked="Alien")
        await run_turn(recommender, ChatRequest(person[0].user_id, message, person[0].session_id))
    asked, found = (after - b for after, b in zip(await engine.prefix_cache(), before, strict=True))
    return round(found / asked, 3)


def main(
    engine: Annotated[str | None, typer.Option(help="auto, vllm or transformers")] = None,
    model: Annotated[str | None, typer.Option(help="Folder or hub name [the demo's model]")] = None,
    turns: Annotated[int, typer.Option(help="People, who say two things each")] = 20,
    conversation: Annotated[int, typer.Option(help="Turns of the one whose cache hits are counted")] = 10,
    compared: Annotated[int, typer.Option(help="Slates also made as whole prompts and as generated lists")] = 3,
    data_dir: Annotated[Path | None, typer.Option(help="The demo's data folder [.convrec]")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here")] = None,
) -> None:
    """Measure and print."""
    workshop = Workshop(load_settings(data_dir=data_dir, engine=engine, model=model))
    steps = ConsoleSteps(Console(stderr=True))
    result = asyncio.run(measure(workshop, turns, conversation, compared, steps))
    print(json.dumps(result, indent=2))
    if json_file:
        json_file.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
