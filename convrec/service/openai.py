"""OpenAI's routes: models and chat completions. Owns what clients ask; the answer's shapes are completion.py's.

What OpenAI's request has no place for (whose session, how many) travels in its `convrec` object; clients that
do not know it have a plain chat.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from convrec.service.completion import MODEL, ChatCompletion, Reply
from convrec.service.problems import Problem
from convrec.service.recommender import ChatRequest
from convrec.service.schemas import MAX_TEXT, Body, Id, Length
from convrec.service.slot import RecommenderDep, ServedDep
from convrec.service.stream import EventStream, while_connected

# Each earlier message is understood anew when the ledger does not know the session.
_MAX_PRIOR = 20


class ContentPart(BaseModel):
    """A part of a message."""

    type: str
    text: str | None = None


def _as_parts(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


Content = Annotated[
    list[ContentPart], BeforeValidator(_as_parts, json_schema_input_type=str | list[ContentPart] | None)
]


class ChatMessage(BaseModel):
    """One message; only those of the user are read."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content = []


class ConvrecOptions(Body):
    """What OpenAI's format has no place for."""

    user_id: Id | None = Field(default=None, description="Who asks; wins over `user` and `safety_identifier`.")
    session_id: Id | None = Field(
        default=None, description="The conversation to go on with; a new one when absent."
    )
    k: Length | None = Field(default=None, description="Length of the slate.")


class StreamOptions(BaseModel):
    """OpenAI's options of a stream."""

    include_usage: bool = False


class ChatCompletionBody(BaseModel):
    """OpenAI's request; other fields of it (temperature, max_tokens, tools ...) are accepted and ignored."""

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

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    n: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Id | Literal[""] | None = None
    safety_identifier: Id | Literal[""] | None = None
    convrec: ConvrecOptions = ConvrecOptions()

    def chat_request(self) -> ChatRequest:
        """The turn that is asked for.

        Raises:
            Problem: 400, there is no user message to answer.
        """
        said = [_text(message) for message in self.messages if message.role == "user"]
        if not said:
            raise _bad_message("there is no user message; send what the person said, be it empty")
        return ChatRequest(
            user_id=self.convrec.user_id or self.user or self.safety_identifier or f"anon-{uuid4().hex}",
            message=said[-1],
            session_id=self.convrec.session_id,
            prior=tuple(text for text in said[:-1] if text.strip())[-_MAX_PRIOR:],
            k=self.convrec.k,
        )


def _text(message: ChatMessage) -> str:
    texts = [part.text for part in message.content if part.type == "text" and part.text is not None]
    if len(texts) < len(message.content):
        raise _bad_message("a user message has a part that is no text; send text parts only")
    text = "\n".join(texts).replace("\0", "")  # databases store no NUL, and nobody means one
    if len(text) > MAX_TEXT:
        raise _bad_message(f"a user message is longer than {MAX_TEXT} characters; shorten it")
    return text


def _bad_message(message: str) -> Problem:
    return Problem(400, message, code="invalid_value", param="messages")


class ModelCard(BaseModel):
    """A model that clients may name; `root` is the language model behind it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": MODEL,
                    "object": "model",
                    "created": 1767225600,
                    "owned_by": "convrec",
                    "root": "SmolLM2-135M-Instruct",
                }
            ]
        }
    )

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "convrec"
    root: str


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: tuple[ModelCard, ...]


router = APIRouter(prefix="/v1", tags=["OpenAI"])


@router.get("/models", summary="List models")
async def models(served: ServedDep) -> ModelList:
    """The names that a chat completion may ask for."""
    return ModelList(data=(ModelCard(id=MODEL, created=int(served.info.started), root=served.info.model),))


@router.get("/models/{model_id:path}", summary="Look a model up")
async def model(model_id: str, served: ServedDep) -> ModelCard:
    """One model by its id."""
    _check_model(model_id)
    return ModelCard(id=MODEL, created=int(served.info.started), root=served.info.model)


@router.post(
    "/chat/completions",
    summary="Chat",
    response_model=ChatCompletion,
    responses={
        200: {
            "description": "The reply and its slate, whole or as server-sent events that end with `[DONE]`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
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
    _check_model(body.model)
    asked = body.chat_request()
    reply = Reply(recommender.chat(asked), recommender.catalogue, served.metrics)
    if not body.stream:
        return await while_connected(request, reply.whole())
    # Until the slate is there a failure still has a status of its own.
    slate = await while_connected(request, reply.slate())
    include_usage = body.stream_options is not None and body.stream_options.include_usage
    return EventStream(reply.stream(slate, include_usage), reply.events)


def _check_model(model_id: str) -> None:
    if model_id != MODEL:
        message = f"the model {model_id[:80]!r} does not exist; GET /v1/models lists those that do"
        raise Problem(404, message, code="model_not_found", param="model")
