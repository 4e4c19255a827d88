"""Owns transformers' Trainer as it is used here: packs in, the loss of a scoring, its held-out figure out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from transformers import PrinterCallback, Trainer

from convrec.engine.base import Labels
from convrec.engine.packed import join, label_logits
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
    """A Trainer whose batches are packs, read in one pass.

    Args:
        scoring: What is trained and measured.
        options: Of transformers' Trainer.
    """

    def __init__(self, scoring: Scoring, **options: Any) -> None:
        super().__init__(**options)
        self.remove_callback(PrinterCallback)
        self._scoring = scoring
        # The loss is the mean over a batch: Trainer divides by the number of batches accumulated.
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        """The mean loss of a batch's packs."""
        import torch

        packs = inputs["packs"]
        return torch.stack(
            [
                self._scoring.loss(logit_C, pack)
                for logit_C, pack in zip(self._logits(model, packs), packs, strict=True)
            ]
        ).mean()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The held-out figure."""
        import torch

        self.model.eval()
        gains: list[float] = []
        with torch.no_grad():
            for batch in self.get_eval_dataloader():
                packs = self._prepare_inputs(batch)["packs"]
                for logit_C, pack in zip(self._logits(self.model, packs), packs, strict=True):
                    gains += self._scoring.gains(logit_C, pack)
        metrics = {f"eval_{self._scoring.figure}": sum(gains) / max(len(gains), 1)}
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _logits(self, model: Any, packs: Sequence[Any]) -> Sequence[Tensor]:
        """logit_C of each pack's segments."""
        logits_S, _cache = label_logits(model, join([packed_of(pack) for pack in packs]), self._scoring.labels)
        found: Sequence[Tensor] = logits_S.split([len(pack["last"]) for pack in packs])
        return found
