"""What clients send as a conversation, in all the shapes of OpenAI's formats. Owns what of it is read.

Only what the person said is: the texts of user messages. The slate and the reply need no instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator

from convrec.service.problems import Problem
from convrec.service.schemas import MAX_TEXT

# Each earlier message is understood anew when the ledger does not know the session.
_MAX_PRIOR = 20
_TEXTS = ("text", "input_text")
_INSTRUCTIONS = ("system", "developer")


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


@dataclass(frozen=True, slots=True)
class Said:
    """What the person said.

    Args:
        message: Last.
        prior: Before, oldest first.
        unread: Where in the request instructions stand, which nothing reads.
    """

    message: str
    prior: tuple[str, ...]
    unread: tuple[str, ...] = ()


def read(messages: Sequence[ChatMessage], param: str) -> Said:
    """What the person said.

    Args:
        param: The part of the request that the messages are.

    Raises:
        Problem: 400, there is no user message to answer, or one that is no text or too long.
    """
    said = [_text(message, param) for message in messages if message.role == "user"]
    if not said:
        raise _bad("there is no user message; send what the person said, be it empty", param)
    return Said(
        message=said[-1],
        prior=tuple(text for text in said[:-1] if text.strip())[-_MAX_PRIOR:],
        unread=tuple(f"{param}.{n}" for n, m in enumerate(messages) if m.role in _INSTRUCTIONS),
    )


def _text(message: ChatMessage, param: str) -> str:
    texts = [part.text for part in message.content if part.type in _TEXTS and part.text is not None]
    if len(texts) < len(message.content):
        raise _bad("a user message has a part that is no text; send text parts only", param)
    text = "\n".join(texts).replace("\0", "")  # databases store no NUL, and nobody means one
    if len(text) > MAX_TEXT:
        raise _bad(f"a user message is longer than {MAX_TEXT} characters; shorten it", param)
    return text


def _bad(message: str, param: str) -> Problem:
    return Problem(400, message, code="invalid_value", param=param)
