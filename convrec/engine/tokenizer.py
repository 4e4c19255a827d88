"""HFTokenizer: text to token ids as a Hugging Face tokenizer does it. Owns no model and no prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convrec.engine.base import Message
from convrec.errors import EngineUnavailableError


class HFTokenizer:
    """A tokenizer read from a model's folder or hub name; safe to use from several threads.

    Args:
        model: Folder or hub name.

    Attributes:
        backend: The transformers tokenizer itself, for libraries that want one.

    Raises:
        EngineUnavailableError: It cannot be read, or is not a fast tokenizer.
    """

    def __init__(self, model: str | Path) -> None:
        from transformers import AutoTokenizer

        try:
            self.backend: Any = AutoTokenizer.from_pretrained(str(model))
        except (OSError, ValueError) as error:
            raise EngineUnavailableError(
                f"cannot read the tokenizer of {model}: {error}; set CONVREC_MODEL to a model's folder or hub name"
            ) from error
        if not self.backend.is_fast:
            raise EngineUnavailableError(f"{model} has no tokenizer.json; choose a model that ships one")
        # The Rust tokenizer underneath: transformers' own call sets padding state and so is not thread-safe.
        self._tokenizer: Any = self.backend.backend_tokenizer
        self._control = _control_pattern(self._tokenizer.get_added_tokens_decoder().values())

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, no special tokens added; special tokens written in it are parsed."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def chat(self, messages: Sequence[Message]) -> str:
        """Messages rendered with the model's chat template, open for the assistant's answer."""
        rows = [{"role": message.role, "content": message.content} for message in messages]
        return str(self.backend.apply_chat_template(rows, tokenize=False, add_generation_prompt=True))

    def escape(self, text: str) -> str:
        """The text with a space after the first character of anything that would parse as a special token."""
        # Again and again, because breaking one token up may uncover another: "<<|a|>" where both are tokens.
        while self._control is not None and self._control.search(text):
            text = self._control.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
        return text


def _control_pattern(added: Sequence[Any]) -> re.Pattern[str] | None:
    """Finds special tokens, and tags like <think> that a model may have been taught without the flag."""
    control = {
        token.content
        for token in added
        if len(token.content) > 1
        and not token.content.isspace()
        and (token.special or (token.content.startswith("<") and token.content.endswith(">")))
    }
    ordered = sorted(control, key=lambda content: (-len(content), content))
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None
