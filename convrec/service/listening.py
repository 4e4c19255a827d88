"""Owns hearing a message with a language model: asks what rules are unsure of, and goes on without where it must.

The model's part is one `Engine.score`. An engine that is down, full or slow is not waited for: rules and the judge
of kinds answer alone, as they do where no model was asked to.
"""

from __future__ import annotations

import asyncio
import logging

from convrec.dialogue.questions import Answers, QuestionPrompts, QuestionReader
from convrec.dialogue.tongues import ENGLISH, Tongues
from convrec.dialogue.understanding import Understanding
from convrec.engine.base import AdapterRef, Engine, cache_salt
from convrec.errors import ConvRecError, EngineError
from convrec.ranking.breaker import Breaker
from convrec.types import Intent, SessionState

_log = logging.getLogger(__name__)


class Ear:
    """A model that answers questions about messages.

    Args:
        engine: Started before the first question.
        prompts: The questions' texts.
        adapter: What was trained to answer them, loaded with the first question; None asks the base model.
        tongues: Tell the language of a message: an adapter has learned English only.
        patience_s: Answers that take longer are not waited for.
        breaker: Knows whether the engine is well.
    """

    def __init__(
        self,
        engine: Engine,
        prompts: QuestionPrompts,
        adapter: AdapterRef | None,
        tongues: Tongues,
        patience_s: float,
        breaker: Breaker | None = None,
    ) -> None:
        self._engine, self._adapter = engine, adapter
        self._reader = QuestionReader(engine, prompts, adapter.name if adapter else None)
        self._tongues, self._patience_s, self._breaker = tongues, patience_s, breaker
        self._ready = adapter is None
        self._deaf = False

    async def answers(
        self, understanding: Understanding, message: str, state: SessionState, user_id: str
    ) -> Answers | None:
        """The model's answers about a message; None where it gives none."""
        if self._deaf or (self._adapter is not None and self._tongues.detect(message) != ENGLISH):
            return None
        questions = await asyncio.to_thread(understanding.questions, message, state)

        async def ask() -> Answers:
            await self._load()
            return await self._reader.answer(questions, cache_salt(user_id))

        try:
            async with asyncio.timeout(self._patience_s):
                return await (self._breaker.call(ask) if self._breaker else ask())
        except (TimeoutError, EngineError):
            return None
        except ConvRecError as error:
            _log.warning("messages are understood without the language model: %s", error)
            self._deaf = True
            return None

    async def _load(self) -> None:
        if not self._ready and self._adapter is not None:
            await self._engine.load_adapter(self._adapter)
            self._ready = True


class Listener:
    """Turns messages into intents.

    Args:
        understanding: Rules, and what they make of a model's answers.
        ear: The model; None leaves all to the rules.
    """

    def __init__(self, understanding: Understanding, ear: Ear | None = None) -> None:
        self._understanding, self._ear = understanding, ear

    async def understand(self, message: str, state: SessionState, user_id: str = "") -> Intent:
        """A message as an intent.

        Args:
            message: Anything.
            state: What the conversation has established before it.
            user_id: Whose it is.
        """
        answers = None
        if self._ear is not None and message.strip():
            answers = await self._ear.answers(self._understanding, message, state, user_id)
        return await asyncio.to_thread(self._understanding.understand, message, state, answers)

    def by_rule(self, message: str, state: SessionState) -> Intent:
        """The same without the model, for messages that somebody else has kept."""
        return self._understanding.understand(message, state)
