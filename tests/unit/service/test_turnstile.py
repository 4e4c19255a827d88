import asyncio

import pytest

from convrec.service.problems import Problem
from convrec.service.server import drain
from convrec.service.slot import RecommenderSlot
from convrec.service.turnstile import Turns, Turnstile


class _Routes:
    """An app whose answers take until they are let go."""

    def __init__(self):
        self.done = asyncio.Event()
        self.answered = 0

    async def __call__(self, scope, receive, send):
        await self.done.wait()
        self.answered += 1


async def _ask(turnstile, path="/turn", method="POST"):
    await turnstile({"type": "http", "path": path, "method": method}, None, None)


async def test_the_turn_too_many_is_told_to_come_back_and_the_others_get_done() -> None:
    routes = _Routes()
    turnstile = Turnstile(routes, Turns(), frozenset({"/turn"}), 2)
    under_way = [asyncio.create_task(_ask(turnstile)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Problem, match="CONVREC_MAX_TURNS") as raised:
        await _ask(turnstile)
    answer = raised.value.response()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    routes.done.set()
    await _ask(turnstile, "/health", "GET")
    await asyncio.gather(*under_way)
    await _ask(turnstile)
    assert routes.answered == 4


async def test_a_turn_that_is_cut_off_makes_room() -> None:
    turnstile = Turnstile(_Routes(), Turns(), frozenset({"/turn"}), 1)
    for _ in range(3):
        turn = asyncio.create_task(_ask(turnstile))
        await asyncio.sleep(0)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn


async def test_draining_lets_nobody_in_and_waits_for_those_that_are() -> None:
    routes, slot = _Routes(), RecommenderSlot()
    turnstile = Turnstile(routes, slot.turns, frozenset({"/turn"}), 9)
    under_way = [asyncio.create_task(_ask(turnstile)) for _ in range(2)]
    await asyncio.sleep(0)
    draining = asyncio.create_task(drain(slot, asyncio.Event(), 60))
    await asyncio.sleep(0.01)
    assert not draining.done()
    with pytest.raises(Problem, match="shutting down") as raised:
        await _ask(turnstile)
    assert (raised.value.status_code, raised.value.code) == (503, "draining")
    routes.done.set()
    await asyncio.gather(*under_way)
    await asyncio.wait_for(draining, 1)


async def test_draining_ends_when_nobody_will_wait_longer() -> None:
    slot, now = RecommenderSlot(), asyncio.Event()
    slot.turns.enter()
    await asyncio.wait_for(drain(slot, now, 0.01), 1)
    now.set()
    await asyncio.wait_for(drain(slot, now, 60), 1)
    slot.turns.leave()
    await asyncio.wait_for(drain(slot, asyncio.Event(), 60), 1)
