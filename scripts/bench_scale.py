"""Measure how the index grows: synthetic catalogues of 1,000 to 1,000,000 items, each in a process of its own.

Items belong to topics and have Zipf-distributed appeal; users wander within a few topics, where items of
neighbouring numbers follow each other. Text vectors come from a stand-in for the embedder (topic plus noise,
384 dimensions): what a real one costs is its texts per second, which does not depend on the catalogue's size.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from convrec.data.catalogue import Catalogue
from convrec.retrieval.base import Floats
from convrec.retrieval.chroma import Collection
from convrec.retrieval.hybrid import HybridRetriever
from convrec.retrieval.index import Index, build_index, open_index
from convrec.types import Domain, FeedbackEvent, FeedbackType, HistoryEntry, Item, RetrievalQuery

DOMAIN = Domain("things", "thing", "things", "use", "used", ("topic",), (), (1.0, 5.0))
DIMENSION = 384
TOPICS = 100
QUERIES = 200
NEAREST = 100


class TopicEmbedder:
    """A vector per text "... topic-T ... number-N": the topic's direction, with noise of the number's own."""

    dimension = DIMENSION

    def __init__(self) -> None:
        self._topics = np.random.default_rng(1).standard_normal((TOPICS, DIMENSION)).astype(np.float32)

    def embed(self, texts: Sequence[str]) -> Floats:
        """embeddings_N_D."""
        vectors: Floats = np.zeros((len(texts), DIMENSION), np.float32)
        for row, text in enumerate(texts):
            marks = dict(word.strip("(),").rsplit("-", 1) for word in text.split() if "-" in word)
            if "topic" in marks:
                vectors[row] = self._topics[int(marks["topic"])]
            if "number" in marks or not marks:
                seed = int(marks.get("number", len(text)))
                vectors[row] += np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def world(items: int, seed: int = 0) -> tuple[Catalogue, list[FeedbackEvent]]:
    """A catalogue and about ten choices per item, two million at most."""
    random = np.random.default_rng(seed)
    catalogue = Catalogue(
        (Item(f"i{n:07}", f"thing number-{n}", {"topic": f"topic-{n % TOPICS}"}) for n in range(items)), DOMAIN
    )
    appeal = 1.0 / np.arange(1, items // TOPICS + 1) ** 0.8
    appeal /= appeal.sum()
    events = []
    for user in range(min(10 * items, 2_000_000) // 25):
        moment = float(random.integers(1_000_000_000))
        chosen: dict[int, None] = {}
        for topic in random.integers(TOPICS, size=3):
            start = random.choice(len(appeal), size=5, p=appeal)
            chosen |= dict.fromkeys(int(p) * TOPICS + int(topic) for p in start)
            chosen |= dict.fromkeys(min(int(p) + 1, len(appeal) - 1) * TOPICS + int(topic) for p in start)
        for n in list(chosen)[:25]:
            moment += 60.0
            events.append(FeedbackEvent(f"{user}-{n}", f"u{user}", FeedbackType.LIKE, moment, f"i{n:07}"))
    return catalogue, events


def measure(items: int) -> dict[str, float]:
    """One size, in this process."""
    catalogue, events = world(items)
    embedder = TopicEmbedder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        laps: dict[str, float] = {}
        since, now_doing = time.perf_counter(), ""

        def lap(_: float, what: str) -> None:
            nonlocal since, now_doing
            if what != now_doing:
                laps[now_doing] = laps.get(now_doing, 0.0) + time.perf_counter() - since
                since, now_doing = time.perf_counter(), what

        started = time.perf_counter()
        meta = build_index(folder, catalogue, events, embedder, progress=lap)
        build_s = time.perf_counter() - started
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        with open_index(folder, embedder) as index:
            found = _queries(index, HybridRetriever(index, catalogue, embedder), events)
            exact = index.signals.behaviour.exact_N_N is not None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "items": items,
        "interactions": meta.interactions,
        "exact": float(exact),
        "build_s": build_s,
        "vectors_s": laps.get("storing vectors", 0.0),
        "fit_s": build_s - laps.get("storing vectors", 0.0) - laps.get("embedding descriptions", 0.0),
        "disk_gib": size / 2**30,
        "peak_gib": peak / 2**30,
        **found,
    }


def _queries(index: Index, retriever: HybridRetriever, events: list[FeedbackEvent]) -> dict[str, float]:
    by_user: dict[str, list[HistoryEntry]] = {}
    for event in events[-QUERIES * 40 :]:
        by_user.setdefault(event.user_id, []).append(HistoryEntry(event.item_id or "", 1.0, event.timestamp))
    histories = list(by_user.values())[-QUERIES:]
    times: dict[str, list[float]] = {"history": [], "request": []}
    shares: dict[str, list[float]] = {"behaviour": [], "text": []}
    behaviour = index.signals.behaviour
    row = {item_id: n for n, item_id in enumerate(index.item_ids)}
    for number, history in enumerate(histories):
        entries, barred = tuple(history), frozenset(entry.item_id for entry in history)
        text = f"topic-{number % TOPICS}"
        for kind, query in (
            ("history", RetrievalQuery(history=entries, exclude=barred)),
            ("request", RetrievalQuery(text=text, history=entries, exclude=barred)),
        ):
            started = time.perf_counter()
            retriever.retrieve(query, 20)
            times[kind].append(1000 * (time.perf_counter() - started))
        rows = np.array([row[entry.item_id] for entry in history])
        vector = behaviour.vector(rows, 0.8 ** np.arange(len(rows) - 1, -1, -1))
        asked = TopicEmbedder().embed([text])[0] + 0.3 * index.text_N_D[rows[0]]
        nearest: tuple[tuple[Collection, Floats, Floats], ...] = (
            ("behaviour", vector, behaviour.right_N_F),
            ("text", asked / np.linalg.norm(asked), index.text_N_D),
        )
        for name, wanted, matrix in nearest:
            scores = matrix @ wanted
            best = set(np.argpartition(-scores, NEAREST)[:NEAREST].tolist())
            near = {row[item_id] for item_id, _ in index.store.nearest(name, wanted, NEAREST)}
            shares[name].append(len(best & near) / NEAREST)
    figures = {f"{kind}_p{p}_ms": float(np.percentile(times[kind], p)) for kind in times for p in (50, 99)}
    return figures | {f"{name}_recall": float(np.mean(share)) for name, share in shares.items()}


def main(
    sizes: Annotated[str, typer.Option(help="Items, comma-separated")] = "1000,10000,100000",
    out: Annotated[Path, typer.Option(help="Folder for scale.json, scale.png")] = Path("scripts/reports/scale"),
    one: Annotated[bool, typer.Option("--one", hidden=True, help="Measure here, print JSON")] = False,
) -> None:
    """Print index time, memory, latency and recall per size; sizes measured earlier into the same folder stay."""
    if one:
        typer.echo(json.dumps(measure(int(sizes))))
        return
    out.mkdir(parents=True, exist_ok=True)
    file = out / "scale.json"
    by_size = {row["items"]: row for row in json.loads(file.read_text())} if file.is_file() else {}
    for size in sizes.split(","):
        run = subprocess.run(
            [sys.executable, __file__, "--one", "--sizes", size], capture_output=True, text=True, check=False
        )
        if run.returncode:
            Console(stderr=True).print(f"{size} items: {run.stderr.strip().splitlines()[-1:]}")
            continue
        by_size[int(size)] = json.loads(run.stdout.splitlines()[-1])
        figures = [by_size[items] for items in sorted(by_size)]
        file.write_text(json.dumps(figures, indent=1) + "\n")
        Console().print(_table(figures))
        _plot(figures, out / "scale.png")


def _table(figures: list[dict[str, float]]) -> Table:
    columns = {
        "items": "items",
        "build_s": "build s",
        "fit_s": "fit s",
        "peak_gib": "GiB",
        "history_p50_ms": "p50 ms",
        "history_p99_ms": "p99",
        "request_p50_ms": "p50 +request",
        "request_p99_ms": "p99",
        "behaviour_recall": "R@100 behaviour",
        "text_recall": "text",
    }
    table = Table(*columns.values(), title="synthetic catalogues")
    for row in figures:
        table.add_row(*(f"{row[c]:,.0f}" if row[c] >= 1000 else f"{row[c]:.3g}" for c in columns))
    return table


def _plot(figures: list[dict[str, float]], file: Path) -> None:
    figure = Figure(figsize=(10, 3), layout="constrained")
    panels = figure.subplots(1, 3)
    items = [row["items"] for row in figures]
    for axes, (title, lines) in zip(
        panels,
        {
            "seconds to build": {"build": "build_s", "of it fitting": "fit_s"},
            "milliseconds a query": {"p50": "history_p50_ms", "p99": "history_p99_ms"},
            "GiB": {"peak memory": "peak_gib", "disk": "disk_gib"},
        }.items(),
        strict=True,
    ):
        for label, name in lines.items():
            axes.plot(items, [row[name] for row in figures], marker="o", label=label)
        axes.set(xscale="log", yscale="log", xlabel="items", title=title)
        axes.grid(color="#e2e8f0")
        axes.legend(frameon=False)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    typer.run(main)
