"""Cut: a reply as far as its reader wants it, up to a stop string or a number of tokens. Writes no text."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from convrec.dialogue.options import ReplyOptions
from convrec.engine.base import Engine
from convrec.engine.text_stream import StopStrings

Finish = Literal["stop", "length"]


class Cut:
    """Follows one reply.

    Args:
        options: Where it ends.
        engine: Its tokenizer counts.

    Attributes:
        text: What came through so far.
        finish: Why it ended: "length" where tokens ran out.
    """

    def __init__(self, options: ReplyOptions, engine: Engine) -> None:
        self.text = ""
        self.finish: Finish = "stop"
        self._max_tokens = options.max_tokens
        self._stop = StopStrings(() if options.form else options.stop)
        self._engine = engine

    async def of(self, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """The pieces up to the end, which closes what they come from."""
        async with aclosing(pieces):
            async for piece in pieces:
                if shown := self._within(self._stop.push(piece)):
                    yield shown
                if self._stop.met or self.finish == "length":
                    return
            if shown := self._within(self._stop.rest()):
                yield shown

    def _within(self, piece: str) -> str:
        """As much of a piece as there are tokens for, which is then part of the text."""
        text = self.text + piece
        if self._max_tokens is not None:
            tokenizer = self._engine.tokenizer
            ids = tokenizer.encode(text)
            if len(ids) > self._max_tokens:
                self.finish = "length"
                # The first tokens may end in half a character, and what they say may be read as more of them.
                begun = (tokenizer.decode(ids[:kept]) for kept in range(self._max_tokens, -1, -1))
                text = next(
                    b for b in begun if text.startswith(b) and len(tokenizer.encode(b)) <= self._max_tokens
                )
        shown = text[len(self.text) :]
        self.text += shown
        return shown
