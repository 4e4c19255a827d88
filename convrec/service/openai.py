"""OpenAI's chat completions. Owns what clients ask; the answer's shapes are completion.py's.

What OpenAI's request has no place for (whose session, how many) travels in its `convrec` object; clients that
do not know it have a plain chat.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from convrec.dialogue.options import ReplyOptions
from convrec.service import embeddings, models, responses
from convrec.service.completion import ChatCompletion, CompletionReply
from convrec.service.generation import GenerationBody, MaxTokens
from convrec.service.messages import ChatMessage, read
from convrec.service.models import MODEL
from convrec.service.reply import Reply
from convrec.service.response_format import ResponseFormat, form_of
from convrec.service.schemas import MAX_MESSAGES
from convrec.service.slot import RecommenderDep, ServedDep
from convrec.service.stream import EventStream, while_connected
from convrec.service.tools import Tool, wanted_tool
from convrec.service.turn import turn


def _as_list(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


Stop = Annotated[
    list[Annotated[str, StringConstraints(max_length=256)]],
    Field(max_length=4),
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
]


class StreamOptions(BaseModel):
    """OpenAI's options of a stream."""

    include_usage: bool | None = None


class ChatCompletionBody(GenerationBody):
    """OpenAI's request; what has no effect here (top_p, logprobs ...) is listed in `convrec.ignored`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": MODEL,
                    "messages": [{"role": "user", "content": "Something light, please"}],
                    "stream": False,
                    "convrec": {"user_id": "ann", "k": 3},
                }
            ]
        }
    )

    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    n: Literal[1] | None = Field(default=None, description="One turn has one reply: its slate is shown once.")
    stream_options: StreamOptions | None = None
    max_tokens: MaxTokens | None = None
    max_completion_tokens: MaxTokens | None = Field(default=None, description="Wins over `max_tokens`.")
    stop: Stop | None = Field(default=None, description="Up to four strings; JSON is not cut.")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    response_format: ResponseFormat | None = None

    def options(self, tool: Tool | None) -> ReplyOptions:
        """How the reply is to be written: as the arguments of a tool where one is to be called.

        Raises:
            Problem: 400, its schema cannot be filled.
        """
        return ReplyOptions(
            max_tokens=self.max_completion_tokens or self.max_tokens,
            stop=tuple(self.stop or ()),
            temperature=self.temperature,
            seed=self.seed,
            form=tool.form if tool else form_of(self.response_format, "response_format"),
        )


chat = APIRouter(prefix="/v1", tags=["OpenAI"])


@chat.post(
    "/chat/completions",
    summary="Chat",
    response_model=ChatCompletion,
    responses={
        200: {
            "description": "The reply and its slate, whole or as server-sent events that end with `[DONE]`.",
            "content": {"text/event-stream": {}},
        }
    },
)
async def chat_completions(
    body: ChatCompletionBody, request: Request, served: ServedDep, recommender: RecommenderDep
) -> Any:
    """Answer the last user message.

    The slate is `choices[0].message.convrec`; in a stream it is `choices[0].delta.convrec` of the first chunk,
    which is sent as soon as the slate is known, before any prose. Closing the connection cancels the turn.
    System and assistant messages are not read: earlier user messages count when `convrec.session_id` names no
    session that the ledger knows.
    """
    tool = wanted_tool(body.tools, body.tool_choice)
    said, options = read(body.messages, "messages"), body.options(tool)
    asked = body.asked(said, options)
    events = turn(body.model, asked, recommender, served.slot, body.convrec.contest)
    reply = Reply(events, recommender.catalogue, served.metrics, options.form, body.ignored(said))
    completion = CompletionReply(reply, body.model, tool)
    if not body.stream:
        return await while_connected(request, completion.whole())
    # Until the slate is there a failure still has a status of its own.
    slate = await while_connected(request, reply.slate())
    include_usage = body.stream_options is not None and bool(body.stream_options.include_usage)
    return EventStream(completion.stream(slate, include_usage), reply.events)


router = APIRouter()
for routes in (chat, models.router, responses.router, embeddings.router):
    router.include_router(routes)
