"""A small, untrained transformers model with a real tokenizer, for tests that train."""

from __future__ import annotations

import shutil
from pathlib import Path


def tiny_model(folder: Path, tokenizer_of: Path, seed: int = 0) -> Path:
    """Write a Llama of two layers and 128 dimensions, whose heads are of a size that vLLM has kernels for.

    Args:
        folder: Made.
        tokenizer_of: A model's folder, whose tokenizer is taken.
        seed: Of its weights.

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
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        initializer_range=0.15,
    )
    LlamaForCausalLM(config).save_pretrained(str(folder))
    return folder
