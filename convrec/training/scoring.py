"""Owns how ranking examples are scored while an adapter trains: scale * logit f, and the offset if any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convrec.engine.base import Labels
from convrec.evaluation.metrics import graded_ndcg
from convrec.training.objective import Objective, example_loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class InterestScoring:
    """The objective's loss, and graded NDCG over an example's candidates, where any of them was wanted."""

    labels: Labels
    objective: Objective
    scale: float
    figure: str = "ndcg"

    def loss(self, logit_C: Tensor, inputs: Any) -> Tensor:
        """The objective's loss of one example."""
        offset_C = inputs["offset"] + inputs["drawn"]
        return example_loss(self.objective, self.scale * logit_C, offset_C, inputs["label"], inputs["weight"])

    def gains(self, logit_C: Tensor, inputs: Any) -> list[float]:
        """The NDCG of one example; none where nothing was wanted."""
        score_C = self.scale * logit_C
        if self.objective != "bce":
            score_C = score_C + inputs["offset"]
        label_C = inputs["label"].cpu().numpy()
        if label_C.max() <= 0:
            return []
        return [graded_ndcg(score_C.double().cpu().numpy(), label_C, len(label_C))]
