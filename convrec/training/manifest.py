"""Owns what an adapter version says of itself (manifest.json) and which files may make one. Trains nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from convrec.errors import DataError
from convrec.ranking.blend import Blend

WEIGHTS, CONFIG, MANIFEST = "adapter_model.safetensors", "adapter_config.json", "manifest.json"


@dataclass(frozen=True, slots=True)
class AdapterManifest:
    """An adapter version.

    Args:
        name, version: Of the adapter.
        base_model: Name of the model it was trained for.
        base_hash: sha256 (hex) of that model's weights.
        prompt: Name and hash of the prompt it was trained on: with another one its scores mean nothing.
        domain: What kind of items it was trained on.
        accepted: Whether the gate let it pass.
        reasons: Of the verdict, in words.
        blend: Weights of retrieval and LLM, fitted on the held-out events that judged it.
        metrics: Held-out figures with intervals.
        data: What it learned from: examples, times, a hash of the events, marks of their users (see lineage.py).
        config: How it was trained.
        created: ISO 8601, UTC.
        fusion: Of an adapter that answers questions about messages: what its answers count (dialogue/fusing.py).
    """

    name: str
    version: int
    base_model: str
    base_hash: str
    prompt: str
    domain: str
    accepted: bool
    reasons: tuple[str, ...]
    blend: Blend
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    fusion: Mapping[str, Any] | None = None


def write_manifest(manifest: AdapterManifest, folder: Path) -> None:
    """Into a version's folder."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> AdapterManifest:
    """From a version's folder.

    Raises:
        DataError: It is missing or damaged.
    """
    file = folder / MANIFEST
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return AdapterManifest(**{**told, "reasons": tuple(told["reasons"]), "blend": Blend.read(told["blend"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{file} cannot be read ({error}); promote another version or train again") from error


def check_servable(folder: Path) -> None:
    """Refuse what vLLM cannot serve, or what is no adapter.

    Raises:
        DataError: The message says what is wrong.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    strangers = [path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt")]
    if strangers:
        raise DataError(f"{folder} holds {strangers[0]}; only safetensors are loaded")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"{folder} holds no adapter: {error}") from error
    refused = [
        what
        for what, there in (
            ("no LoRA", config.get("peft_type") != "LORA"),
            ("DoRA", config.get("use_dora")),
            ("biases", config.get("bias", "none") != "none" or config.get("lora_bias")),
            ("saved modules", config.get("modules_to_save")),
            ("trained tokens", config.get("trainable_token_indices")),
            ("PiSSA or OLoRA", str(config.get("init_lora_weights", True)).lower().startswith(("pissa", "olora"))),
            ("no weights", not weights),
        )
        if there
    ]
    if refused:
        raise DataError(f"{folder} cannot be served by vLLM: {', '.join(refused)}")
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise DataError(f"{folder} has weights that are no numbers in {name}; the training diverged")
