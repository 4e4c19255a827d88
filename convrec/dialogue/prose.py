"""Owns replies that a model writes freely: what it is told, and of its text what the checker lets pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from zlib import crc32

from convrec.data.catalogue import Catalogue
from convrec.dialogue.checker import Checker, sentences
from convrec.dialogue.lines import one_line
from convrec.dialogue.options import ReplyOptions
from convrec.dialogue.sentences import TOLD
from convrec.dialogue.tongues import Language
from convrec.engine.base import Engine, OpenPrompt, Sampling
from convrec.errors import EngineError, NotFoundError
from convrec.prompting import Prompts
from convrec.types import EvidenceKind, Intent, Recommendation, SessionState, Slate

_QUERY_TOKENS = 32
_ITEM_TOKENS = 48
_TOKENS = 160
_MOST = 6
"""Sentences of a reply."""
_ENDS = (".", "!", "?", ".”", "!”", "。", "！", "？")


class Prose:
    """Writes replies freely.

    Args:
        engine: Writes.
        prompts: Holds the template `write` with the block `segment`.
        catalogue: What is true.
        timeout_s: Seconds for the engine.
        temperature: Where a client wishes no other.

    Raises:
        PromptError: There is no such template.
    """

    def __init__(
        self, engine: Engine, prompts: Prompts, catalogue: Catalogue, timeout_s: float, temperature: float
    ) -> None:
        self._engine = engine
        self._prompt = prompts.load("write")
        self._catalogue = catalogue
        self._checker = Checker(catalogue)
        self._timeout_s = timeout_s
        self._temperature = temperature

    async def write(
        self,
        intent: Intent,
        state: SessionState,
        slate: Slate,
        opened: Callable[[], OpenPrompt],
        options: ReplyOptions,
        language: Language | None,
    ) -> AsyncGenerator[str, None]:
        """What the engine writes by itself, as far as it is true and comes in time; it may be nothing.

        Args:
            intent, state, slate, opened, options: As for ReplyWriter.write.
            language: To write in; None is English.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        kept: AsyncGenerator[str, None] | None = None
        try:
            read = opened()
            prompt = self.prompt(intent, state, slate, read, options, language)
            sampling = Sampling(
                max_tokens=_TOKENS,
                temperature=self._temperature if options.temperature is None else options.temperature,
                seed=crc32(repr(prompt).encode()) if options.seed is None else options.seed,
                stop=("\n\n",),
            )
            pieces = self._engine.generate(prompt, sampling, slate.adapter, read.salt)
            kept = self.checked(pieces, slate, state, language)
            while True:
                # Around each step and not around the loop, as in ReplyWriter.
                async with asyncio.timeout_at(deadline):
                    sentence = await anext(kept)
                yield sentence
        except (EngineError, NotFoundError, TimeoutError, StopAsyncIteration):
            return
        finally:
            if kept is not None:
                await kept.aclose()

    def prompt(
        self,
        intent: Intent,
        state: SessionState,
        slate: Slate,
        opened: OpenPrompt,
        options: ReplyOptions,
        language: Language | None,
    ) -> list[int]:
        """The prompt's token ids, which go on from `opened`; texts of the catalogue are escaped and cut."""
        tokenizer = self._engine.tokenizer
        text = options.prompt_or(self._prompt).render(
            "segment",
            domain=self._catalogue.domain,
            items=[
                (one_line(self._catalogue.describe(r.item), _ITEM_TOKENS, tokenizer), self._reason(r))
                for r in slate.recommendations[:TOLD]
            ],
            count=len(slate.recommendations),
            query="" if state.query == intent.query else one_line(state.query, _QUERY_TOKENS, tokenizer),
            language=language.name if language else "English",
        )
        return [*opened.before, *tokenizer.encode(text + opened.after)]

    async def checked(
        self, pieces: AsyncIterator[str], slate: Slate, state: SessionState, language: Language | None
    ) -> AsyncGenerator[str, None]:
        """The true sentences of a stream, each as soon as it is whole; one that is cut off at the end is dropped.

        Args:
            pieces: As the model streams them.
            language: That they are written in; None is English.
        """
        titles = [r.item.title for r in slate.recommendations]
        claims = language.claims if language else None
        about: frozenset[str] = frozenset()
        said = 0
        async with aclosing(_whole(pieces, titles)) as told:
            async for sentence in told:
                checked = self._checker.check(sentence, slate, state, about, claims)
                about = checked.about or about
                if checked.text:
                    yield f" {checked.text}" if said else checked.text
                    said += 1
                if said == _MOST:
                    return

    def _reason(self, recommendation: Recommendation) -> str:
        """The strongest evidence in a few words that name no other item."""
        plural = self._catalogue.domain.plural
        for fact in recommendation.evidence:
            if fact.kind is EvidenceKind.HISTORY:
                return f"close to {plural} they {'liked' if fact.value == 'liked' else 'know'}"
            if fact.kind is EvidenceKind.ATTRIBUTE and fact.value and fact.title is None:
                return f"{self._engine.tokenizer.escape(fact.value)}, as asked"
        return ""


async def _whole(pieces: AsyncIterator[str], titles: Sequence[str]) -> AsyncGenerator[str, None]:
    """The whole sentences of a stream, which is closed with this."""
    text, told = "", 0
    try:
        async for piece in pieces:
            text += piece
            whole = [part for part, is_whole in sentences(text, titles) if is_whole]
            for sentence in whole[told:]:
                yield sentence
            told = len(whole)
        if text.rstrip().endswith(_ENDS):
            for sentence, _ in list(sentences(text, titles))[told:]:
                yield sentence
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
