"""CausalLM: one transformers model and its forward passes. Synchronous; knows no event loop and no text.

float32 on CPUs. Measured on 2 cores with avx512_bf16 (135M model, 20 segments of 14 tokens after 200): bfloat16
scores in 0.18 s against 0.36 and decodes 42 tokens/s against 28, but moves scores by up to 0.078, which is more
than what separates neighbours on a slate; vLLM in float32 agrees to 1e-5. On GPUs both engines take bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convrec.engine.adapters import LoraAdapters
from convrec.engine.base import Labels
from convrec.engine.packed import chunks, label_logits, pack
from convrec.engine.prefix_cache import KeyValues, PrefixCache
from convrec.errors import EngineUnavailableError

if TYPE_CHECKING:
    from torch import Tensor

Dtype = Literal["auto", "float32", "bfloat16"]

_PACK_TOKENS = {"cpu": 512, "cuda": 4096}


class CausalLM:
    """A model in this process. All calls come from one thread.

    Models with sliding-window attention are exact for prompts within their window.

    Args:
        model: Folder or hub name.
        dtype: `auto` is float32 on CPUs and bfloat16 on GPUs.
        cache_tokens: Prompt tokens whose keys and values are kept.

    Raises:
        EngineUnavailableError: The model cannot be read.
    """

    def __init__(self, model: str | Path, dtype: Dtype, cache_tokens: int) -> None:
        import torch
        import transformers

        transformers.utils.logging.disable_progress_bar()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype = {"cuda": "bfloat16", "cpu": "float32"}[self.device] if dtype == "auto" else dtype
        try:
            self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                str(model), dtype=getattr(torch, self.dtype), attn_implementation="sdpa"
            )
        except (OSError, ValueError) as error:
            raise EngineUnavailableError(
                f"cannot load the model {model}: {error}; set CONVREC_MODEL to a model's folder or hub name"
            ) from error
        self._model.to(self.device).eval()
        self.adapters = LoraAdapters(self._model)
        self.cache = PrefixCache(cache_tokens)

    @property
    def vocabulary(self) -> int:
        """Width of the logits."""
        return int(self._model.get_output_embeddings().weight.shape[0])

    @property
    def max_tokens(self) -> int:
        """How many tokens of prompt and answer the model was made to read."""
        return int(self._model.config.get_text_config().max_position_embeddings)

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that end a text."""
        ids = self._model.generation_config.eos_token_id
        if ids is None:
            ids = self._model.config.eos_token_id
        return [ids] if isinstance(ids, int) else list(ids or ())

    def score(
        self,
        prefix: Sequence[int],
        segments: Sequence[Sequence[int]],
        labels: Labels,
        adapter: str | None,
        salt: str | None,
    ) -> list[float]:
        """f of segments that fit one pack; see Engine.score."""
        import torch

        loaded = self.adapters.acquire(adapter)
        try:
            with torch.inference_mode():
                self.adapters.use(loaded)
                computed, kv = self.cache.longest(adapter, salt, prefix)
                packed = pack(prefix, segments, computed)
                logits_C, cache = label_logits(self._model, packed, labels, self._cache(kv))
                if computed < len(prefix):
                    self._remember(adapter, salt, prefix, cache)
                return [float(f) for f in torch.sigmoid(logits_C).tolist()]
        finally:
            self.adapters.release(loaded)

    def packs(self, segments: Sequence[Sequence[int]]) -> list[Sequence[Sequence[int]]]:
        """Segments in runs that one call of `score` takes."""
        return list(chunks(segments, _PACK_TOKENS[self.device]))

    def prefill(self, prompt: Sequence[int], adapter: str | None, salt: str | None) -> tuple[Tensor, Any]:
        """Logits_V of the token after a prompt, and a cache that `step` extends. The adapter is in use already."""
        import torch

        with torch.inference_mode():
            computed, kv = self.cache.longest(adapter, salt, prompt[:-1])
            logits_V, cache = self.step(prompt[computed:], self._cache(kv))
            self._remember(adapter, salt, prompt, cache)
            return logits_V, cache

    def step(self, tokens: Sequence[int], cache: Any) -> tuple[Tensor, Any]:
        """Logits_V, float32, of the token after `tokens`, which extend the cache."""
        import torch

        with torch.inference_mode():
            ids = torch.tensor([list(tokens)], device=self.device)
            output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            return output.logits[0, -1].float(), output.past_key_values

    def _cache(self, kv: KeyValues) -> Any:
        """A transformers cache that begins with held keys and values; extending it copies, so those stay."""
        from transformers import DynamicCache

        return DynamicCache(kv) if kv else DynamicCache()

    def _remember(self, adapter: str | None, salt: str | None, prompt: Sequence[int], cache: Any) -> None:
        # Cloned, because a view would keep the segments' keys and values alive as well.
        length = len(prompt)
        kv = [(layer.keys[:, :, :length].clone(), layer.values[:, :, :length].clone()) for layer in cache.layers]
        self.cache.put(adapter, salt, prompt, kv)
