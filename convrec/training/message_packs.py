"""Owns examples of messages as the trainer is fed them: several in one pack, and how their answers are scored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from convrec.dialogue.questions import OPTIONS, QuestionPrompts
from convrec.engine.base import Labels, Tokenizer
from convrec.engine.packed import join, pack
from convrec.training.message_examples import MessageExample

if TYPE_CHECKING:
    from torch import Tensor


class MessagePacks:
    """A map-style dataset: every item is a dictionary of tensors, see `__getitem__`.

    Args:
        examples: At least one.
        prompts: Renders their questions.
        tokenizer: Of the model that is trained.
        passes: How often every example occurs, each time among others.
        together: Examples in a pack.
        seed: Of the order.
    """

    def __init__(
        self,
        examples: Sequence[MessageExample],
        prompts: QuestionPrompts,
        tokenizer: Tokenizer,
        passes: int = 1,
        together: int = 1,
        seed: int = 0,
    ) -> None:
        self._examples, self._prompts, self._tokenizer = examples, prompts, tokenizer
        self._together = together
        self._order = [
            place
            for number in range(passes)
            for place in random.Random(f"{seed}/{number}").sample(range(len(examples)), len(examples))
        ]
        self.labels: Labels = prompts.labels(tokenizer)

    def __len__(self) -> int:
        return -(-len(self._order) // self._together)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """ids, positions (T), mask (T, T), last (C) of a pack; `sizes` (Q) and `right` (Q), int64.

        `sizes` is how many of the C segments each question has, in order; `right` the place of the right option.
        """
        import torch

        if not 0 <= number < len(self):
            raise IndexError(number)
        start = number * self._together
        examples = [self._examples[n] for n in self._order[start : start + self._together]]
        prompts = [self._prompts.make(self._tokenizer, example.questions) for example in examples]
        packed = join([pack(prompt.prefix, prompt.segments) for prompt in prompts])
        sizes = [len(OPTIONS[question.subject]) for example in examples for question in example.questions.asked]
        return {
            "ids": packed.ids,
            "positions": packed.positions,
            "mask": packed.mask,
            "last": packed.last,
            "sizes": torch.tensor(sizes),
            "right": torch.tensor([answer for example in examples for answer in example.answers]),
        }


@dataclass(frozen=True, slots=True)
class AnswerScoring:
    """Cross-entropy of every question's options, a softmax of their logits; the share of right answers."""

    labels: Labels
    figure: str = "right"

    def loss(self, logit_C: Tensor, inputs: Any) -> Tensor:
        """The mean over a pack's questions."""
        from torch.nn.functional import cross_entropy

        logits_Q_O = _table(logit_C, inputs["sizes"].tolist())
        return cross_entropy(logits_Q_O, inputs["right"].to(logits_Q_O.device))

    def gains(self, logit_C: Tensor, inputs: Any) -> list[float]:
        """1 for every question that is answered right, else 0."""
        chosen_Q = _table(logit_C, inputs["sizes"].tolist()).argmax(dim=1)
        return (chosen_Q == inputs["right"].to(chosen_Q.device)).float().tolist()  # type: ignore[no-any-return]


def digest(examples: Sequence[MessageExample]) -> str:
    """sha256 (hex) of everything in examples."""
    return sha256(repr(list(examples)).encode()).hexdigest()


def _table(logit_C: Tensor, sizes: Sequence[int]) -> Tensor:
    """Logits by question and option, (Q, O); what a question does not have is -inf."""
    from torch.nn.utils.rnn import pad_sequence

    ends = list(accumulate(sizes))
    rows = [logit_C[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return pad_sequence(rows, batch_first=True, padding_value=float("-inf"))
