"""Owns the prose of a turn: the model picks the sentences, the script decides what can be said at all.

The engine generates under the script's grammar; what it streams is held against the script again, and whatever is
missing when it fails, stops early or takes too long is completed by the script's own sentences.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from zlib import crc32

from convrec.data.catalogue import Catalogue
from convrec.dialogue.script import Script
from convrec.dialogue.sentences import TOLD, Sentences
from convrec.dialogue.titles import mentions_outside
from convrec.engine.base import Engine, Message, Sampling, Tokenizer
from convrec.errors import EngineError
from convrec.prompting import Prompts
from convrec.types import Intent, IntentKind, SessionState, Slate

__all__ = ["ReplyWriter", "mentions_outside"]

_MESSAGE_TOKENS = 96
_QUERY_TOKENS = 32
_ITEM_TOKENS = 48
_SPARE_TOKENS = 16
_UNWRITTEN = (IntentKind.SMALL_TALK, IntentKind.OUT_OF_SCOPE)
"""Too short to be worth the engine's time."""


class ReplyWriter:
    """Writes about slates.

    Args:
        engine: Chooses the sentences.
        prompts: Holds the template `reply` with blocks `system` and `user`.
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
        self, message: str, intent: Intent, state: SessionState, slate: Slate
    ) -> AsyncGenerator[str, None]:
        """Stream the reply to a turn in pieces; never empty, never an engine's error, only titles of the slate.

        Args:
            message: What the person said.
            intent: As it was understood.
            state: The conversation, this message included.
            slate: What is shown; empty when nothing qualified.
        """
        script = self._sentences.script(intent, state, slate)
        text = ""
        if not (script.is_fixed or slate.degraded or intent.kind in _UNWRITTEN):
            async with aclosing(self._generate(script, message, state, slate)) as pieces:
                async for piece in pieces:
                    text += piece
                    yield piece
        if rest := script.complete(text):
            yield rest

    def prompt(self, message: str, state: SessionState, slate: Slate) -> str:
        """The rendered chat prompt; texts of people and of the catalogue are escaped and cut to size."""
        tokenizer = self._engine.tokenizer
        domain = self._catalogue.domain
        items = [
            _line(self._catalogue.describe(r.item), _ITEM_TOKENS, tokenizer) for r in slate.recommendations[:TOLD]
        ]
        user = self._prompt.render(
            "user",
            domain=domain,
            items=items,
            count=len(slate.recommendations),
            message=_line(message, _MESSAGE_TOKENS, tokenizer),
            query=_line(state.query, _QUERY_TOKENS, tokenizer),
        )
        return tokenizer.chat(
            [Message("system", self._prompt.render("system", domain=domain)), Message("user", user)]
        )

    async def _generate(
        self, script: Script, message: str, state: SessionState, slate: Slate
    ) -> AsyncGenerator[str, None]:
        """The engine's pieces for as long as it answers in time and what it says is in the script."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        stream: AsyncIterator[str] | None = None
        text = ""
        try:
            stream = self._start(script, self.prompt(message, state, slate))
            while True:
                # Around each step and not around the loop: what the reader does between pieces is not cancelled.
                async with asyncio.timeout_at(deadline):
                    piece = await anext(stream)
                if script.complete(text + piece) is None:
                    return
                text += piece
                yield piece
        except (EngineError, TimeoutError, StopAsyncIteration):
            return
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _start(self, script: Script, prompt: str) -> AsyncIterator[str]:
        encode = self._engine.tokenizer.encode
        sampling = Sampling(
            max_tokens=len(encode(script.longest)) + _SPARE_TOKENS,
            temperature=self._temperature,
            seed=crc32(prompt.encode("utf-8", "replace")),
            grammar=script.grammar(),
        )
        return self._engine.generate(encode(prompt), sampling)


def _line(text: str, limit: int, tokenizer: Tokenizer) -> str:
    """A text as one escaped line of at most `limit` tokens."""
    line = tokenizer.escape(" ".join(text[: 20 * limit].split()))
    while (count := len(tokenizer.encode(line))) > limit:
        line = line[: len(line) * limit // count]
    return line
