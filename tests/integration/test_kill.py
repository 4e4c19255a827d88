"""Kill -9 in the middle of an ingestion and in the middle of turns, on both databases. Acknowledged is durable."""

import csv
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from convrec.database import open_database
from convrec.ledger.ledger import Ledger
from convrec.retrieval.index import open_index
from convrec.settings import Settings
from convrec.testing.retriever import HashEmbedder

KILLS = 4
PROMPTS_DIR = Settings().prompts_dir

INGEST = """
import sys
from pathlib import Path
from convrec.data.catalogue import CatalogueStore
from convrec.database import open_database
from convrec.ledger.ledger import Ledger
from convrec.prompting import load_domain
from convrec.service.ingest import ingest

folder, prompts = Path(sys.argv[1]), Path(sys.argv[2])
database = open_database(sys.argv[3])
say = lambda fraction, what: print(what, flush=True)
ingest(CatalogueStore(database), Ledger(database), load_domain(prompts, "generic"),
       folder / "items.csv", folder / "interactions.csv", say)
"""

SERVE = """
import asyncio, sys
from pathlib import Path
import uvicorn
from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

async def main():
    engine = FakeEngine(reply="word " * 200)
    await engine.start()
    with small_recommender(Path(sys.argv[1]), Path(sys.argv[2]), engine, url=sys.argv[3]) as recommender:
        app = create_app(RecommenderSlot(recommender), info=ServerInfo("fake", "0", 0.0))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print("port", server.servers[0].sockets[0].getsockname()[1], flush=True)
        await serving

asyncio.run(main())
"""


@contextmanager
def ledger_of(url: str) -> Iterator[Ledger]:
    database = open_database(url)
    yield Ledger(database)
    database.dispose()


def child(program: str, folder: Path, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, str(folder), str(PROMPTS_DIR), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_kill_during_ingest_loses_nothing_acknowledged(tmp_path: Path, database_url: str) -> None:
    dice = random.Random(7)
    items, rows = 3_000, 60_000
    with (tmp_path / "items.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("item_id", "title"), *((f"i{n}", f"Item {n}") for n in range(items))])
    with (tmp_path / "interactions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("user_id", "item_id", "rating", "timestamp"))
        writer.writerows((f"u{n % 500}", f"i{n % items}", 1 + n % 5, n) for n in range(rows))
    stored = 0
    for _ in range(KILLS):
        process = child(INGEST, tmp_path, database_url)
        assert process.stdout is not None
        said: list[str] = []
        reader = threading.Thread(target=lambda out=process.stdout, to=said: to.extend(out), daemon=True)
        reader.start()
        time.sleep(dice.uniform(0.5, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        reader.join()
        process.stdout.close()
        acknowledged = max((int(re.sub(r"\D", "", line)) for line in said if "interactions" in line), default=0)
        with ledger_of(database_url) as ledger:
            kept = ledger.counts().get("feedback", 0)
        assert kept >= max(acknowledged, stored)
        assert kept % 5_000 == 0, "half a batch"
        stored = kept
    with child(INGEST, tmp_path, database_url) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0
    with ledger_of(database_url) as ledger:
        assert ledger.counts() == {"feedback": rows}


def test_kill_during_turns_loses_nothing_acknowledged(tmp_path: Path, database_url: str) -> None:
    dice = random.Random(11)
    feedback: set[str] = set()
    shown: set[str] = set()
    for kill in range(KILLS):
        process = child(SERVE, tmp_path, database_url)
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[1])
        talking = [threading.Thread(target=_chat, args=(port, f"k{kill}-{n}", shown)) for n in range(2)] + [
            threading.Thread(target=_react, args=(port, f"k{kill}", feedback))
        ]
        for thread in talking:
            thread.start()
        time.sleep(dice.uniform(0.3, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for thread in talking:
            thread.join(timeout=30)
        with ledger_of(database_url) as ledger:
            assert {e.event_id for e in ledger.feedback()} >= feedback
            assert {e.event_id for e in ledger.impressions()} >= shown
        with open_index(tmp_path / "index", HashEmbedder()) as index:
            assert index.meta.items == 30
    assert len(feedback) > KILLS
    assert len(shown) > KILLS


def _chat(port: int, session: str, shown: set[str]) -> None:
    """Turn after turn; an impression counts as acknowledged when its slate has arrived."""
    body = {
        "model": "convrec",
        "stream": True,
        "messages": [{"role": "user", "content": "something nice"}],
        "convrec": {"user_id": session, "session_id": session},
    }
    while True:
        try:
            with httpx.stream("POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=body) as answer:
                for line in answer.iter_lines():
                    if '"impression_id"' in line:
                        delta = json.loads(line.removeprefix("data: "))["choices"][0]["delta"]
                        shown.add(delta["convrec"]["impression_id"])
        except httpx.HTTPError:
            return


def _react(port: int, name: str, feedback: set[str]) -> None:
    n = 0
    while True:
        event = {"event_id": f"{name}-{n}", "user_id": name, "type": "like", "item_id": f"w{n % 30:02}"}
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/feedback", json=event)
        except httpx.HTTPError:
            return
        if answer.status_code == 200:
            feedback.add(event["event_id"])
        n += 1
