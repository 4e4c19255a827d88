"""Owns whether an engine serves an adapter as it was trained: with PEFT's scores, and not the base model's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from convrec.engine.base import AdapterRef, Engine
from convrec.ranking.blend import logit
from convrec.ranking.examples import Example
from convrec.ranking.interest import InterestPrompts

_SAME = 1e-3
_FLOOR = 1e-4


@dataclass(frozen=True, slots=True)
class Parity:
    """How far logits of f lie apart, at most.

    Args:
        engines: Between the two engines, both with the adapter.
        base: Between adapter and base model, on the first engine.
    """

    engines: float
    base: float

    @property
    def objections(self) -> tuple[str, ...]:
        """What speaks against serving it."""
        found = []
        if not self.engines <= _SAME:
            found.append(f"vLLM's logits differ from PEFT's by {self.engines:.2g} (at most {_SAME:g})")
        if not self.base > _FLOOR:
            found.append("its logits are the base model's: it changes nothing")
        return tuple(found)


async def measure_parity(
    served: Engine, trained: Engine, ref: AdapterRef, examples: Sequence[Example], prompts: InterestPrompts
) -> Parity:
    """Score a few examples on both engines.

    Args:
        served: The engine that will serve, without the adapter; it is unloaded again.
        trained: The engine that scores as PEFT does, with the adapter loaded.
        examples: A handful, e.g. of those that judge.
    """
    await served.load_adapter(ref)
    engines = base = 0.0
    try:
        for example in examples:
            prompt = prompts.make(served.tokenizer, example.context, example.candidates)
            here = await served.score(prompt.prefix, prompt.segments, prompt.labels, ref.name)
            there = await trained.score(prompt.prefix, prompt.segments, prompt.labels, ref.name)
            plain = await served.score(prompt.prefix, prompt.segments, prompt.labels)
            engines = max(engines, _apart(here, there))
            base = max(base, _apart(here, plain))
    finally:
        await served.unload_adapter(ref.name)
    return Parity(engines, base)


def _apart(a: Sequence[float], b: Sequence[float]) -> float:
    distances = [abs(logit(x) - logit(y)) for x, y in zip(a, b, strict=True)]
    return math.inf if any(map(math.isnan, distances)) else max(distances, default=0.0)
