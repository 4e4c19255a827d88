"""A small, untrained transformers model with a real tokenizer, for tests that train."""

from __future__ import annotations

import shutil
from pathlib import Path


def tiny_model(folder: Path, tokenizer_of: Path, seed: int = 0, heads: int = 4) -> Path:
    """Write a Llama of two layers and 64 dimensions.

    Args:
        folder: Made.
        tokenizer_of: A model's folder, whose tokenizer is taken.
        seed: Of its weights.
        heads: Of attention; vLLM has kernels for 1.

    Returns:
        The folder, as transformers reads it.
    """
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True)
    for file in tokenizer_of.glob("*token*"):
        shutil.copy(file, folder)
    for name in ("chat_template.jinja", "vocab.json", "merges.txt"):
        if (tokenizer_of / name).is_file():
            shutil.copy(tokenizer_of / name, folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(str(folder))),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 2),
        max_position_embeddings=2048,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(str(folder))
    return folder
