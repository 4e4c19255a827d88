"""Decoding: one generation, advanced token by token. Owns its sampling; knows no event loop.

Grammar text that has no choice in it ("the title of the second film is ...") is fed in one forward pass with the
token that led to it, instead of one pass per token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convrec.engine.adapters import Loaded
from convrec.engine.base import Sampling
from convrec.engine.causal_lm import CausalLM
from convrec.engine.grammar import Grammars
from convrec.engine.text_stream import TextStream
from convrec.engine.tokenizer import HFTokenizer

if TYPE_CHECKING:
    from torch import Tensor


class Decoding:
    """A generation in progress. All calls come from the model's thread.

    Args:
        lm: The model.
        tokenizer: Its tokenizer.
        grammars: Its compiled grammars.
        prompt: Token ids, at least one.
        sampling: How to continue.
        adapter: Name of a loaded adapter, None for the base model.
        salt: With whom what is read of the prompt is shared.

    Attributes:
        done: Nothing more comes.

    Raises:
        EngineError: The grammar does not compile.
    """

    def __init__(
        self,
        lm: CausalLM,
        tokenizer: HFTokenizer,
        grammars: Grammars,
        prompt: Sequence[int],
        sampling: Sampling,
        adapter: str | None,
        salt: str | None,
    ) -> None:
        import torch

        self.done = False
        self._lm = lm
        self._stream = TextStream(tokenizer, sampling.stop)
        self._matcher = grammars.matcher(sampling)
        self._prompt = prompt
        self._adapter = adapter
        self._salt = salt
        self._temperature = sampling.temperature
        self._left = sampling.max_tokens
        self._stop_ids = frozenset(lm.stop_ids)
        self._random = torch.Generator(device=lm.device)
        self._random.seed() if sampling.seed is None else self._random.manual_seed(sampling.seed)
        self._cache: Any = None
        self._pending: list[int] = []
        self._loaded: Loaded | None = None

    def advance(self) -> str:
        """Generate one token, and what the grammar forces after it; the text that became certain.

        Raises:
            NotFoundError: The adapter is not loaded.
        """
        if self._cache is None:
            self._loaded = self._lm.adapters.acquire(self._adapter)
        self._lm.adapters.use(self._loaded)
        if self._cache is None:
            forced = self._matcher.forced(self._left - 1) if self._matcher is not None else []
            logits_V, self._cache = self._lm.prefill(self._prompt, self._adapter, self._salt)
            if forced:
                logits_V, self._cache = self._lm.step(forced, self._cache)
        else:
            forced = []
            logits_V, self._cache = self._lm.step(self._pending, self._cache)
        token = self._sample(logits_V)
        if token in self._stop_ids:
            self.done = True
            return self._stream.push(forced) + self._stream.flush()
        self._pending = [token, *self._follow(token, self._left - len(forced) - 1)]
        self._left -= len(forced) + len(self._pending)
        text = self._stream.push([*forced, *self._pending])
        if self._stream.stopped or self._left == 0 or (self._matcher is not None and self._matcher.ended):
            self.done = True
            text += self._stream.flush()
        return text

    def close(self) -> None:
        """Let go of the adapter; the last call."""
        self._lm.adapters.release(self._loaded)
        self._loaded = None

    def _sample(self, logits_V: Tensor) -> int:
        import torch

        # Decoding happens between inference-mode calls, whose tensors may not change in place.
        logits_V = logits_V.clone()
        if self._matcher is not None:
            self._matcher.mask(logits_V)
        if self._temperature == 0:
            return int(logits_V.argmax())
        weights_V = torch.softmax(logits_V / self._temperature, dim=-1)
        return int(torch.multinomial(weights_V, 1, generator=self._random))

    def _follow(self, token: int, limit: int) -> list[int]:
        if self._matcher is None:
            return []
        self._matcher.accept(token)
        return self._matcher.forced(limit)
