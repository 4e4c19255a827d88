"""Owns the SASRec baseline: RecTools' model, trained until the loss of held-out events stops falling.

The last event of every user in the training data is held out for that; the weights of the best epoch are kept.
"""

from __future__ import annotations

import copy
import logging
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from convrec.errors import DataError
from convrec.evaluation.base import Task
from convrec.evaluation.baselines.dense import DenseSystem, Scores, choices, dense_system
from convrec.evaluation.extra import extra
from convrec.progress import Progress
from convrec.retrieval.sequences import Rows, Sequences

_KEPT = 2
"""Events that a user must have left when the last is held out: one to see and one to predict."""


@dataclass(frozen=True, slots=True)
class SasrecConfig:
    """How SASRec is built and trained.

    Args:
        blocks, heads, factors, dropout: Of the transformer.
        length: Latest events that it sees.
        learning_rate, batch: Of Adam.
        epochs, patience: At most so many; stop after so many without a better held-out loss.
    """

    blocks: int = 2
    heads: int = 1
    factors: int = 64
    dropout: float = 0.3
    length: int = 100
    learning_rate: float = 1e-3
    batch: int = 16
    epochs: int = 200
    patience: int = 5


class SasrecSystem:
    """Self-attention over the sequence, full softmax loss.

    Source: Kang and McAuley 2018, "Self-Attentive Sequential Recommendation"; the softmax over all items instead
    of one sampled negative after Klenitskiy and Vasilev 2023, "Turning Dross Into Gold Loss".
    """

    name = "sasrec"
    stochastic = True

    def __init__(self, config: SasrecConfig | None = None) -> None:
        self._config = c = config or SasrecConfig()
        self.settings = (
            f"RecTools, softmax loss, {c.blocks} blocks, {c.heads} heads, {c.factors} factors, "
            f"dropout {c.dropout:g}, last {c.length}, Adam {c.learning_rate:g}, batch {c.batch}, "
            f"at most {c.epochs} epochs, patience {c.patience}"
        )

    def fit(self, task: Task, seed: int, progress: Progress) -> DenseSystem:
        """Train.

        Raises:
            SettingsError: RecTools is not installed.
            DataError: No event can be held out: nobody has three, or nothing else speaks of those items.
        """
        import torch

        lightning: Any = extra("pytorch_lightning")
        # Lightning reports on its hardware and warns of choices made on purpose. Importing it sets the level.
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        deterministic = torch.are_deterministic_algorithms_enabled()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model, best = self._train(lightning, task, seed, progress)
        finally:
            # The trainer asks it of the whole process, where other models run as well.
            torch.use_deterministic_algorithms(deterministic)
        torch_model = model.lightning_model.torch_model
        torch_model.load_state_dict(best)
        torch_model.eval()
        internal = {str(external): n for n, external in enumerate(model.data_preparator.item_id_map.external_ids)}
        place_N = np.array([internal.get(item_id, -1) for item_id in task.catalogue.ids])
        with torch.no_grad():
            items_M_F = torch_model.item_model.get_all_embeddings()
        length = self._config.length

        def score(rows: Rows) -> Scores:
            known = place_N[rows][place_N[rows] >= 0][-length:]
            x = torch.zeros((1, length), dtype=torch.long)
            if len(known):
                x[0, -len(known) :] = torch.from_numpy(known.copy())
            with torch.no_grad():
                user_F = torch_model.encode_sessions({"x": x}, items_M_F)[0, -1]
                scores_M = (items_M_F @ user_F).numpy().astype(np.float64)
            # What was never trained comes last.
            scores: Scores = np.where(place_N >= 0, scores_M[place_N], scores_M.min() - 1.0)
            return scores

        return dense_system(task, choices(task), score)

    def _train(self, lightning: Any, task: Task, seed: int, progress: Progress) -> tuple[Any, dict[str, Any]]:
        rectools: Any = extra("rectools.dataset")
        sasrec: Any = extra("rectools.models.nn.transformers.sasrec")
        pandas: Any = extra("pandas")
        config = self._config
        lightning.seed_everything(seed, verbose=False)
        sequences = choices(task)
        _check(sequences)
        frame = pandas.DataFrame(
            {
                "user_id": sequences.user_E,
                "item_id": [task.catalogue.ids[item] for item in sequences.items_E],
                "weight": 1.0,
                # Their order within the user, which equal timestamps would lose.
                "datetime": pandas.to_datetime(np.arange(len(sequences.items_E)), unit="s"),
            }
        )
        keeper = _keeper(lightning, config, progress)
        model = sasrec.SASRecModel(
            n_blocks=config.blocks,
            n_heads=config.heads,
            n_factors=config.factors,
            dropout_rate=config.dropout,
            session_max_len=config.length,
            lr=config.learning_rate,
            batch_size=config.batch,
            loss="softmax",
            item_net_block_types=(extra("rectools.models.nn.item_net").IdEmbeddingsItemNet,),
            get_val_mask_func=_last_of_each,
            get_trainer_func=lambda: lightning.Trainer(
                max_epochs=config.epochs,
                accelerator="cpu",
                deterministic=True,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                callbacks=[keeper],
            ),
        )
        model.fit(rectools.Dataset.construct(frame))
        return model, model.fit_trainer.callbacks[0].best


def _check(sequences: Sequences) -> None:
    last_U = sequences.items_E[sequences.starts_U1[1:] - 1]
    held_out = last_U[np.diff(sequences.starts_U1) > _KEPT]
    if not np.isin(held_out, sequences.before_last(1, keep=_KEPT).items_E).any():
        raise DataError("SASRec stops by held-out events, and no user has three; leave sasrec out of the systems")


def _last_of_each(frame: Any) -> Any:
    """Which rows are their user's last; users with too few keep theirs."""
    by_user = frame.groupby("user_id")["datetime"]
    return ((by_user.rank(method="first", ascending=False) <= 1) & (by_user.transform("size") > _KEPT)).to_numpy()


def _keeper(lightning: Any, config: SasrecConfig, progress: Progress) -> Any:
    """A callback that stops when the held-out loss no longer falls, and keeps the best weights."""

    class Keeper(lightning.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.loss, self.since = float("inf"), 0
            self.best: dict[str, Any] = {}

        def on_validation_epoch_end(self, trainer: Any, module: Any) -> None:
            loss = float(trainer.callback_metrics[module.val_loss_name])
            progress(
                trainer.current_epoch / config.epochs, f"SASRec, epoch {trainer.current_epoch}, loss {loss:.4f}"
            )
            self.since = 0 if loss < self.loss else self.since + 1
            if loss < self.loss:
                self.loss = loss
                self.best = copy.deepcopy(module.torch_model.state_dict())
            trainer.should_stop = self.since >= config.patience

    return Keeper()
