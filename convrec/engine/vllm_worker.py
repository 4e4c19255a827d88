"""SeededWorker: vLLM's CPU worker, which seeded requests do not kill. For vLLM's processes.

vLLM 0.32 samples from a prompt that a step has read only in part, discards the token and turns the request's
generator back (_bookkeeping_sync in vllm/v1/worker/gpu_model_runner.py). CPU generators cannot be turned back: the
engine ends with "CPU Generator does not use offset", and with it every request under way. Here such a request's
generator is not asked in that step, so that there is nothing to turn back.
"""

from __future__ import annotations

from typing import Any

from vllm.v1.worker.cpu_model_runner import CPUModelRunner
from vllm.v1.worker.cpu_worker import CPUWorker


class SeededWorker(CPUWorker):  # type: ignore[misc]
    """What vLLM runs a model in."""

    def sample_tokens(self, grammar_output: Any) -> Any:
        """Sample the step's tokens; those of prompts read in part come from the shared generator."""
        runner = self.model_runner
        if not isinstance(runner, CPUModelRunner):  # vLLM's second runner samples otherwise
            return super().sample_tokens(grammar_output)
        generators = runner.input_batch.generators
        discarded_R = runner.discard_request_mask.np[: runner.input_batch.num_reqs]
        spared = {row: generators.pop(row) for row in [*generators] if discarded_R[row]}
        try:
            return super().sample_tokens(grammar_output)
        finally:
            generators.update(spared)
