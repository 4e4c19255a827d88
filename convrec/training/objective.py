"""Owns what an adapter is trained to lower: the loss of one example's logits. Knows no model and no text.

With x(u, i) = scale * logit f(u, i), o the offset that stands for retrieval, y in [0, 1] what was wanted:

    bce           - sum_i w_i [y_i log s(x_i) + (1 - y_i) log s(-x_i)] / sum_i w_i,   s the logistic function
    bce+offset    the same of x_i + o_i: the adapter learns what retrieval does not know
    softmax       - sum_i y_i log softmax(x + o)_i / sum_i y_i, over the candidates; 0 where nothing was wanted

`scale` below 1 lets training start near retrieval, because an untrained model's logits are noise.

Compared as scripts/compare_training.py --examples 400 --judge 300 does (MovieLens-100K, half of them opinions; the
arms side by side on one H100 in bfloat16, scripts/reports/movielens-100k/objectives.json). "continued" is
bce+offset on the older half and then, from there, on the newer half, where the others see old and new together:

                  NDCG of the examples that choose            AUC of f, opinions     weight in the blend
    bce           .625 -> .638 (of f alone)                   .639 [.606, .673]      0
    bce+offset    .705 -> .725 (with the offset)              .651 [.615, .686]      0
    softmax       .705 -> .721 (with the offset)              .475 [.445, .504]      0
    continued     .705 -> .707, .712 -> .746 (likewise)       .654 [.622, .687]      0

So few examples teach no objective what retrieval does not know of the next choice. Of what people think, bce
learns with the offset as much as without, and softmax nothing: an opinion is not a choice among others. Going on
from an adapter was no better and no worse than starting from the base with everything; only the latter can leave
out who was erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from convrec.ranking.blend import platt
from convrec.ranking.examples import Example

if TYPE_CHECKING:
    from torch import Tensor

Objective = Literal["bce", "bce+offset", "softmax"]


def example_loss(objective: Objective, x_C: Tensor, offset_C: Tensor, label_C: Tensor, weight_C: Tensor) -> Tensor:
    """The loss of one example, a scalar.

    Args:
        x_C: Scaled logits of f.
        offset_C: See `fit_offset`.
        label_C: How much each was wanted, in [0, 1].
        weight_C: How much each label counts; `softmax` has no use for it.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    if objective == "softmax":
        share_C = label_C / label_C.sum().clamp(min=1e-6)
        return -(share_C * torch.log_softmax(x_C + offset_C, dim=0)).sum()
    logit_C = x_C + offset_C if objective == "bce+offset" else x_C
    loss_C = binary_cross_entropy_with_logits(logit_C, label_C, reduction="none")
    return (weight_C * loss_C).sum() / weight_C.sum().clamp(min=1e-6)


@dataclass(frozen=True, slots=True)
class Offset:
    """The log odds that retrieval alone gives an item: slope * retrieval + bias.

    A softmax does not see the bias.
    """

    slope: float
    bias: float

    def on(self, examples: Sequence[Example]) -> list[Example]:
        """The examples with their offsets."""
        return [
            replace(example, offset=tuple(self.slope * score + self.bias for score in example.retrieval))
            for example in examples
        ]


def fit_offset(examples: Sequence[Example]) -> Offset:
    """The offset of examples of one kind: slates with feedback and choices differ in how much is wanted."""
    scores = np.array([score for example in examples for score in example.retrieval], np.float64)
    labels = np.array([label for example in examples for label in example.labels], np.float64)
    return Offset(*platt(scores, labels)) if len(scores) else Offset(0.0, 0.0)
