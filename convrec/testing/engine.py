"""FakeEngine and FakeTokenizer: deterministic, for the tests of other rooms. They need no model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from zlib import crc32

from convrec.engine.base import (
    AdapterRef,
    Health,
    Labels,
    Message,
    Sampling,
    Tokenizer,
    require_tokens,
)
from convrec.engine.text_stream import TextStream
from convrec.errors import EngineUnavailableError, NotFoundError

_SPECIAL = {"<|im_start|>": 1, "<|im_end|>": 2}
_PIECES = re.compile("|".join(map(re.escape, _SPECIAL)) + r"|\s?\w+|\s|[^\w\s]")
_FIRST_WORD_ID = 16


class FakeTokenizer:
    """Words, with the space before them, as tokens; the id is a hash of the word. ChatML for messages."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def encode(self, text: str) -> list[int]:
        """One id per word, punctuation mark, space and special token."""
        ids = []
        for piece in _PIECES.findall(text):
            token = _SPECIAL.get(piece) or _FIRST_WORD_ID + crc32(piece.encode("utf-8", "surrogatepass"))
            if token >= _FIRST_WORD_ID:
                self._texts[token] = piece
            ids.append(token)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids that this tokenizer gave."""
        return "".join(self._texts.get(token, "") for token in ids)

    def chat(self, messages: Sequence[Message]) -> str:
        """Messages in ChatML, open for the assistant's answer."""
        turns = "".join(f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in messages)
        return f"{turns}<|im_start|>assistant\n"

    def escape(self, text: str) -> str:
        """The text with a space after the first character of each special token."""
        while any(special in text for special in _SPECIAL):
            for special in _SPECIAL:
                text = text.replace(special, f"{special[0]} {special[1:]}")
        return text


def overlap(prefix: Sequence[int], segment: Sequence[int]) -> float:
    """How much of a segment occurs in the prefix, in (0, 1): the score that FakeEngine gives by default."""
    return (1 + len(set(segment) & set(prefix))) / (2 + len(set(segment)))


class FakeEngine:
    """Scores by token overlap and says what it is told to say; grammars and schemas it takes on trust.

    Args:
        reply: What `generate` streams, word by word; or a function of prompt text and sampling.
        scores: Replaces `overlap`; takes the texts of prefix and segment.
        fail: While True, every call raises EngineUnavailableError; settable.
    """

    name = "fake"

    def __init__(
        self,
        reply: str | Callable[[str, Sampling], str] = "Here is what I found.",
        scores: Callable[[str, str], float] | None = None,
        fail: bool = False,
    ) -> None:
        self.fail = fail
        self._reply = reply
        self._scores = scores
        self._tokenizer = FakeTokenizer()
        self.adapters: set[str] = set()

    @property
    def tokenizer(self) -> Tokenizer:
        """Its FakeTokenizer."""
        return self._tokenizer

    async def start(self) -> None:
        """Ready at once, unless it is to fail."""
        self._check(None)

    async def close(self) -> None:
        """Nothing to let go of."""

    async def score(
        self,
        prefix: Sequence[int],
        segments: Sequence[Sequence[int]],
        labels: Labels,  # noqa: ARG002
        adapter: str | None = None,
        salt: str | None = None,  # noqa: ARG002
    ) -> list[float]:
        """Token overlap, or what the given function says."""
        require_tokens(prefix, segments)
        self._check(adapter)
        if self._scores is None:
            return [overlap(prefix, segment) for segment in segments]
        text = self._tokenizer.decode(prefix)
        return [self._scores(text, self._tokenizer.decode(segment)) for segment in segments]

    async def generate(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        adapter: str | None = None,
        salt: str | None = None,  # noqa: ARG002
    ) -> AsyncIterator[str]:
        """The given reply, up to max_tokens or a stop string."""
        require_tokens(prompt)
        self._check(adapter)
        text = (
            self._reply if isinstance(self._reply, str) else self._reply(self._tokenizer.decode(prompt), sampling)
        )
        stream = TextStream(self._tokenizer, sampling.stop)
        for token in self._tokenizer.encode(text)[: sampling.max_tokens]:
            await asyncio.sleep(0)
            self._check(adapter)
            if piece := stream.push([token]):
                yield piece
            if stream.stopped:
                return
        if rest := stream.flush():
            yield rest

    async def load_adapter(self, ref: AdapterRef) -> None:
        """Remember the name; it changes no score."""
        self._check(None)
        self.adapters.add(ref.name)

    async def unload_adapter(self, name: str) -> None:
        """Forget the name."""
        self._check(name)
        self.adapters.remove(name)

    async def health(self) -> Health:
        """Ready unless it is to fail."""
        return Health(not self.fail, "told to fail" if self.fail else "fake")

    def _check(self, adapter: str | None) -> None:
        if self.fail:
            raise EngineUnavailableError("the fake engine was told to fail; set fail = False")
        if adapter is not None and adapter not in self.adapters:
            raise NotFoundError(f"adapter {adapter} is not loaded; load it first")
