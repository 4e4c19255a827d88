"""A turn as OpenAI's chat completion, whole or in chunks. Owns the answer's shapes; composes nothing of the turn.

The slate travels in `convrec` of the message or of the first delta: OpenAI's clients keep such extra fields.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from convrec.dialogue.cut import Finish
from convrec.service.citations import Citation
from convrec.service.reply import Finished, Reply, TurnView
from convrec.service.requests import TurnDone
from convrec.service.stream import DONE, server_sent
from convrec.service.tools import Tool

FinishReason = Finish | Literal["tool_calls"]


class Usage(BaseModel):
    """Tokens of the message and of the reply."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Annotation(BaseModel):
    """OpenAI's annotation of a message."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: Citation


class Call(BaseModel):
    """A function and its arguments as JSON."""

    name: str
    arguments: str


class ToolCall(BaseModel):
    """The call that the client insisted on."""

    id: str
    type: Literal["function"] = "function"
    function: Call


class ToolCallDelta(ToolCall):
    """The whole call, in one chunk."""

    index: Literal[0] = 0


class AssistantMessage(BaseModel):
    """The reply with its slate; `refusal` instead of `content` where the slate cannot fill the client's schema."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    annotations: tuple[Annotation, ...] = ()
    convrec: TurnView


class Choice(BaseModel):
    """The one choice."""

    index: Literal[0] = 0
    message: AssistantMessage
    finish_reason: FinishReason = "stop"
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
    refusal: str | None = None
    tool_calls: tuple[ToolCallDelta, ...] | None = None
    annotations: tuple[Annotation, ...] | None = None
    convrec: TurnView | None = None

    @model_serializer(mode="wrap")
    def _only_what_is_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class ChunkChoice(BaseModel):
    """The one choice, in part."""

    index: Literal[0] = 0
    delta: Delta
    finish_reason: FinishReason | None = None
    logprobs: None = None


class ChatCompletionChunk(BaseModel):
    """One event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: Usage | None = None


class CompletionReply:
    """A reply in the shapes of chat completions; all of its chunks share an id.

    Args:
        reply: The turn.
        model: As the client named it.
        tool: What is called instead of saying something.
    """

    def __init__(self, reply: Reply, model: str, tool: Tool | None = None) -> None:
        self.reply = reply
        self._model = model
        self._tool = tool
        self._id, self._created = f"chatcmpl-{uuid4().hex}", int(time.time())
        self._left_out: set[str] | None = None

    async def whole(self) -> ChatCompletion:
        """The finished reply."""
        slate = await self.reply.slate()
        *_, end = [piece async for piece in self.reply.pieces(slate)]
        assert isinstance(end, Finished)
        tool = None if end.refused else self._tool
        message = AssistantMessage(
            content=None if end.refused or tool else end.text,
            refusal=end.text if end.refused else None,
            tool_calls=(ToolCall(**_call(tool, end.text)),) if tool else None,
            annotations=_annotations(end),
            convrec=slate,
        )
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=(Choice(message=message, finish_reason=self._finish_reason(end)),),
            usage=_usage(end.done),
        )

    async def stream(self, slate: TurnView, include_usage: bool) -> AsyncGenerator[bytes, None]:
        """The reply as server-sent events; an error has become one of them and the last."""
        self._left_out = None if include_usage else {"usage"}
        try:
            yield self._chunk(Delta(role="assistant", content="", convrec=slate))
            async with aclosing(self.reply.pieces(slate)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, str):
                        yield self._chunk(self._delta(piece))
                        continue
                    if piece.refused:
                        yield self._chunk(Delta(refusal=piece.text))
                    # At the end and at once: clients that add deltas up cannot add to a list.
                    yield self._chunk(Delta(annotations=_annotations(piece) or None), self._finish_reason(piece))
                    if include_usage:
                        yield self._send(usage=_usage(piece.done))
            yield DONE
        except Exception as error:  # the status line is out: only the stream can tell
            yield server_sent(self.reply.broken(error).envelope().model_dump())

    def _delta(self, piece: str) -> Delta:
        if self._tool is None:
            return Delta(content=piece)
        return Delta(tool_calls=(ToolCallDelta(**_call(self._tool, piece)),))

    def _finish_reason(self, end: Finished) -> FinishReason:
        """As OpenAI says it: the call of a function that was named is an end like any other."""
        called = self._tool is not None and not (self._tool.by_name or end.refused)
        return "tool_calls" if called and end.done.finish == "stop" else end.done.finish

    def _chunk(self, delta: Delta, finish_reason: FinishReason | None = None) -> bytes:
        return self._send(choices=(ChunkChoice(delta=delta, finish_reason=finish_reason),))

    def _send(self, choices: tuple[ChunkChoice, ...] = (), usage: Usage | None = None) -> bytes:
        chunk = ChatCompletionChunk(
            id=self._id, created=self._created, model=self._model, choices=choices, usage=usage
        )
        return server_sent(chunk.model_dump(mode="json", exclude=self._left_out))


def _call(tool: Tool, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{uuid4().hex}", "function": Call(name=tool.name, arguments=arguments)}


def _annotations(end: Finished) -> tuple[Annotation, ...]:
    return tuple(Annotation(url_citation=citation) for citation in end.citations)


def _usage(done: TurnDone) -> Usage:
    return Usage(
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        total_tokens=done.prompt_tokens + done.completion_tokens,
    )
