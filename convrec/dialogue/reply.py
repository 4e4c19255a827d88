"""Owns the prose of a turn: the model picks the sentences, the script decides what can be said at all.

The engine generates under the script's grammar; what it streams is held against the script again, and whatever is
missing when it fails, stops early or takes too long is completed by the script's own sentences. A reply in a form
is generated under the filled form's grammar and said when it is whole; its default stands in for one that is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Literal
from zlib import crc32

from convrec.data.catalogue import Catalogue
from convrec.dialogue.checker import mentioned
from convrec.dialogue.evidence import why
from convrec.dialogue.form import FilledForm, Sayable
from convrec.dialogue.lines import one_line
from convrec.dialogue.options import PLAIN, ReplyOptions
from convrec.dialogue.placement import Placement
from convrec.dialogue.prose import Prose
from convrec.dialogue.script import Script
from convrec.dialogue.sentences import TOLD, Sentences
from convrec.dialogue.titles import mentions_outside
from convrec.dialogue.tongues import ENGLISH, Tongues
from convrec.engine.base import Engine, OpenPrompt, Sampling
from convrec.errors import EngineError, NotFoundError
from convrec.prompting import Prompts
from convrec.types import Intent, IntentKind, Recommendation, SessionState, Slate

__all__ = ["ReplyWriter", "mentions_outside"]

Mode = Literal["grammar", "free"]

_QUERY_TOKENS = 32
_ITEM_TOKENS = 48
_SPARE_TOKENS = 16
_FORM_CHARS = 20_000
"""A longer grammar takes an engine longer to compile and to follow than anybody waits."""
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
        tongues: The languages other than English; it answers in that of the message where it is one of them.
        mode: Whether the engine picks among the script's sentences or writes its own, which are checked.

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
        tongues: Tongues | None = None,
        mode: Mode = "grammar",
    ) -> None:
        self._engine = engine
        self._prompt = prompts.load("reply")
        self._catalogue = catalogue
        self._timeout_s = timeout_s
        self._temperature = temperature
        self.tongues = tongues
        self._prose = Prose(engine, prompts, catalogue, timeout_s, temperature) if mode == "free" else None
        self._sentences = Sentences(catalogue, tongues)

    async def write(
        self,
        intent: Intent,
        state: SessionState,
        slate: Slate,
        opened: Callable[[], OpenPrompt],
        options: ReplyOptions = PLAIN,
        about: Placement | None = None,
        message: str = "",
    ) -> AsyncGenerator[str, None]:
        """Stream the reply to a turn in pieces; never empty, never an engine's error, only titles of the slate.

        Args:
            intent: The message as it was understood.
            state: The conversation, this message included.
            slate: What is shown; empty when nothing qualified.
            opened: What the engine has read of the person and the message; called where it is to be asked.
            options: A form that the slate cannot fill is answered by one of the script's texts.
            about: Where the item stands whose reasons were asked for.
            message: What the person said; it tells their language.
        """
        language = self.tongues.detect(message) if self.tongues else ENGLISH
        script = self._sentences.script(intent, state, slate, about, language)
        if options.form is not None:
            filled = await asyncio.to_thread(options.form.fill, self._sayable(script, slate))
            yield await self._fill(filled, intent, state, slate, opened, options) if filled else script.default
            return
        text = ""
        if not (slate.degraded or intent.kind in _UNWRITTEN or not slate.recommendations):
            # Where an item stands that was asked about is the script's to say: it may not be left out.
            if self._prose is not None and about is None:
                spoken = self.tongues[language] if self.tongues else None
                written = self._prose.write(intent, state, slate, opened, options, spoken)
            else:
                written = self._generate(script, intent, state, slate, opened, options)
            async with aclosing(written) as pieces:
                async for piece in pieces:
                    text += piece
                    yield piece
        rest = script.complete(text)
        if rest is None and not any(mentioned(text, r.item.title) for r in slate.recommendations):
            rest = f" {script.default}"  # nothing of what was written freely, and true, named an item
        if rest:
            yield rest

    @property
    def task(self) -> str:
        """The template by which replies are written, which `options.prompt` may name another version of."""
        return "reply" if self._prose is None else "write"

    def prompt(
        self,
        intent: Intent,
        state: SessionState,
        slate: Slate,
        opened: OpenPrompt,
        options: ReplyOptions = PLAIN,
    ) -> list[int]:
        """The prompt's token ids, which go on from `opened`; texts of the catalogue are escaped and cut."""
        tokenizer = self._engine.tokenizer
        text = options.prompt_or(self._prompt).render(
            "segment",
            domain=self._catalogue.domain,
            items=[
                one_line(self._catalogue.describe(r.item), _ITEM_TOKENS, tokenizer)
                for r in slate.recommendations[:TOLD]
            ],
            count=len(slate.recommendations),
            # What this very message asks for has been read.
            query="" if state.query == intent.query else one_line(state.query, _QUERY_TOKENS, tokenizer),
        )
        return [*opened.before, *tokenizer.encode(text + opened.after)]

    async def _fill(
        self,
        form: FilledForm,
        intent: Intent,
        state: SessionState,
        slate: Slate,
        opened: Callable[[], OpenPrompt],
        options: ReplyOptions,
    ) -> str:
        """A form, what it leaves open chosen by the engine where it can."""
        text = ""
        if not (form.is_fixed or slate.degraded or len(form.rule) > _FORM_CHARS):
            async with aclosing(self._generate(form, intent, state, slate, opened, options)) as pieces:
                text = "".join([piece async for piece in pieces])
        return text if form.accepts(text) else form.default

    def _sayable(self, script: Script, slate: Slate) -> Sayable:
        """What a form may say: the script's texts, and of an item its evidence and the script's sentences."""

        titles = [recommendation.item.title for recommendation in slate.recommendations]

        def reasons(recommendation: Recommendation) -> list[str]:
            told = why(recommendation.evidence, self._catalogue.domain, self._catalogue)
            title = recommendation.item.title
            own = [text for slot in script.slots for text in slot if title in text]
            sentences = [text for text in own if sum(other in text for other in titles) == 1]
            return [told, *sentences] if told else [*sentences, title]

        return Sayable(slate.recommendations, script.texts, reasons)

    async def _generate(
        self,
        script: Script | FilledForm,
        intent: Intent,
        state: SessionState,
        slate: Slate,
        opened: Callable[[], OpenPrompt],
        options: ReplyOptions,
    ) -> AsyncGenerator[str, None]:
        """The engine's pieces for as long as it answers in time and what it says is in the script."""
        if isinstance(script, Script) and script.is_fixed:
            return
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        stream: AsyncIterator[str] | None = None
        text = ""
        try:
            read = opened()
            prompt = self.prompt(intent, state, slate, read, options)
            stream = self._start(script, prompt, slate.adapter, read.salt, options)
            while True:
                # Around each step and not around the loop: what the reader does between pieces is not cancelled.
                async with asyncio.timeout_at(deadline):
                    piece = await anext(stream)
                if isinstance(script, Script) and script.complete(text + piece) is None:
                    return
                text += piece
                yield piece
        except (EngineError, NotFoundError, TimeoutError, StopAsyncIteration):
            return
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def _start(
        self,
        script: Script | FilledForm,
        prompt: list[int],
        adapter: str | None,
        salt: str | None,
        options: ReplyOptions,
    ) -> AsyncIterator[str]:
        """With the adapter and the salt that scored, because the engine keeps what it has read by them."""
        sampling = Sampling(
            max_tokens=len(self._engine.tokenizer.encode(script.longest)) + _SPARE_TOKENS,
            temperature=self._temperature if options.temperature is None else options.temperature,
            seed=crc32(repr(prompt).encode()) if options.seed is None else options.seed,
            grammar=script.grammar(),
        )
        return self._engine.generate(prompt, sampling, adapter, salt)
