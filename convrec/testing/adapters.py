"""Adapter files without training: whole, servable, and of any content a test asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convrec.ranking.blend import Blend
from convrec.training.manifest import CONFIG, WEIGHTS, AdapterManifest
from convrec.training.registry import AdapterVersion, Registry


def write_adapter(folder: Path, value: float = 0.01, **config: Any) -> None:
    """Weights of one layer, all equal, and a configuration.

    Args:
        folder: Existing.
        value: Of every weight.
        config: Replaces fields of adapter_config.json.
    """
    import torch
    from safetensors.torch import save_file

    key = "base_model.model.model.layers.0.self_attn.q_proj"
    weights = {
        f"{key}.lora_A.weight": torch.full((2, 8), value),
        f"{key}.lora_B.weight": torch.full((8, 2), value),
    }
    save_file(weights, folder / WEIGHTS)
    told = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none", **config}
    (folder / CONFIG).write_text(json.dumps(told))


def write_lora(folder: Path, base: str | Path, seed: int, rank: int = 4, **config: Any) -> None:
    """A LoRA adapter of a real model, with random weights that change its scores.

    Args:
        folder: Existing.
        base: A model's folder.
        seed: Of the weights.
        config: Of PEFT's LoraConfig, beside rank and modules.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(str(base))
    told = {"target_modules": "all-linear", **config}
    tuned = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, task_type="CAUSAL_LM", **told))
    for name, weights in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.05)
    tuned.save_pretrained(str(folder))


def publish_adapter(
    registry: Registry, name: str = "wines", *, accepted: bool = True, base: Path | None = None, **fields: Any
) -> AdapterVersion:
    """A version in a registry, as the gate would leave it.

    Args:
        base: The model of a random LoRA; None writes files that no engine loads.
        fields: Of the manifest.
    """
    told: Mapping[str, Any] = {
        "base_model": "fake",
        "base_hash": "0" * 64,
        "prompt": "rank.v1:0",
        "domain": "generic",
        "reasons": (),
        "blend": Blend(),
        **fields,
    }
    with registry.stage(name) as (folder, number):
        if base is None:
            write_adapter(folder)
        else:
            write_lora(folder, base, number)
        return registry.publish(folder, AdapterManifest(name, number, accepted=accepted, **told))
