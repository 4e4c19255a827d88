"""RateLimits: how many requests a minute a key or a person may make, and the headers that say so. Owns no key.

A token bucket each, in this process: as many requests at once as a minute allows, and then one whenever its share
of a minute has passed. Several servers behind a balancer count for themselves.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_BUCKETS = 50_000
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What a bucket says after a request.

    Args:
        limit: Requests per minute.
        remaining: How many more could come at once.
        reset_s: Seconds until all of them could.
        wait_s: Seconds after which this request may be sent again; 0 where it was let through.
    """

    limit: int
    remaining: int
    reset_s: float
    wait_s: float = 0.0

    def headers(self) -> dict[str, str]:
        """OpenAI's headers; with Retry-After, whole seconds, where the request was refused."""
        told = {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": _duration(self.reset_s),
        }
        return told | ({"retry-after": str(math.ceil(self.wait_s))} if self.wait_s else {})


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimits:
    """Buckets by name.

    Args:
        clock: Seconds, never going back.
        buckets: How many are kept; the one that was not asked for longest is forgotten, and so full again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, buckets: int = _BUCKETS) -> None:
        self._clock = clock
        self._most = buckets
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str, per_minute: int) -> Standing:
        """Let one request through, or say when it could come."""
        now, per_second = self._clock(), per_minute / _MINUTE_S
        bucket = self._buckets.setdefault(name, _Bucket(float(per_minute), now))
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        bucket.tokens = min(float(per_minute), bucket.tokens + (now - bucket.at) * per_second)
        bucket.at = now
        wait_s = 0.0
        if bucket.tokens >= 1:
            bucket.tokens -= 1
        else:
            wait_s = (1 - bucket.tokens) / per_second
        return Standing(per_minute, int(bucket.tokens), (per_minute - bucket.tokens) / per_second, wait_s)


def _duration(seconds: float) -> str:
    """As OpenAI writes it: "120ms", "1.5s", "6m0s"."""
    if seconds < 1:
        return f"{math.ceil(1000 * seconds)}ms"
    if seconds < _MINUTE_S:
        return f"{math.ceil(10 * seconds) / 10:g}s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s"
