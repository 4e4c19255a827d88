"""What OpenAI's two ways of asking for text have in common: who asks, how it is written, what has no effect.

Owns these fields and their limits; the messages and the answers are the routes' own.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from convrec.dialogue.options import ReplyOptions
from convrec.service.messages import Said
from convrec.service.requests import ChatRequest
from convrec.service.schemas import Body, Id, Length, Whole
from convrec.service.tools import ToolChoice

_LISTED = 50
_LISTED_CHARS = 80

Metadata = Annotated[
    dict[
        Annotated[str, Whole, Field(max_length=64)],
        Annotated[str, Whole, Field(max_length=512)],
    ],
    Field(max_length=16),
]
MaxTokens = Annotated[int, Field(ge=1, le=1_000_000)]


class ConvrecOptions(Body):
    """What OpenAI's format has no place for."""

    user_id: Id | None = Field(default=None, description="Who asks; wins over `user` and `safety_identifier`.")
    session_id: Id | None = Field(
        default=None, description="The conversation to go on with; a new one when absent."
    )
    k: Length | None = Field(default=None, description="Length of the slate.")
    contest: Id | None = Field(
        default=None,
        description="Sent with two requests that name different models: their slates are compared, and `prefer` "
        "or `tie` says which was better. They count for no other figure.",
    )


class GenerationBody(BaseModel):
    """The common fields. Fields that are not here are accepted, have no effect and are listed in the answer."""

    model_config = ConfigDict(extra="allow")

    idle: ClassVar[frozenset[str]] = frozenset({"metadata", "store", "tools"})
    """Fields that are checked and have no effect; tools have one where a call is insisted on."""

    model: str
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    metadata: Metadata | None = None
    store: bool | None = Field(
        default=None, description="Nothing is stored for later retrieval, whatever it says."
    )
    user: Id | Literal[""] | None = None
    safety_identifier: Id | Literal[""] | None = None
    tools: list[dict[str, Any]] | None = Field(
        default=None, description="Called only where `tool_choice` insists."
    )
    tool_choice: ToolChoice | None = Field(
        default=None, description="`required` or a function's name: it is called, with arguments from the slate."
    )
    convrec: ConvrecOptions = ConvrecOptions()

    def asked(self, said: Said, options: ReplyOptions) -> ChatRequest:
        """The turn that is asked for."""
        return ChatRequest(
            user_id=self.convrec.user_id or self.user or self.safety_identifier or f"anon-{uuid4().hex}",
            message=said.message,
            session_id=self.convrec.session_id,
            prior=said.prior,
            k=self.convrec.k,
            options=options,
        )

    def ignored(self, said: Said) -> tuple[str, ...]:
        """What was sent and has no effect, by name."""
        insists = self.tool_choice not in (None, "auto", "none")
        idle = [name for name in sorted(self.idle) if getattr(self, name) and not (name == "tools" and insists)]
        unknown = [name for name, value in (self.model_extra or {}).items() if value is not None]
        return tuple(_shown(name) for name in [*idle, *unknown, *said.unread][:_LISTED])


def _shown(name: str) -> str:
    """A name that any encoding takes."""
    return name[:_LISTED_CHARS].encode("ascii", "backslashreplace").decode()
