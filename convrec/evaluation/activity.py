"""Owns what a server did over time: how many slates and replies, how long they took, in equal parts of a span."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convrec.types import ImpressionEvent, ReplyEvent


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Half, and 95 of 100, were done within so many seconds."""

    p50_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Part:
    """What happened in one part of the span.

    Args:
        began: Seconds since the epoch.
        slates: With and without conversation, questions among them.
        degraded: Slates that retrieval alone ordered.
        slate: From request to slate; None without slates.
        replies: Turns that were answered to the end, or until the client left.
        turn: From message to the end of the reply; None without replies.
    """

    began: float
    slates: int
    degraded: int
    slate: Quantiles | None
    replies: int
    turn: Quantiles | None


def activity(
    impressions: Iterable[ImpressionEvent], replies: Iterable[ReplyEvent], since: float, until: float, parts: int
) -> tuple[Part, ...]:
    """What happened between two moments, in so many equal parts.

    Args:
        impressions, replies: Those outside the span are passed over.
        since, until: Seconds since the epoch, since < until.
    """
    edges = np.linspace(since, until, parts + 1)
    shown: list[list[ImpressionEvent]] = [[] for _ in range(parts)]
    told: list[list[ReplyEvent]] = [[] for _ in range(parts)]
    for impression in impressions:
        if (part := _part(edges, impression.timestamp)) is not None:
            shown[part].append(impression)
    for reply in replies:
        if (part := _part(edges, reply.timestamp)) is not None:
            told[part].append(reply)
    return tuple(
        Part(
            began=float(began),
            slates=len(slates),
            degraded=sum(slate.degraded for slate in slates),
            slate=quantiles([slate.latency_s for slate in slates]),
            replies=len(of),
            turn=quantiles([reply.latency_s for reply in of]),
        )
        for began, slates, of in zip(edges[:-1], shown, told, strict=True)
    )


def quantiles(seconds: Sequence[float]) -> Quantiles | None:
    """Of at least one number; None of none."""
    if not seconds:
        return None
    p50, p95 = np.quantile(seconds, [0.5, 0.95])
    return Quantiles(float(p50), float(p95))


def _part(edges: NDArray[np.float64], moment: float) -> int | None:
    if not edges[0] <= moment <= edges[-1]:
        return None
    return min(int(np.searchsorted(edges, moment, side="right")) - 1, len(edges) - 2)
