"""What the operator's page plots, as tables for Gradio's own plots: one row a point."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from ui.operator.views import DriftPart, PartRow, Said
from ui.words import Words


def times_frame(parts: Sequence[PartRow], say: Words) -> pd.DataFrame:
    """Seconds to the slate and of the whole turn, over time: a line from the beginning of a part to its end."""
    ends = [part.began for part in parts[1:]] + [2 * parts[-1].began - parts[-2].began] if len(parts) > 1 else []
    rows = [
        (_moment(moment), seconds, say(f"operator.{name}"))
        for part, end in zip(parts, ends, strict=False)
        for name, times in (("slate", part.slate), ("turn", part.turn))
        if times is not None
        for name, seconds in ((f"{name}_p50", times.p50_s), (f"{name}_p95", times.p95_s))
        for moment in (part.began, end)
    ]
    return pd.DataFrame(rows, columns=["when", "seconds", "series"])


def slates_frame(parts: Sequence[PartRow], say: Words) -> pd.DataFrame:
    """How many slates, and how many of them degraded, over time."""
    rows = [
        (_moment(part.began), count, say(f"operator.{name}"))
        for part in parts
        for name, count in (("ranked", part.slates - part.degraded), ("unranked", part.degraded))
    ]
    return pd.DataFrame(rows, columns=["when", "slates", "series"])


def drift_frame(parts: Sequence[DriftPart], say: Words) -> pd.DataFrame:
    """What match expected and what feedback said, over the items that were judged, in lines like times."""
    end = 0
    rows = []
    for part in parts:
        begin, end = end, end + part.judged
        for name, mean in (("expected", part.expected), ("observed", part.observed)):
            rows += [(begin, mean, say(f"operator.{name}")), (end, mean, say(f"operator.{name}"))]
    return pd.DataFrame(rows, columns=["judged", "mean", "series"])


def loss_frame(said: Sequence[Said]) -> pd.DataFrame:
    """The loss of a training, step by step."""
    rows = [(of.figures["step"], of.figures["loss"]) for of in said if {"step", "loss"} <= of.figures.keys()]
    return pd.DataFrame(rows, columns=["step", "loss"]).drop_duplicates("step", keep="last")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
