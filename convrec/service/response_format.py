"""How OpenAI's clients ask for JSON: `response_format` of a chat, `text.format` of a response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field

from convrec.dialogue.form import PLAIN_FORM, Form
from convrec.errors import DataError
from convrec.service.problems import Problem
from convrec.service.schemas import Whole


class TextFormat(BaseModel):
    """Prose."""

    type: Literal["text"]


class JsonObjectFormat(BaseModel):
    """JSON with `reply` and `recommendations` of `item_id`, `title` and `why`."""

    type: Literal["json_object"]


class JsonSchema(BaseModel):
    """A schema of the client's."""

    name: Annotated[str, Whole, Field(max_length=64)] = "reply"
    schema_: dict[str, Any] = Field(
        alias="schema", description="JSON schema as OpenAI's structured outputs take it."
    )
    strict: bool | None = None


class JsonSchemaFormat(BaseModel):
    """JSON in the client's schema, as chat completions ask for it."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class FlatJsonSchemaFormat(JsonSchema):
    """JSON in the client's schema, as responses ask for it."""

    type: Literal["json_schema"]


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Discriminator("type")]
FlatResponseFormat = Annotated[TextFormat | JsonObjectFormat | FlatJsonSchemaFormat, Discriminator("type")]


def form_of(wanted: ResponseFormat | FlatResponseFormat | None, param: str) -> Form | None:
    """The form of a reply; None for prose.

    Args:
        param: The part of the request that asks.

    Raises:
        Problem: 400, the schema cannot be filled from a slate.
    """
    match wanted:
        case JsonObjectFormat():
            return PLAIN_FORM
        case JsonSchemaFormat():
            schema = wanted.json_schema.schema_
        case FlatJsonSchemaFormat():
            schema = wanted.schema_
        case _:
            return None
    return filled_by(schema, param)


def filled_by(schema: Mapping[str, Any], param: str) -> Form:
    """The form of a client's schema.

    Raises:
        Problem: 400, it cannot be filled from a slate.
    """
    try:
        return Form(schema)
    except DataError as error:
        raise Problem(400, f"the schema cannot be used: {error}", code="invalid_schema", param=param) from error
