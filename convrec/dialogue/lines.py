"""Owns texts of people and items as single lines of a prompt: escaped, cut to a number of tokens."""

from __future__ import annotations

from convrec.engine.base import Tokenizer


def one_line(text: str, limit: int, tokenizer: Tokenizer) -> str:
    """A text as one escaped line of at most `limit` tokens."""
    line = tokenizer.escape(" ".join(text[: 20 * limit].split()))
    while (count := len(tokenizer.encode(line))) > limit:
        line = line[: len(line) * limit // count]
    return line
