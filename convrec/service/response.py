"""A turn as OpenAI's response, whole or in events. Owns the answer's shapes; composes nothing of the turn.

The slate travels in `convrec` of the message, which is the only item of the output.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel

from convrec.service.citations import Citation
from convrec.service.reply import Finished, Reply, TurnView
from convrec.service.requests import TurnDone
from convrec.service.stream import server_sent
from convrec.service.tools import Tool

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Status = ItemStatus | Literal["failed"]


class ResponseCitation(Citation):
    """OpenAI's annotation of a text."""

    type: Literal["url_citation"] = "url_citation"


class OutputText(BaseModel):
    """The reply."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: tuple[ResponseCitation, ...] = ()
    logprobs: tuple[()] = ()


class OutputRefusal(BaseModel):
    """The reply where the slate cannot fill the client's schema."""

    type: Literal["refusal"] = "refusal"
    refusal: str


class OutputMessage(BaseModel):
    """The reply with its slate."""

    id: str
    type: Literal["message"] = "message"
    status: ItemStatus
    role: Literal["assistant"] = "assistant"
    content: tuple[OutputText | OutputRefusal, ...]
    convrec: TurnView


class FunctionCall(BaseModel):
    """The call that the client insisted on, with the slate that its arguments are from."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: ItemStatus
    call_id: str
    name: str
    arguments: str
    convrec: TurnView


Output = OutputMessage | FunctionCall


class InputDetails(BaseModel):
    """Nothing is billed less."""

    cached_tokens: Literal[0] = 0
    cache_write_tokens: Literal[0] = 0


class OutputDetails(BaseModel):
    """Nothing is thought unsaid."""

    reasoning_tokens: Literal[0] = 0


class ResponseUsage(BaseModel):
    """Tokens of the message and of the reply."""

    input_tokens: int
    input_tokens_details: InputDetails = InputDetails()
    output_tokens: int
    output_tokens_details: OutputDetails = OutputDetails()
    total_tokens: int


class ResponseError(BaseModel):
    """Why a stream broke off."""

    code: Literal["server_error"] = "server_error"
    message: str


class IncompleteDetails(BaseModel):
    """Why a reply was cut off."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class Echo(BaseModel):
    """What an answer says of its request."""

    model: str
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    temperature: float | None
    safety_identifier: str | None
    user: str | None
    text: dict[str, Any]


class Response(Echo):
    """OpenAI's answer."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    output: tuple[Output, ...] = ()
    parallel_tool_calls: Literal[False] = False
    previous_response_id: None = None
    store: Literal[False] = False
    tool_choice: Literal["none"] = "none"
    tools: tuple[()] = ()
    top_p: None = None
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None = None


class ResponseReply:
    """A reply in the shapes of responses.

    Args:
        reply: The turn.
        echo: What the answer says of the request.
        tool: What is called instead of saying something.
    """

    def __init__(self, reply: Reply, echo: Echo, tool: Tool | None = None) -> None:
        self.reply = reply
        self._echo = echo
        self._tool = tool
        self._id, self._message_id = f"resp_{uuid4().hex}", f"msg_{uuid4().hex}"
        self._created = int(time.time())
        self._events = 0

    async def whole(self) -> Response:
        """The finished reply."""
        slate = await self.reply.slate()
        *_, end = [piece async for piece in self.reply.pieces(slate)]
        assert isinstance(end, Finished)
        return self._finished(end, slate)

    async def stream(self, slate: TurnView) -> AsyncGenerator[bytes, None]:
        """The reply as server-sent events, numbered; an error has become `response.failed`, which is the last."""
        try:
            begun = self._response("in_progress")
            yield self._send("response.created", response=begun)
            yield self._send("response.in_progress", response=begun)
            if self._tool is None:  # else it is known at the end what the item is
                yield self._item("added", self._message("in_progress", (), slate))
            opened = False
            async with aclosing(self.reply.pieces(slate)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Finished):
                        for event in self._ending(piece, slate, opened):
                            yield event
                    elif self._tool is None:
                        if not opened:
                            yield self._part("response.content_part.added", part=OutputText(text=""))
                        opened = True
                        yield self._part("response.output_text.delta", delta=piece, logprobs=())
        except Exception as error:  # the status line is out: only the stream can tell
            problem = self.reply.broken(error)
            failed = self._response("failed", error=ResponseError(message=problem.detail))
            yield self._send("response.failed", response=failed)

    def _ending(self, end: Finished, slate: TurnView, opened: bool) -> Iterator[bytes]:
        """What comes after the text, or all of a call or a refusal."""
        response = self._finished(end, slate)
        (item,) = response.output
        if isinstance(item, FunctionCall):
            yield self._item("added", item.model_copy(update={"status": "in_progress", "arguments": ""}))
            where = {"item_id": item.id, "output_index": 0}
            yield self._send("response.function_call_arguments.delta", delta=item.arguments, **where)
            yield self._send(
                "response.function_call_arguments.done", name=item.name, arguments=item.arguments, **where
            )
        else:
            if self._tool is not None:
                yield self._item("added", self._message("in_progress", (), slate))
            (part,) = item.content
            yield from self._refusal(part) if isinstance(part, OutputRefusal) else self._text(part, opened)
            yield self._part("response.content_part.done", part=part)
        yield self._item("done", item)
        yield self._send(f"response.{response.status}", response=response)

    def _text(self, part: OutputText, opened: bool) -> Iterator[bytes]:
        if not opened:
            yield self._part("response.content_part.added", part=OutputText(text=""))
        for n, citation in enumerate(part.annotations):
            yield self._part("response.output_text.annotation.added", annotation_index=n, annotation=citation)
        yield self._part("response.output_text.done", text=part.text, logprobs=())

    def _refusal(self, part: OutputRefusal) -> Iterator[bytes]:
        yield self._part("response.content_part.added", part=OutputRefusal(refusal=""))
        yield self._part("response.refusal.delta", delta=part.refusal)
        yield self._part("response.refusal.done", refusal=part.refusal)

    def _finished(self, end: Finished, slate: TurnView) -> Response:
        cut = end.done.finish == "length"
        status: ItemStatus = "incomplete" if cut else "completed"
        item: Output = self._message(status, (_content(end),), slate)
        if self._tool is not None and not end.refused:
            item = FunctionCall(
                id=f"fc_{uuid4().hex}",
                status=status,
                call_id=f"call_{uuid4().hex}",
                name=self._tool.name,
                arguments=end.text,
                convrec=slate,
            )
        return self._response(
            status,
            incomplete_details=IncompleteDetails() if cut else None,
            output=(item,),
            usage=_usage(end.done),
        )

    def _message(
        self, status: ItemStatus, content: tuple[OutputText | OutputRefusal, ...], slate: TurnView
    ) -> OutputMessage:
        return OutputMessage(id=self._message_id, status=status, content=content, convrec=slate)

    def _item(self, what: str, item: Output) -> bytes:
        return self._send(f"response.output_item.{what}", output_index=0, item=item)

    def _response(self, status: Status, **fields: Any) -> Response:
        return Response(id=self._id, created_at=self._created, status=status, **dict(self._echo), **fields)

    def _part(self, kind: str, **fields: Any) -> bytes:
        return self._send(kind, item_id=self._message_id, output_index=0, content_index=0, **fields)

    def _send(self, kind: str, **fields: Any) -> bytes:
        shown = {
            n: f.model_dump(mode="json", by_alias=True) if isinstance(f, BaseModel) else f
            for n, f in fields.items()
        }
        event = server_sent({"type": kind, "sequence_number": self._events, **shown}, kind)
        self._events += 1
        return event


def _content(end: Finished) -> OutputText | OutputRefusal:
    if end.refused:
        return OutputRefusal(refusal=end.text)
    return OutputText(
        text=end.text, annotations=tuple(ResponseCitation(**dict(citation)) for citation in end.citations)
    )


def _usage(done: TurnDone) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=done.prompt_tokens,
        output_tokens=done.completion_tokens,
        total_tokens=done.prompt_tokens + done.completion_tokens,
    )
