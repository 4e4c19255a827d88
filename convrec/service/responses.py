"""OpenAI's responses, the part that needs no memory. Owns what clients ask; the answer's shapes are response.py's.

Nothing is stored under a response's id: a conversation goes on with its messages in `input` or with
`convrec.session_id`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from convrec.dialogue.options import ReplyOptions
from convrec.service.generation import GenerationBody, MaxTokens
from convrec.service.messages import ChatMessage, Content, read
from convrec.service.models import MODEL
from convrec.service.problems import Problem
from convrec.service.reply import Reply
from convrec.service.response import Echo, Response, ResponseReply
from convrec.service.response_format import FlatResponseFormat, form_of
from convrec.service.schemas import MAX_MESSAGES, Whole
from convrec.service.slot import RecommenderDep, ServedDep
from convrec.service.stream import EventStream, while_connected
from convrec.service.tools import Tool, wanted_tool
from convrec.service.turn import turn

_REMEMBERED = ("previous_response_id", "conversation", "prompt", "background")


class InputItem(BaseModel):
    """A message, or an item of another kind, which is not read."""

    type: str | None = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: Content = []


def _as_items(given: object) -> object:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


Input = Annotated[
    list[InputItem],
    Field(min_length=1, max_length=MAX_MESSAGES),
    BeforeValidator(_as_items, json_schema_input_type=str | list[InputItem]),
]


class TextConfig(BaseModel):
    """How the text is formatted."""

    format: FlatResponseFormat | None = None


class ResponseBody(GenerationBody):
    """OpenAI's request; what has no effect here (instructions, reasoning ...) is listed in the answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": MODEL, "input": "Something light, please", "convrec": {"user_id": "ann", "k": 3}}
            ]
        }
    )
    idle: ClassVar[frozenset[str]] = frozenset({"instructions", "store", "tools"})

    input: Input
    instructions: Annotated[str, Whole] | None = Field(default=None, description="Not read.")
    max_output_tokens: MaxTokens | None = None
    text: TextConfig | None = None
    previous_response_id: str | None = Field(default=None, description="Refused: nothing is stored.")
    conversation: str | dict[str, Any] | None = Field(default=None, description="Refused: nothing is stored.")
    prompt: dict[str, Any] | None = Field(default=None, description="Refused: nothing is stored.")
    background: bool | None = Field(default=None, description="Refused where true.")

    def messages(self) -> list[ChatMessage]:
        """The messages of the input.

        Raises:
            Problem: 400, something that only a server with a memory of responses could know is asked for.
        """
        for name in _REMEMBERED:
            if getattr(self, name):
                raise _stateless(name)
        if any(item.type == "item_reference" for item in self.input):
            raise _stateless("input")
        messages = [item for item in self.input if item.role is not None and item.type in (None, "message")]
        return [ChatMessage.model_construct(role=item.role, content=item.content) for item in messages]

    def options(self, tool: Tool | None) -> ReplyOptions:
        """How the reply is to be written: as the arguments of a tool where one is to be called.

        Raises:
            Problem: 400, its schema cannot be filled.
        """
        return ReplyOptions(
            max_tokens=self.max_output_tokens,
            temperature=self.temperature,
            form=tool.form if tool else form_of(self.text.format if self.text else None, "text.format"),
        )

    def echo(self) -> Echo:
        """What the answer says of the request."""
        return Echo(
            model=self.model,
            instructions=self.instructions,
            max_output_tokens=self.max_output_tokens,
            metadata=self.metadata or {},
            temperature=self.temperature,
            safety_identifier=self.safety_identifier or None,
            user=self.user or None,
            text={"format": self.text.format if self.text and self.text.format else {"type": "text"}},
        )


router = APIRouter(prefix="/v1", tags=["OpenAI"])


@router.post(
    "/responses",
    summary="Respond",
    response_model=Response,
    responses={
        200: {
            "description": "The reply and its slate, whole or as server-sent events.",
            "content": {"text/event-stream": {}},
        }
    },
)
async def responses(body: ResponseBody, request: Request, served: ServedDep, recommender: RecommenderDep) -> Any:
    """Answer the last user message of the input.

    The slate is `output[0].convrec`; in a stream it is `item.convrec` of `response.output_item.added`, which is
    sent before any prose. Closing the connection cancels the turn. Nothing is stored: `previous_response_id`,
    `conversation`, `prompt` and `background` are refused.
    """
    tool = wanted_tool(body.tools, body.tool_choice)
    said, options = read(body.messages(), "input"), body.options(tool)
    events = turn(body.model, body.asked(said, options), recommender, served.slot)
    reply = Reply(events, recommender.catalogue, served.metrics, options.form, body.ignored(said))
    response = ResponseReply(reply, body.echo(), tool)
    if not body.stream:
        return await while_connected(request, response.whole())
    # Until the slate is there a failure still has a status of its own.
    slate = await while_connected(request, reply.slate())
    return EventStream(response.stream(slate), reply.events)


def _stateless(param: str) -> Problem:
    return Problem(
        400,
        f"{param}: no response is stored here; send the conversation in input, or go on with convrec.session_id",
        code="unsupported_value",
        param=param,
    )
