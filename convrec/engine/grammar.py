"""Grammars: what may be generated next. Owns compilation and matching with xgrammar; knows no model.

A schema is compiled exactly as vLLM does it with `disable_any_whitespace`, so both engines accept the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convrec.engine.base import Sampling
from convrec.engine.tokenizer import HFTokenizer
from convrec.errors import EngineError

if TYPE_CHECKING:
    from torch import Tensor

_CACHE_BYTES = 64 * 1024 * 1024


class Grammars:
    """Compiles grammars for one tokenizer and keeps them compiled.

    Args:
        tokenizer: Of the model.
        vocabulary: Width of the model's logits.
        stop_ids: Tokens that end a text.
    """

    def __init__(self, tokenizer: HFTokenizer, vocabulary: int, stop_ids: Sequence[int]) -> None:
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(
            tokenizer.backend, vocab_size=vocabulary, stop_token_ids=list(stop_ids)
        )
        self._compiler: Any = xgrammar.GrammarCompiler(info, cache_limit_bytes=_CACHE_BYTES)
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary

    def matcher(self, sampling: Sampling) -> Matcher | None:
        """What follows a generation, or None where it is free.

        Raises:
            EngineError: The grammar or schema does not compile.
        """
        try:
            if sampling.grammar is not None:
                compiled = self._compiler.compile_grammar(sampling.grammar)
            elif sampling.schema is not None:
                compiled = self._compiler.compile_json_schema(
                    sampling.schema, any_whitespace=False, separators=(",", ":")
                )
            else:
                return None
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"the grammar does not compile: {error}") from error
        return Matcher(compiled, self._tokenizer, self._vocabulary)


class Matcher:
    """Follows one generation through a grammar."""

    def __init__(self, compiled: Any, tokenizer: HFTokenizer, vocabulary: int) -> None:
        import xgrammar

        self._matcher: Any = xgrammar.GrammarMatcher(compiled)
        self._encode = tokenizer.encode
        self._allowed: Any = xgrammar.allocate_token_bitmask(1, vocabulary)
        self._apply: Any = xgrammar.apply_token_bitmask_inplace

    def mask(self, logits_V: Tensor) -> None:
        """Put -inf, in place, where a token cannot follow."""
        self._matcher.fill_next_token_bitmask(self._allowed)
        self._apply(logits_V, self._allowed[0].to(logits_V.device))

    def accept(self, token: int) -> None:
        """Step over a token that `mask` left."""
        self._matcher.accept_token(token)

    def forced(self, limit: int) -> list[int]:
        """Up to `limit` tokens that must follow whatever the model thinks, already stepped over.

        The last token of the forced text is left to the model: only it knows where the next token ends.
        """
        tokens: list[int] = []
        try:
            text = self._matcher.find_jump_forward_string()
        except UnicodeDecodeError:  # what is certain ends inside a character
            return []
        for token in self._encode(text)[:-1][:limit]:
            if not self._matcher.accept_token(token):
                break
            tokens.append(token)
        return tokens

    @property
    def ended(self) -> bool:
        """Nothing but a stop token can follow."""
        if not self._matcher.is_completed():
            return False
        self._matcher.fill_next_token_bitmask(self._allowed)
        words = self._allowed[self._allowed != 0].tolist()
        allowed = sum((word & 0xFFFFFFFF).bit_count() for word in words)
        return bool(allowed <= len(self._matcher.stop_token_ids))
