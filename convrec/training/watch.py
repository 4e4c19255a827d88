"""Owns what is told of a training while it runs: a progress bar's words and metrics.jsonl."""

from __future__ import annotations

import json
import time
from math import isfinite
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from convrec.progress import Measured, Progress


class Watch(TrainerCallback):  # type: ignore[misc]
    """A callback of transformers' Trainer.

    Args:
        log: One JSON object per line: step and what was measured there. A resumed run replaces what lies after its
            checkpoint.
        progress: Called after every step with the fraction done, and what was measured: `step`, and since they are
            known `loss` and `ndcg`, the latter of the examples that choose the weights.
    """

    def __init__(self, log: Path, progress: Progress) -> None:
        self._log, self._progress = log, progress
        self._loss = self._ndcg = float("nan")
        self._begun, self._first = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Forget what a killed run logged after the checkpoint."""
        self._begun, self._first = time.monotonic(), state.global_step
        lines = self._log.read_text().splitlines(keepends=True) if self._log.is_file() else []
        self._log.write_text("".join(line for line in lines if _step(line) <= state.global_step))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:  # noqa: ARG002
        """Write a line."""
        self._loss, self._ndcg = logs.get("loss", self._loss), logs.get("eval_ndcg", self._ndcg)
        told = {
            name: value
            for name, value in logs.items()
            if name in ("loss", "learning_rate", "grad_norm", "eval_ndcg", "eval_right")
        }
        if told:
            with self._log.open("a") as stream:
                stream.write(json.dumps({"step": state.global_step, **told}) + "\n")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Tell the progress."""
        seen = (state.global_step - self._first) * args.gradient_accumulation_steps * args.world_size
        rate = seen / max(time.monotonic() - self._begun, 1e-6)
        measured = {"step": float(state.global_step), "loss": self._loss, "ndcg": self._ndcg}
        known = {name: value for name, value in measured.items() if isfinite(value)}
        words = f"loss {self._loss:.3f}, {rate:.2f} examples/s"
        self._progress(state.global_step / state.max_steps, Measured(words, known))


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # cut short by a kill
        return float("inf")
