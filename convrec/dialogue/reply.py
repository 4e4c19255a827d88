"""Owns the prose of a turn: the model picks the sentences, the script decides what can be said at all.

The engine generates under the script's grammar; what it streams is held against the script again, and whatever is
missing when it fails, stops early or takes too long is completed by the script's own sentences.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from zlib import crc32

from convrec.data.catalogue import Catalogue
from convrec.dialogue.script import Script
from convrec.dialogue.sentences import TOLD, Sentences
from convrec.dialogue.titles import mentions_outside
from convrec.engine.base import Engine, OpenPrompt, Sampling, Tokenizer
from convrec.errors import EngineError, NotFoundError
from convrec.prompting import Prompts
from convrec.types import Intent, IntentKind, SessionState, Slate

__all__ = ["ReplyWriter", "mentions_outside"]

_QUERY_TOKENS = 32
_ITEM_TOKENS = 48
_SPARE_TOKENS = 16
_UNWRITTEN = (IntentKind.SMALL_TALK, IntentKind.OUT_OF_SCOPE)
"""Too short to be worth the engine's time."""


class ReplyWriter:
    """Writes about slates.

    Args:
        engine: Chooses the sentences.
        prompts: Holds the template `reply` with the block `segment`.
        catalogue: Its titles are what a reply may not name beyond its slate.
        timeout_s: Seconds for the engine; then the reply is completed without it.
        temperature: Of the choice among sentences; the seed follows from the prompt, so equal turns read alike.

    Raises:
        PromptError: There is no reply template.
    """

    def __init__(
        self,
        engine: Engine,
        prompts: Prompts,
        catalogue: Catalogue,
        timeout_s: float = 60.0,
        temperature: float = 0.7,
    ) -> None:
        self._engine = engine
        self._prompt = prompts.load("reply")
        self._catalogue = catalogue
        self._timeout_s = timeout_s
        self._temperature = temperature
        self._sentences = Sentences(catalogue)

    async def write(
        self, intent: Intent, state: SessionState, slate: Slate, opened: Callable[[], OpenPrompt]
    ) -> AsyncGenerator[str, None]:
        """Stream the reply to a turn in pieces; never empty, never an engine's error, only titles of the slate.

        Args:
            intent: The message as it was understood.
            state: The conversation, this message included.
            slate: What is shown; empty when nothing qualified.
            opened: What the engine has read of the person and the message; called where it is to be asked.
        """
        script = self._sentences.script(intent, state, slate)
        text = ""
        if not (script.is_fixed or slate.degraded or intent.kind in _UNWRITTEN):
            async with aclosing(self._generate(script, intent, state, slate, opened)) as pieces:
                async for piece in pieces:
                    text += piece
                    yield piece
        if rest := script.complete(text):
            yield rest

    def prompt(self, intent: Intent, state: SessionState, slate: Slate, opened: OpenPrompt) -> list[int]:
        """The prompt's token ids, which go on from `opened`; texts of the catalogue are escaped and cut."""
        tokenizer = self._engine.tokenizer
        text = self._prompt.render(
            "segment",
            domain=self._catalogue.domain,
            items=[
                _line(self._catalogue.describe(r.item), _ITEM_TOKENS, tokenizer)
                for r in slate.recommendations[:TOLD]
            ],
            count=len(slate.recommendations),
            # What this very message asks for has been read.
            query="" if state.query == intent.query else _line(state.query, _QUERY_TOKENS, tokenizer),
        )
        return [*opened.before, *tokenizer.encode(text + opened.after)]

    async def _generate(
        self, script: Script, intent: Intent, state: SessionState, slate: Slate, opened: Callable[[], OpenPrompt]
    ) -> AsyncGenerator[str, None]:
        """The engine's pieces for as long as it answers in time and what it says is in the script."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        stream: AsyncIterator[str] | None = None
        text = ""
        try:
            stream = self._start(script, self.prompt(intent, state, slate, opened()), slate.adapter)
            while True:
                # Around each step and not around the loop: what the reader does between pieces is not cancelled.
                async with asyncio.timeout_at(deadline):
                    piece = await anext(stream)
                if script.complete(text + piece) is None:
                    return
                text += piece
                yield piece
        except (EngineError, NotFoundError, TimeoutError, StopAsyncIteration):
            return
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _start(self, script: Script, prompt: list[int], adapter: str | None) -> AsyncIterator[str]:
        """With the adapter that scored, because the engine keeps what it has read by adapter."""
        sampling = Sampling(
            max_tokens=len(self._engine.tokenizer.encode(script.longest)) + _SPARE_TOKENS,
            temperature=self._temperature,
            seed=crc32(repr(prompt).encode()),
            grammar=script.grammar(),
        )
        return self._engine.generate(prompt, sampling, adapter)


def _line(text: str, limit: int, tokenizer: Tokenizer) -> str:
    """A text as one escaped line of at most `limit` tokens."""
    line = tokenizer.escape(" ".join(text[: 20 * limit].split()))
    while (count := len(tokenizer.encode(line))) > limit:
        line = line[: len(line) * limit // count]
    return line
