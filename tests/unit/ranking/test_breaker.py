import asyncio
import time

import pytest

from convrec.errors import EngineError, EngineTimeoutError, EngineUnavailableError
from convrec.ranking.breaker import Breaker


class _Engine:
    """Answers, fails or is slow, as it is told; counts what it was asked."""

    def __init__(self):
        self.error = None
        self.delay_s = 0.0
        self.asked = self.probed = 0

    async def ask(self):
        self.asked += 1
        return await self._answer()

    async def probe(self):
        self.probed += 1
        await self._answer()

    async def _answer(self):
        await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return "an answer"


@pytest.fixture
def engine():
    return _Engine()


@pytest.fixture
def breaker(engine):
    return Breaker(engine.probe, patience_s=0.2, probe_s=0.1, pauses_s=(0.02, 0.04))


@pytest.mark.parametrize("error", [EngineUnavailableError("down"), EngineTimeoutError("slow")])
async def test_after_a_failure_nobody_asks_until_a_probe_passes(breaker, engine, error) -> None:
    assert await breaker.call(engine.ask) == "an answer"
    engine.error = error
    for _ in range(3):
        with pytest.raises(EngineUnavailableError, match=str(error)):
            await breaker.call(engine.ask)
    assert engine.asked == 2
    await asyncio.sleep(0.15)
    assert engine.probed > 1
    engine.error = None
    await asyncio.sleep(0.15)
    probed = engine.probed
    assert await breaker.call(engine.ask) == "an answer"
    await asyncio.sleep(0.1)
    assert engine.probed == probed, "a closed breaker does not probe"


async def test_a_slow_engine_is_waited_for_once(breaker, engine) -> None:
    engine.delay_s = 5.0
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"within 0\.2 s"):
        await breaker.call(engine.ask)
    waited = time.monotonic()
    assert waited - started >= 0.2
    with pytest.raises(EngineUnavailableError):
        await breaker.call(engine.ask)
    assert time.monotonic() - waited < 0.1
    await asyncio.sleep(0.2)
    assert engine.asked == 1
    engine.delay_s = 0.0
    await asyncio.sleep(0.3)
    assert await breaker.call(engine.ask) == "an answer"


async def test_a_refused_request_stops_no_other(breaker, engine) -> None:
    engine.error = EngineError("the prompt is too long")
    with pytest.raises(EngineError, match="too long") as raised:
        await breaker.call(engine.ask)
    assert not isinstance(raised.value, EngineUnavailableError)
    engine.error = None
    assert await breaker.call(engine.ask) == "an answer"


async def test_a_person_who_leaves_is_no_failure(breaker, engine) -> None:
    engine.delay_s = 0.1
    leaving = asyncio.create_task(breaker.call(engine.ask))
    await asyncio.sleep(0.02)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    engine.delay_s = 0.0
    assert await breaker.call(engine.ask) == "an answer"
    assert engine.probed == 0


async def test_an_engine_that_answers_others_is_waited_for(breaker) -> None:
    turn = asyncio.Lock()

    async def one_after_the_other() -> str:
        async with turn:
            await asyncio.sleep(0.1)
        return "an answer"

    started = time.monotonic()
    assert await asyncio.gather(*(breaker.call(one_after_the_other) for _ in range(4))) == ["an answer"] * 4
    assert time.monotonic() - started > 0.2, "the last waited longer than an engine may be silent"


async def test_a_call_that_would_wait_too_long_is_told_so_at_once(engine, breaker) -> None:
    engine.delay_s = 0.1
    for _ in range(20):  # the pace is learned
        await breaker.call(engine.ask)
    waiting = [asyncio.create_task(breaker.call(engine.ask)) for _ in range(3)]
    await asyncio.sleep(0)
    started = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="3 slates are being made"):
        await breaker.call(engine.ask)
    assert time.monotonic() - started < 0.05
    assert await asyncio.gather(*waiting) == ["an answer"] * 3
    assert engine.probed == 0, "a full engine is not ill"
    assert await breaker.call(engine.ask) == "an answer"
