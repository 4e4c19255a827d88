"""Owns transformers' Trainer as it is used here: packs in, the loss of a scoring, its held-out figure out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from transformers import PrinterCallback, Trainer

from convrec.engine.base import Labels
from convrec.engine.packed import label_logits
from convrec.training.packs import packed_of

if TYPE_CHECKING:
    from torch import Tensor


class Scoring(Protocol):
    """What the logits of a pack's segments are held to."""

    @property
    def labels(self) -> Labels:
        """The two answers whose logits are compared."""
        ...

    @property
    def figure(self) -> str:
        """What the held-out figure is called, "ndcg"; the higher the better."""
        ...

    def loss(self, logit_C: Tensor, inputs: Any) -> Tensor:
        """What training lowers, a scalar.

        Args:
            logit_C: Of every segment of a pack.
            inputs: The pack.
        """
        ...

    def gains(self, logit_C: Tensor, inputs: Any) -> Sequence[float]:
        """The parts that a pack adds to the mean that is the held-out figure."""
        ...


class PackTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose batches are one pack; larger ones are made by accumulating gradients.

    Args:
        scoring: What is trained and measured.
        options: Of transformers' Trainer.
    """

    def __init__(self, scoring: Scoring, **options: Any) -> None:
        super().__init__(**options)
        self.remove_callback(PrinterCallback)
        self._scoring = scoring
        # The loss is the mean of one example: Trainer divides by the number accumulated.
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        """The loss of one pack."""
        logit_C, _cache = label_logits(model, packed_of(inputs), self._scoring.labels)
        return self._scoring.loss(logit_C, inputs)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The held-out figure."""
        import torch

        self.model.eval()
        gains: list[float] = []
        with torch.no_grad():
            for pack in self.get_eval_dataloader():
                inputs = self._prepare_inputs(pack)
                logit_C, _cache = label_logits(self.model, packed_of(inputs), self._scoring.labels)
                gains += self._scoring.gains(logit_C, inputs)
        metrics = {f"eval_{self._scoring.figure}": sum(gains) / max(len(gains), 1)}
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics
