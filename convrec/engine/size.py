"""Owns how large a language model is, as its configuration tells it; loads no weights."""

from __future__ import annotations

from pathlib import Path


def parameters(model: str | Path) -> float | None:
    """About how many parameters a model has; None where its configuration cannot be read here.

    Embeddings, and per layer attention and a gated MLP; experts of a mixture are all counted.

    Args:
        model: Folder or hub name.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(str(model))
    except (OSError, ValueError):
        return None
    text = config.get_text_config()
    hidden, layers = text.hidden_size, text.num_hidden_layers
    wide = getattr(text, "intermediate_size", None) or 4 * hidden
    experts = getattr(text, "num_local_experts", None) or getattr(text, "num_experts", None) or 1
    return float(text.vocab_size * hidden + layers * (4 * hidden * hidden + 3 * experts * hidden * wide))
