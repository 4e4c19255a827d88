"""A small server in a process of its own, as `convrec serve` listens, which tells what it holds: `python -m` this.

Its engine is a fake that takes its time, so that a client can leave before the slate and between two pieces.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import re
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import uvicorn

from convrec.database import open_database
from convrec.engine.base import Labels, Sampling
from convrec.service.api import create_app
from convrec.service.gate import Access
from convrec.service.http11 import http_config
from convrec.service.keys import KeyStore
from convrec.service.logs import log_to
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.settings import Settings
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

STANDING = "/soak/standing"
_SCORE_S = 0.1  # at most
_PIECE_S = 0.005
_FIRST_TEXTS = re.compile(r'^s\d+ ::= ("(?:\\.|[^"\\])*")', re.MULTILINE)


class SlowEngine(FakeEngine):
    """Scores after a moment and says the first of every sentence that it may say, word by word."""

    def __init__(self) -> None:
        super().__init__(_first_texts)

    async def score(
        self,
        prefix: Sequence[int],
        segments: Sequence[Sequence[int]],
        labels: Labels,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> list[float]:
        """As FakeEngine, later."""
        await asyncio.sleep(random.uniform(0, _SCORE_S))
        return await super().score(prefix, segments, labels, adapter, salt)

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling, adapter: str | None = None, salt: str | None = None
    ) -> AsyncIterator[str]:
        """As FakeEngine, slower."""
        async for piece in super().generate(prompt, sampling, adapter, salt):
            await asyncio.sleep(_PIECE_S)
            yield piece


def _first_texts(_prompt: str, sampling: Sampling) -> str:
    return " ".join(map(json.loads, _FIRST_TEXTS.findall(sampling.grammar or "")))


def main(folder: Path) -> None:
    """Serve until it is ended; the URL is the first line that is printed.

    Args:
        folder: Empty; ledger, index and log are made in it.
    """
    log_to(folder / "logs")
    database = open_database(f"sqlite:///{folder / 'keys.db'}")
    with small_recommender(folder, Settings().prompts_dir, SlowEngine()) as recommender:
        _serve(recommender, KeyStore(database))
    database.dispose()


def _serve(recommender: Recommender, keys: KeyStore) -> None:
    slot = RecommenderSlot(recommender)
    access = Access(keys, recommender.ledger.session_owner)
    app = create_app(slot, info=ServerInfo("fake-lm", "0", 0.0), access=access)

    @app.get(STANDING, include_in_schema=False)
    async def _() -> dict[str, int]:
        gc.collect()
        held = {"tasks": len(asyncio.all_tasks()), "turns": slot.turns.under_way}
        return held | {"objects": len(gc.get_objects())}

    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(http_config(app)).run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
