"""vLLM is killed while people talk: every turn is answered, slates come from the model again, nothing is left."""

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from convrec.engine.vllm import VllmEngine, vllm_available
from convrec.engine.vllm_server import VllmServer
from convrec.service.recommender import Recommender
from convrec.service.requests import ChatRequest, SlateReady, TurnDone
from convrec.settings import Settings
from convrec.testing.model import tiny_model
from convrec.testing.recommender import small_recommender

pytestmark = [
    pytest.mark.model,
    pytest.mark.vllm,
    pytest.mark.skipif(vllm_available() is not None, reason=str(vllm_available())),
]

TURNS, PEOPLE, KILL_AFTER = 50, 5, 10


async def _turn(recommender: Recommender, person: int) -> tuple[bool, float]:
    """Whether the slate was degraded, and the seconds that it took."""
    degraded, took_s, done = False, 0.0, False
    async for event in recommender.chat(ChatRequest(f"drinker{person}", "a Syrah, please")):
        if isinstance(event, SlateReady):
            assert event.slate.recommendations
            degraded, took_s = event.slate.degraded, event.latency_s
        done = isinstance(event, TurnDone)
    assert done
    return degraded, took_s


def _family(server: VllmServer) -> list[int]:
    """Every process of a server: they are one group."""
    group = server._process.pid
    return [pid for pid in psutil.pids() if pid != os.getpid() and _group(pid) == group]


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


async def test_every_turn_is_answered_and_the_engine_comes_back(demo_data_dir: Path, tmp_path: Path) -> None:
    tiny = tiny_model(tmp_path / "tiny", demo_data_dir / "models" / "SmolLM2-135M-Instruct", heads=1)
    server = VllmServer(tiny, logs_dir=tmp_path / "logs")
    engine = VllmEngine(tiny, server=server)
    await engine.start()
    family = _family(server)
    assert len(family) >= 3
    try:
        with small_recommender(tmp_path, Settings().prompts_dir, engine, timeout_s=20.0) as recommender:
            assert not (await _turn(recommender, 0))[0]
            told: list[tuple[bool, float]] = []
            asked = iter(range(TURNS))

            async def person(number: int) -> None:
                for _ in asked:
                    told.append(await _turn(recommender, number))

            async def killer() -> float:
                while len(told) < KILL_AFTER:
                    await asyncio.sleep(0.01)
                for pid in family:
                    os.kill(pid, signal.SIGKILL)
                return time.monotonic()

            killed, *_ = await asyncio.gather(killer(), *(person(number) for number in range(PEOPLE)))
            assert len(told) == TURNS
            degraded = [took_s for is_degraded, took_s in told if is_degraded]
            assert degraded
            assert sorted(degraded)[len(degraded) // 2] < 0.3
            while (await _turn(recommender, 1))[0]:
                assert time.monotonic() - killed < 60
                await asyncio.sleep(0.5)
            again = _family(server)
    finally:
        await engine.close()
    closed = time.monotonic()
    while any(_alive(pid) for pid in {*family, *again}):
        assert time.monotonic() - closed < 10
        await asyncio.sleep(0.1)
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", int(server.url.rpartition(":")[2])))
