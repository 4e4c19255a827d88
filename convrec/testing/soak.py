"""Many streams at once under which clients vanish, and what the server still holds when all is quiet again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from convrec.testing.soaked import STANDING

_SAYS = ("a Riesling from Amber Hill", "something cheaper", "no Syrah please", "a Malbec, not too dear", "more")
_SESSION_TURNS = 8
_TIMEOUT_S = 120.0
_QUIET_S = 20.0  # uvicorn lets idle connections go after five
_MAY_GROW = 1.05
_POOLED = 16
"""How many threads and files more are no leak: Chroma and the ledger open connections up to the size of their
pools, whenever so many are first wanted at once (measured: 60 files after 100 turns, 70 after 1,500)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a server holds while nothing is asked of it.

    Args:
        sockets: Connections of clients.
        files: Open file descriptors, sockets among them.
        rss: Resident bytes.
        tasks, turns, objects: asyncio's tasks, turns under way, objects that the garbage collector knows; None
            where the server does not tell.
    """

    sockets: int
    files: int
    threads: int
    rss: int
    tasks: int | None = None
    turns: int | None = None
    objects: int | None = None


@dataclass(slots=True)
class Load:
    """What became of the turns.

    Args:
        whole: Streams read to their end.
        before_slate, in_mid_stream: Clients that vanished.
        busy: Requests that were told to come back, and came back.
        faults: What was wrong with streams that should have been whole.
    """

    whole: int = 0
    before_slate: int = 0
    in_mid_stream: int = 0
    busy: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Soak:
    """A load, and the server before and after it."""

    load: Load
    before: Standing
    after: Standing

    @property
    def leaks(self) -> tuple[str, ...]:
        """What there is more of than before and than there may be."""
        before, after = self.before, self.after
        found = {
            "sockets": after.sockets > 0,
            "turns": (after.turns or 0) > 0,
            "tasks": (after.tasks or 0) > (before.tasks or 0),
            "files": after.files > before.files + _POOLED,
            "threads": after.threads > before.threads + _POOLED,
            "rss": after.rss > _MAY_GROW * before.rss,
        }
        return tuple(name for name, leaked in found.items() if leaked)


@contextmanager
def soaked_server(folder: Path) -> Iterator[str]:
    """A small server in a process of its own; yields its URL."""
    command = [sys.executable, "-m", "convrec.testing.soaked", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, "the server did not start; its words are above"
            yield url
        finally:
            process.terminate()


def soak(
    url: str, turns: int = 2_000, warm_up: int = 500, clients: int = 64, vanishing: float = 0.2, seed: int = 7
) -> Soak:
    """Load a server that is on this machine, and compare what it holds before and after.

    Args:
        warm_up: Turns of the same kind before the first look: caches, pools and the allocator fill.
        vanishing: Share of the turns whose client closes the connection, half of them before the slate.
    """
    dice = Random(seed)
    asyncio.run(_load(url, warm_up, clients, vanishing, dice))
    before = _quiet(url)
    load = asyncio.run(_load(url, turns, clients, vanishing, dice))
    return Soak(load, before, _quiet(url))


async def _load(url: str, turns: int, clients: int, vanishing: float, dice: Random) -> Load:
    load, started = Load(), time.monotonic()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S, limits=limits, trust_env=False) as http:
        shares = [turns // clients + (n < turns % clients) for n in range(clients)]
        people = [_Person(http, f"soak-{n}", vanishing, dice, load) for n in range(clients)]
        await asyncio.gather(*(person.talk(share) for person, share in zip(people, shares, strict=True)))
    load.seconds = time.monotonic() - started
    return load


class _Person:
    """One client: a conversation after the other, some of its turns left half-way."""

    def __init__(self, http: httpx.AsyncClient, user_id: str, vanishing: float, dice: Random, load: Load) -> None:
        self._http = http
        self._user_id = user_id
        self._vanishing = vanishing
        self._dice = dice
        self._load = load
        self._slate_s = 0.1  # as the last slate took

    async def talk(self, turns: int) -> None:
        for begun in range(0, turns, _SESSION_TURNS):
            session_id, read = f"{self._user_id}-{self._dice.getrandbits(64):x}", dict[str, str]()
            for n in range(begun, min(turns, begun + _SESSION_TURNS)):
                body = {
                    "model": "convrec",
                    "stream": True,
                    "messages": [{"role": "user", "content": _SAYS[n % len(_SAYS)]}],
                    "convrec": {"user_id": self._user_id, "session_id": session_id},
                }
                if self._dice.random() < self._vanishing:
                    await self._vanish(body)
                else:
                    await self._listen(body, read)
            await self._compare(session_id, read)

    async def _vanish(self, body: dict[str, Any]) -> None:
        early = self._dice.random() < 0.5
        patience_s = self._dice.uniform(0, self._slate_s) if early else None
        pieces = 1 if early else self._dice.randint(1, 12)
        seen = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not seen:  # told to come back: come back
                    async with self._http.stream("POST", "/v1/chat/completions", json=body) as answer:
                        async for line in answer.aiter_lines():
                            seen += line.startswith("data: ")
                            if seen == pieces:
                                break
                    if not seen:
                        await self._wait()
        if seen:
            self._load.in_mid_stream += 1
        else:
            self._load.before_slate += 1

    async def _listen(self, body: dict[str, Any], read: dict[str, str]) -> None:
        started, lines = time.monotonic(), list[str]()
        while True:
            async with self._http.stream("POST", "/v1/chat/completions", json=body) as answer:
                async for line in answer.aiter_lines():
                    if not lines:
                        self._slate_s = time.monotonic() - started
                    if line:
                        lines.append(line)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            lines.clear()
            await self._wait()
        try:
            turn_id, text = _whole(lines, body["convrec"])
        except (AssertionError, KeyError, ValueError) as error:
            self._load.faults.append(f"{type(error).__name__} {error} in {lines[-3:]}")
        else:
            self._load.whole += 1
            read[turn_id] = text

    async def _wait(self) -> None:
        self._load.busy += 1
        await asyncio.sleep(self._dice.uniform(0.05, 0.2))

    async def _compare(self, session_id: str, read: dict[str, str]) -> None:
        """What was read is what the ledger says was said."""
        if not read:
            return
        answer = await self._http.get(f"/v1/sessions/{session_id}", params={"user_id": self._user_id})
        told = {turn["turn_id"]: turn["reply"] for turn in answer.raise_for_status().json()["exchanges"]}
        self._load.faults.extend(
            f"{turn_id} said {text!r}, and the ledger {told.get(turn_id)!r}"
            for turn_id, text in read.items()
            if told.get(turn_id) != text
        )


def _whole(lines: list[str], asked: dict[str, str]) -> tuple[str, str]:
    """The turn_id and the text of a stream: the slate first and once, its end last, all under one id."""
    assert lines[-1] == "data: [DONE]", "no end"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert len({chunk["id"] for chunk in chunks}) == 1, "several ids"
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [n for n, delta in enumerate(deltas) if "role" in delta or "convrec" in delta] == [0], "slate not first"
    ends = [n for n, chunk in enumerate(chunks) if chunk["choices"][0]["finish_reason"]]
    assert ends == [len(chunks) - 1], "finish_reason not last"
    shown = deltas[0]["convrec"]
    assert {name: shown[name] for name in asked} == asked, "somebody else's turn"
    return shown["turn_id"], "".join(delta.get("content") or "" for delta in deltas)


def _quiet(url: str) -> Standing:
    """What the server holds, once it has let everybody go, or after a while."""
    port = urlsplit(url).port
    process = _process_at(port)
    deadline = time.monotonic() + _QUIET_S
    while True:
        told = httpx.get(url + STANDING, headers={"connection": "close"}, trust_env=False, timeout=_TIMEOUT_S)
        inside = told.json() if told.status_code == httpx.codes.OK else {}
        connections = process.net_connections("tcp")
        sockets = sum(c.laddr.port == port and c.status != psutil.CONN_LISTEN for c in connections)
        if not (sockets or inside.get("turns")) or time.monotonic() > deadline:
            return Standing(sockets, process.num_fds(), process.num_threads(), process.memory_info().rss, **inside)
        time.sleep(0.1)


def _process_at(port: int | None) -> psutil.Process:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    raise LookupError(f"no process of yours listens on port {port} of this machine; soak where the server runs")
