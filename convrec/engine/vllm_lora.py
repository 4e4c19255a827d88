"""GroupedLora: the LoRA products of vLLM's CPU build, one per adapter in the batch. For vLLM's processes.

vLLM 0.32 multiplies each token with a gathered copy of its adapter (vllm/lora/ops/torch_ops/lora_ops.py), and a
token without adapter has index -1, which gathers the LAST slot: once all slots are filled, base rows that share a
batch with adapter rows get that adapter's delta. Here the tokens of an adapter are multiplied together, tokens
without one are left alone, and so are modules that an adapter does not touch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

if TYPE_CHECKING:
    from torch import Tensor

Rows: TypeAlias = "slice | Tensor"
"""Tokens of one adapter: a slice where they lie side by side, else their positions."""


@dataclass(frozen=True, slots=True)
class _Packed:
    """An adapter's weights at one module, its slices side by side, so that two products do.

    Args:
        a_D_R: (D, ranks of all slices); None where the first product was made elsewhere (embeddings).
        b_R_O: (ranks of all slices, outputs of all slices), zero off the slices' blocks.
    """

    a_D_R: Tensor | None
    b_R_O: Tensor


class GroupedLora(PunicaWrapperCPU):  # type: ignore[misc]
    """What vLLM asks for the products of adapters; takes the place of PunicaWrapperCPU.

    Weights are packed when a module first meets an adapter and forgotten when another takes its slot.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._adapters: list[int | None] = []
        self._packed: dict[tuple[int, int], _Packed | None] = {}
        self._token_groups: list[tuple[int, Rows]] = []
        self._sampled_groups: list[tuple[int, Rows]] = []

    def update_metadata(self, mapping: Any, lora_index_to_id: list[int | None], *args: Any, **kwargs: Any) -> None:
        """Take note of which tokens of the next step have which adapter."""
        super().update_metadata(mapping, lora_index_to_id, *args, **kwargs)
        if self._adapters != lora_index_to_id:
            known = dict(enumerate(self._adapters))
            changed = {slot for slot, adapter in enumerate(lora_index_to_id) if known.get(slot) != adapter}
            self._packed = {key: packed for key, packed in self._packed.items() if key[1] not in changed}
            self._adapters = list(lora_index_to_id)
        self._token_groups = groups(self.token_lora_indices)
        self._sampled_groups = groups(self.sampler_indices)

    def add_lora_linear(
        self,
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
            y: (T, sum of output_slices).
            x: (T, D).
            lora_a_stacked: Per output slice (slots, 1, R, D).
            lora_b_stacked: Per output slice (slots, 1, size, R).
            scale: Factor of the product.
            output_slices: Widths in y, side by side.
        """
        self._add(self._token_groups, y, x, lora_a_stacked, lora_b_stacked, scale, output_slices)

    def add_lora_logits(
        self, y: Tensor, x: Tensor, lora_a_stacked: Tensor, lora_b_stacked: Tensor, scale: float, **_: Any
    ) -> None:
        """The same for the output head: y (T, vocabulary), one row per sampled token."""
        size = min(y.shape[-1], lora_b_stacked.shape[-2])
        self._add(self._sampled_groups, y, x, (lora_a_stacked,), (lora_b_stacked,), scale, (size,))

    def add_lora_embedding(self, y: Tensor, x: Tensor, lora_b_stacked: Tensor, **_: Any) -> None:
        """The same for embeddings: x (T, R) is what A made of the tokens."""
        self._add(self._token_groups, y, x, None, (lora_b_stacked,), 1.0, (lora_b_stacked.shape[-2],))

    def _add(
        self,
        groups_: list[tuple[int, Rows]],
        y: Tensor,
        x: Tensor,
        a: tuple[Tensor, ...] | None,
        b: tuple[Tensor, ...],
        scale: float,
        sizes: tuple[int, ...],
    ) -> None:
        y_T_O, x_T_D = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1])
        for slot, rows in groups_:
            key = b[0].data_ptr(), slot
            if key not in self._packed:
                self._packed[key] = _pack(a, b, scale, sizes, slot)
            packed = self._packed[key]
            if packed is None:
                continue
            h_T_R = x_T_D[rows] if packed.a_D_R is None else x_T_D[rows] @ packed.a_D_R
            out_T_O = y_T_O[:, : packed.b_R_O.shape[1]]
            if isinstance(rows, slice):
                out_T_O[rows].addmm_(h_T_R, packed.b_R_O)
            else:
                out_T_O.index_add_(0, rows, h_T_R @ packed.b_R_O)


def groups(slots_T: Tensor) -> list[tuple[int, Rows]]:
    """Slots that occur among the tokens, and where; -1, no adapter, is left out."""
    found: list[tuple[int, Rows]] = []
    for slot in slots_T.unique().tolist():
        if slot < 0:
            continue
        rows = (slots_T == slot).nonzero()[:, 0]
        first, last = int(rows[0]), int(rows[-1])
        found.append((slot, slice(first, last + 1) if last - first + 1 == len(rows) else rows))
    return found


def _pack(
    a: tuple[Tensor, ...] | None, b: tuple[Tensor, ...], scale: float, sizes: tuple[int, ...], slot: int
) -> _Packed | None:
    """A slot's weights side by side, without the rows that only fill up to the largest rank; None if all are 0."""
    b_s = [stacked[slot, 0, :size] for stacked, size in zip(b, sizes, strict=True)]
    if not any(bool(b_O_R.any()) for b_O_R in b_s):
        return None
    if a is None:
        return _Packed(None, scale * b_s[0].T)
    ranks = [_rank(stacked[slot, 0]) for stacked in a]
    a_R_D = torch.cat([stacked[slot, 0, :rank] for stacked, rank in zip(a, ranks, strict=True)])
    b_R_O = torch.block_diag(*(b_O_R[:, :rank].T for b_O_R, rank in zip(b_s, ranks, strict=True)))
    return _Packed(a_R_D.T.contiguous(), scale * b_R_O)


def _rank(a_R_D: Tensor) -> int:
    """Rows up to the last that is not 0."""
    used = a_R_D.any(dim=1).nonzero()
    return int(used[-1, 0]) + 1 if len(used) else 0
