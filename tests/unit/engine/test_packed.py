"""The packed layout: who sees whom, and where each token stands; and what a pass makes of it."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from convrec.engine.base import Labels
from convrec.engine.packed import chunks, label_logits, pack


def test_segments_see_the_prefix_and_themselves_only():
    packed = pack([7, 8], [[1, 2], [3]])
    assert packed.ids.tolist() == [7, 8, 1, 2, 3]
    assert packed.positions.tolist() == [0, 1, 2, 3, 2]
    assert packed.last.tolist() == [3, 4]
    assert packed.mask.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]


def test_computed_prefix_tokens_are_attended_to_but_not_fed():
    whole, rest = pack([7, 8], [[1, 2], [3]]), pack([7, 8], [[1, 2], [3]], computed=2)
    assert rest.ids.tolist() == [1, 2, 3]
    assert rest.mask.tolist() == whole.mask[2:].tolist()
    assert rest.positions.tolist() == whole.positions[2:].tolist()
    assert rest.last.tolist() == [1, 2]


def test_chunks_keep_order_and_bound():
    segments = [[1] * 3, [2] * 3, [3] * 9, [4]]
    assert [list(chunk) for chunk in chunks(segments, 6)] == [segments[:2], segments[2:3], segments[3:]]
    assert list(chunks([], 6)) == []


@pytest.mark.parametrize("autocast", [False, True])
def test_logits_of_a_model_of_16_bits_are_exact(autocast: bool):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16).eval()
    model.lm_head.weight.data *= 100  # logits as large as those of a trained model
    packed = pack([7, 8, 9], [[first, second] for first in range(10, 20) for second in range(20, 30)])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found, _ = label_logits(model, packed, Labels(3, 5))
        hidden = model.model(
            input_ids=packed.ids[None],
            position_ids=packed.positions[None],
            attention_mask=packed.mask[None, None],
        ).last_hidden_state[0, packed.last]
    yes, no = model.lm_head.weight[[3, 5]].double() @ hidden.double().T
    assert torch.allclose(found, yes - no, atol=1e-4)
    assert not model.lm_head._forward_hooks
