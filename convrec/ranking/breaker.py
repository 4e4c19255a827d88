"""Breaker: stops asking an engine that failed until it answers again, so that nobody waits for what is down.

The circuit breaker of Nygard, "Release It!" (2007). It closes by a probe of its own, not by somebody's turn. An
engine that has much to do is not ill: while it answers others it is waited for, as long as the wait is expected to
end in time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from convrec.errors import EngineError, EngineUnavailableError

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")

_NEWEST = 0.2
"""What the latest answer counts for in the pace."""


class Breaker:
    """Lets calls through while they succeed.

    Args:
        probe: A call that costs the engine next to nothing.
        patience_s: An engine that has answered nothing for so long has failed; one on which a call is expected to
            wait longer is full.
        probe_s: The engine is well again when it answers the probe in this time.
        pauses_s: Before the first probe and, doubling, at most between two.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        patience_s: float,
        probe_s: float = 2.0,
        pauses_s: tuple[float, float] = (0.5, 5.0),
    ) -> None:
        self._probe = probe
        self._patience_s = patience_s
        self._probe_s = probe_s
        self._pauses_s = pauses_s
        self._reason = ""
        self._recovery: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Timeout] = set()
        self._answered_at = float("-inf")
        self._pace_s = 0.0

    async def call(self, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """What `ask` answers.

        Raises:
            EngineUnavailableError: It failed or nothing was answered for too long, or an earlier call did and no
                probe passed since; or so many wait already that this call would wait too long.
            EngineError: The engine refused this very request; the next may pass.
        """
        if self._recovery is not None and not self._recovery.done():
            raise EngineUnavailableError(self._reason)
        expected_s = len(self._waiting) * self._pace_s
        if expected_s > self._patience_s:
            raise EngineUnavailableError(
                f"{len(self._waiting)} slates are being made, {expected_s:.0f} s of work for the language model"
            )
        asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._patience_s) as patience:
                self._waiting.add(patience)
                try:
                    answer = await ask()
                finally:
                    self._waiting.discard(patience)
        except (EngineUnavailableError, TimeoutError) as error:
            self._reason = str(error) or f"the language model did not answer within {self._patience_s:g} s"
            if self._recovery is None or self._recovery.done():
                _log.warning("slates come from retrieval alone: %s", self._reason)
                self._recovery = asyncio.create_task(self._recover())
            raise EngineUnavailableError(self._reason) from error
        self._answered(asked_at)
        return answer

    def _answered(self, asked_at: float) -> None:
        """Measure the pace, and wait on for the others."""
        now = asyncio.get_running_loop().time()
        self._pace_s += _NEWEST * (now - max(asked_at, self._answered_at) - self._pace_s)
        self._answered_at = now
        for patience in self._waiting:
            if not patience.expired():
                patience.reschedule(now + self._patience_s)

    async def _recover(self) -> None:
        """Ends when the engine answers in time."""
        pause_s, longest_s = self._pauses_s
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)
            try:
                async with asyncio.timeout(self._probe_s):
                    await self._probe()
            except (EngineError, TimeoutError):
                continue
            _log.warning("the language model answers again")
            return
