"""The products of adapters, beside those of vLLM's build, whose fault is shown first."""

from types import SimpleNamespace

import pytest
import torch

from convrec.engine.vllm import vllm_available

pytestmark = [
    pytest.mark.skipif(vllm_available() is not None, reason=str(vllm_available())),
    pytest.mark.filterwarnings("ignore"),
]

D, SIZES, SLOTS, RANK = 24, (12, 4, 4), 3, 8
BASE = -1


@pytest.fixture
def stacked():
    """Weights of three adapters, of ranks 2, 4 and 8, in the slots of a module with three slices."""
    torch.manual_seed(0)
    a = tuple(torch.zeros(SLOTS, 1, RANK, D) for _ in SIZES)
    b = tuple(torch.zeros(SLOTS, 1, size, RANK) for size in SIZES)
    for a_, b_ in zip(a, b, strict=True):
        for slot, rank in enumerate((2, 4, 8)):
            a_[slot, 0, :rank] = torch.randn(rank, D)
            b_[slot, 0, :, :rank] = torch.randn(b_.shape[2], rank)
    return a, b


def _wrapper(kind, slots_T):
    """A wrapper that was told which slot each token has."""
    wrapper = kind(64, 64, torch.device("cpu"))
    _tell(wrapper, slots_T, (1, 2, 3))
    return wrapper


def _tell(wrapper, slots_T, ids):
    """As vLLM does, which names adapters by number."""
    from vllm.lora.layers import LoRAMapping

    numbers = tuple(0 if slot == BASE else ids[slot] for slot in slots_T)
    wrapper.update_metadata(LoRAMapping(numbers, numbers, is_prefill=True), list(ids), SLOTS, 100)


def _kinds():
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

    from convrec.engine.vllm_lora import GroupedLora

    return SimpleNamespace(stock=PunicaWrapperCPU, ours=GroupedLora)


def _wanted(x_T_D, slots_T, a, b):
    y_T_O = torch.zeros(len(slots_T), sum(SIZES))
    for t, slot in enumerate(slots_T):
        if slot != BASE:
            y_T_O[t] = torch.cat([b_[slot, 0] @ (a_[slot, 0] @ x_T_D[t]) for a_, b_ in zip(a, b, strict=True)])
    return y_T_O


def _product(wrapper, x_T_D, a, b):
    y_T_O = torch.zeros(len(x_T_D), sum(SIZES))
    wrapper.add_lora_linear(y_T_O, x_T_D, a, b, 1.0, SIZES)
    return y_T_O


def test_rows_of_the_base_model_get_an_adapters_delta_without_the_plugin(stacked):
    """Why the plugin is there; when this fails, vLLM has mended it and the plugin may go."""
    slots_T, x_T_D = [BASE, 0, BASE, 1, 2], torch.randn(5, D)
    wrong = _product(_wrapper(_kinds().stock, slots_T), x_T_D, *stacked)
    wanted = _wanted(x_T_D, slots_T, *stacked)
    assert torch.allclose(wrong[[1, 3, 4]], wanted[[1, 3, 4]], atol=1e-4)
    assert wrong[[0, 2]].abs().max() > 1e-2


@pytest.mark.parametrize(
    "slots_T", [[BASE, 0, BASE, 1, 2], [0, 0, 0], [2, 2, 1, 1, 0, 0], [0, 1, 0, 1, BASE, 2], [BASE], [1]]
)
def test_each_row_gets_its_own_adapters_delta(stacked, slots_T):
    x_T_D = torch.randn(len(slots_T), D)
    got = _product(_wrapper(_kinds().ours, slots_T), x_T_D, *stacked)
    assert torch.allclose(got, _wanted(x_T_D, slots_T, *stacked), atol=1e-4)


def test_another_adapter_in_a_slot_is_not_taken_for_the_one_before(stacked):
    a, b = stacked
    slots_T, x_T_D = [0, 1, BASE], torch.randn(3, D)
    wrapper = _wrapper(_kinds().ours, slots_T)
    before = _product(wrapper, x_T_D, a, b)
    for weights in (*a, *b):
        weights[0] *= -1
    b[0][0] *= 2
    _tell(wrapper, slots_T, (4, 2, 3))
    after = _product(wrapper, x_T_D, a, b)
    assert torch.allclose(after, _wanted(x_T_D, slots_T, a, b), atol=1e-4)
    assert torch.equal(after[1:], before[1:])
    assert not torch.allclose(after[0], before[0])


def test_logits_and_embeddings_of_base_rows_stay(stacked):
    slots_T = [BASE, 1]
    a, b = stacked[0][0], stacked[1][0]
    wrapper = _wrapper(_kinds().ours, slots_T)
    x_T_D = torch.randn(2, D)
    y_T_V = torch.zeros(2, SIZES[0] + 3)  # a head padded past the adapter's
    wrapper.add_lora_logits(y_T_V, x_T_D, a, b, 0.5)
    assert not y_T_V[0].any()
    assert torch.allclose(y_T_V[1, : SIZES[0]], 0.5 * b[1, 0] @ (a[1, 0] @ x_T_D[1]), atol=1e-4)
    b, x_T_R, y_T_O = b.clone(), torch.randn(2, RANK), torch.zeros(2, SIZES[0])
    wrapper.add_lora_embedding(y_T_O, x_T_R, b)
    assert not y_T_O[0].any()
    assert torch.allclose(y_T_O[1], b[1, 0] @ x_T_R[1], atol=1e-4)


def test_modules_that_an_adapter_does_not_touch_are_passed_over(stacked):
    a, b = stacked
    for b_ in b:
        b_[1] = 0
    wrapper = _wrapper(_kinds().ours, [1, 1])
    assert not _product(wrapper, torch.full((2, D), torch.nan), a, b).isnan().any()
