"""Owns what the trainer is fed: examples as tensors, one pack each. Knows no loss.

Which candidates of an example are packed is drawn anew for every pass over the examples: those that were wanted,
and as many of the others as there is room for. Their order is the retriever's; segments do not see each other, so
a model cannot learn from it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from convrec.engine.base import Labels, Tokenizer
from convrec.engine.packed import Packed, pack
from convrec.ranking.examples import Example
from convrec.ranking.interest import InterestPrompts

if TYPE_CHECKING:
    from torch import Tensor


class Packs:
    """A map-style dataset: every item is a dictionary of tensors, see `__getitem__`.

    Args:
        examples: At least one; their offsets are fitted.
        prompts: Renders them.
        tokenizer: Of the model that is trained.
        passes: How often every example occurs.
        room: Candidates per pack; None takes all.
        seed: Of the draw.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        prompts: InterestPrompts,
        tokenizer: Tokenizer,
        passes: int = 1,
        room: int | None = None,
        seed: int = 0,
    ) -> None:
        self._examples, self._prompts, self._tokenizer = examples, prompts, tokenizer
        self._passes, self._room, self._seed = passes, room, seed
        self.labels: Labels = prompts.make(tokenizer, examples[0].context, ()).labels

    def __len__(self) -> int:
        return len(self._examples) * self._passes

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """ids, positions (T), mask (T, T), last (C) of a pack; offset, label, weight (C), float64; `drawn`.

        `drawn` is the log of how many candidates that were not wanted there are for each one here: the odds of a
        drawn one are so much higher.
        """
        import torch

        example = self._examples[number % len(self._examples)]
        kept = self._draw(example, number)
        candidates = example.candidates
        prompt = self._prompts.make(self._tokenizer, example.context, [candidates[n] for n in kept])
        packed = pack(prompt.prefix, prompt.segments)
        return {
            "ids": packed.ids,
            "positions": packed.positions,
            "mask": packed.mask,
            "last": packed.last,
            "offset": torch.tensor([example.offset[n] for n in kept], dtype=torch.float64),
            "label": torch.tensor([example.labels[n] for n in kept], dtype=torch.float64),
            "weight": torch.tensor([example.weights[n] for n in kept], dtype=torch.float64),
            "drawn": torch.tensor(math.log(max(_unwanted(example), 1) / max(_unwanted(example, kept), 1))),
        }

    def _draw(self, example: Example, number: int) -> list[int]:
        places = range(len(example.item_ids))
        if self._room is None or len(places) <= self._room:
            return list(places)
        wanted = [n for n in places if example.labels[n] > 0][: self._room]
        others = [n for n in places if n not in set(wanted)]
        source = random.Random(f"{self._seed}/{number}")
        return sorted([*wanted, *source.sample(others, self._room - len(wanted))])


def _unwanted(example: Example, places: Iterable[int] | None = None) -> int:
    return sum(example.labels[n] == 0 for n in (range(len(example.labels)) if places is None else places))


def collate(packs: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch: packs differ in shape, so they stay side by side."""
    return {"packs": packs}


def packed_of(pack: dict[str, Any]) -> Packed:
    """The layout of one of a batch's packs."""
    return Packed(pack["ids"], pack["positions"], pack["mask"], pack["last"])
