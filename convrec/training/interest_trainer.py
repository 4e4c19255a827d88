"""Owns transformers' Trainer as it is used here: packs in, the objective's loss, held-out NDCG out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import PrinterCallback, Trainer

from convrec.engine.base import Labels
from convrec.engine.packed import stacked_logits
from convrec.evaluation.metrics import graded_ndcg
from convrec.training.objective import Objective, example_loss
from convrec.training.packs import packed_of


@dataclass(frozen=True, slots=True)
class Score:
    """How examples are scored: scale * logit f, and the offset where the objective has one."""

    labels: Labels
    objective: Objective
    scale: float


class InterestTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose batches are packs, each of them one example.

    Args:
        score: How examples are scored.
        options: Of transformers' Trainer.
    """

    def __init__(self, score: Score, **options: Any) -> None:
        super().__init__(**options)
        self.remove_callback(PrinterCallback)
        self._score = score
        # The loss is the mean over examples: Trainer divides by the number of batches accumulated.
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        """The mean of the objective's loss over the batch's examples."""
        import torch

        score, packs = self._score, inputs["packs"]
        logits = stacked_logits(model, [packed_of(pack) for pack in packs], score.labels)
        losses = [
            example_loss(
                score.objective,
                score.scale * logit_C,
                pack["offset"] + pack["drawn"],
                pack["label"],
                pack["weight"],
            )
            for logit_C, pack in zip(logits, packs, strict=True)
        ]
        return torch.stack(losses).mean()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Mean graded NDCG over an example's candidates, of those in which anything was wanted."""
        import torch

        score = self._score
        self.model.eval()
        gains = []
        with torch.no_grad():
            for batch in self.get_eval_dataloader():
                packs = self._prepare_inputs(batch)["packs"]
                logits = stacked_logits(self.model, [packed_of(pack) for pack in packs], score.labels)
                for logit_C, pack in zip(logits, packs, strict=True):
                    score_C = score.scale * logit_C
                    if score.objective != "bce":
                        score_C = score_C + pack["offset"]
                    label_C = pack["label"].cpu().numpy()
                    if label_C.max() > 0:
                        gains.append(graded_ndcg(score_C.double().cpu().numpy(), label_C, len(label_C)))
        metrics = {"eval_ndcg": sum(gains) / max(len(gains), 1)}
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics
