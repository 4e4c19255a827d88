"""A turn as OpenAI's chat completion, whole or in chunks. Owns the answer's shapes; composes nothing of the turn.

The slate travels in `convrec` of the message or of the first delta: OpenAI's clients keep such extra fields.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any, Literal
from uuid import uuid4

import structlog
from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from convrec.data.catalogue import Catalogue
from convrec.service.metrics import Metrics
from convrec.service.problems import problem_of, traceback_of
from convrec.service.recommender import ChatEvent, ReplyDelta, SlateReady, TurnDone
from convrec.service.stream import DONE, server_sent
from convrec.service.views import SlateView, slate_view

MODEL = "convrec"

_log = structlog.get_logger(__name__)


class Usage(BaseModel):
    """Tokens of the message and of the reply."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AssistantMessage(BaseModel):
    """The reply with its slate."""

    role: Literal["assistant"] = "assistant"
    content: str
    convrec: SlateView


class Choice(BaseModel):
    """The one choice."""

    index: Literal[0] = 0
    message: AssistantMessage
    finish_reason: Literal["stop"] = "stop"
    logprobs: None = None


class ChatCompletion(BaseModel):
    """OpenAI's answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: tuple[Choice, ...]
    usage: Usage


class Delta(BaseModel):
    """What a chunk adds to the message; what it does not add is left out."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    convrec: SlateView | None = None

    @model_serializer(mode="wrap")
    def _only_what_is_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class ChunkChoice(BaseModel):
    """The one choice, in part."""

    index: Literal[0] = 0
    delta: Delta
    finish_reason: Literal["stop"] | None = None
    logprobs: None = None


class ChatCompletionChunk(BaseModel):
    """One event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: Usage | None = None


class Reply:
    """One turn in OpenAI's words, whole or in chunks that share an id."""

    def __init__(self, events: AsyncGenerator[ChatEvent, None], catalogue: Catalogue, metrics: Metrics) -> None:
        self.events = events
        self._catalogue = catalogue
        self._metrics = metrics
        self._id, self._created = f"chatcmpl-{uuid4().hex}", int(time.time())

    async def slate(self) -> SlateView:
        """The slate, which is the first event of every turn."""
        ready = await anext(self.events)
        assert isinstance(ready, SlateReady)
        self._metrics.event(ready)
        return slate_view(ready, self._catalogue)

    async def whole(self) -> ChatCompletion:
        """The finished reply."""
        slate, text, usage = await self.slate(), "", _usage(TurnDone(0, 0, 0.0))
        async for event in self.events:
            self._metrics.event(event)
            match event:
                case ReplyDelta():
                    text += event.text
                case TurnDone():
                    usage = _usage(event)
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=MODEL,
            choices=(Choice(message=AssistantMessage(content=text, convrec=slate)),),
            usage=usage,
        )

    async def stream(self, slate: SlateView, include_usage: bool) -> AsyncGenerator[bytes, None]:
        """The reply as server-sent events; an error has become one of them and the last."""
        try:
            yield self._chunk(Delta(role="assistant", content="", convrec=slate))
            async for event in self.events:
                self._metrics.event(event)
                match event:
                    case ReplyDelta():
                        yield self._chunk(Delta(content=event.text))
                    case TurnDone():
                        yield self._chunk(Delta(), "stop")
                        if include_usage:
                            yield self._send(usage=_usage(event))
            yield DONE
        except Exception as error:  # the status line is out: only the stream can tell
            problem = problem_of(error)
            _log.error("stream broke off", status=problem.status_code, traceback=traceback_of(error))
            self._metrics.error(problem.status_code)
            yield server_sent(problem.envelope().model_dump())

    def _chunk(self, delta: Delta, finish_reason: Literal["stop"] | None = None) -> bytes:
        return self._send(choices=(ChunkChoice(delta=delta, finish_reason=finish_reason),))

    def _send(self, choices: tuple[ChunkChoice, ...] = (), usage: Usage | None = None) -> bytes:
        chunk = ChatCompletionChunk(id=self._id, created=self._created, model=MODEL, choices=choices, usage=usage)
        return server_sent(chunk.model_dump(mode="json"))


def _usage(done: TurnDone) -> Usage:
    return Usage(
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        total_tokens=done.prompt_tokens + done.completion_tokens,
    )
