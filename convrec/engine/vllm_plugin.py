"""CpuLoraWorker: vLLM's CPU worker with LoRA done right. Only the child server's worker process imports this.

vLLM 0.32 multiplies each token with a gathered copy of its adapter (vllm/lora/ops/torch_ops/lora_ops.py), and a
token without adapter has index -1, which gathers the LAST slot: once all slots are filled, base rows that share a
batch with adapter rows get that adapter's delta (measured: scores off by 0.013). One product per distinct adapter
has neither fault. Measured with a rank-8 adapter on 2 busy cores, 20 segments of 14 tokens after 200: vLLM's way
2.1 s, 1.7 s with the prefix cached, 20 tokens/s; this way 0.71 s, 0.43 s, 30 tokens/s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU
from vllm.v1.worker.cpu_worker import CPUWorker

if TYPE_CHECKING:
    from torch import Tensor


class CpuLoraWorker(CPUWorker):  # type: ignore[misc]
    """The worker that the server is told to use (--worker-cls)."""

    def init_device(self) -> None:
        """Replace the LoRA product, then go on as always."""
        PunicaWrapperCPU.add_lora_linear = add_lora_linear
        super().init_device()


def add_lora_linear(
    self: Any,
    y: Tensor,
    x: Tensor,
    lora_a_stacked: tuple[Tensor, ...],
    lora_b_stacked: tuple[Tensor, ...],
    scale: float,
    output_slices: tuple[int, ...],
    **_: Any,
) -> None:
    """Add scale * (x A) B to y, in place, for the tokens of each adapter.

    Args:
        self: The punica wrapper; its token_lora_indices (T,) name each token's slot, -1 for none.
        y: (T, sum of output_slices).
        x: (T, D).
        lora_a_stacked: Per output slice (slots, 1, R, D).
        lora_b_stacked: Per output slice (slots, 1, size, R).
        scale: Factor of the product.
        output_slices: Widths in y, side by side.
    """
    y_T_O, x_T_D = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1])
    slots_T = self.token_lora_indices[: x_T_D.shape[0]]
    for slot in slots_T.unique().tolist():
        if slot < 0:
            continue
        rows = (slots_T == slot).nonzero()[:, 0]
        x_R_D = x_T_D[rows]
        start = 0
        for a, b, size in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
            delta = (x_R_D @ a[slot, 0].T) @ b[slot, 0].T
            y_T_O[rows, start : start + size] += scale * delta
            start += size
