"""Owns which JSON schemas a reply can be written to, and how one is read: references, types. Fills none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from convrec.errors import DataError

Schema = Mapping[str, Any]

_ID = re.compile(r"(.*_)?id|.*[a-z]Id")
_VALUES = 2_000
_NODES = 1_000
_DEPTH = 20
# Without `pattern`: matching a stranger's regular expression may take forever.
_SUPPORTED = frozenset(
    "type properties required additionalProperties items enum const anyOf oneOf allOf $ref $defs definitions "
    "title description default examples $schema minItems maxItems uniqueItems minLength maxLength minimum maximum "
    "exclusiveMinimum exclusiveMaximum multipleOf format nullable deprecated readOnly writeOnly".split()
)


def check_schema(schema: Schema) -> None:
    """Refuse what is no schema or what no slate can fill.

    Raises:
        DataError: The message says what to change.
    """
    if _values(schema) > _VALUES:  # before anybody compares each of them with every other
        raise DataError(f"it has more than {_VALUES} values; make it smaller")
    try:
        json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise DataError(f"it is no JSON schema: {error.message[:200]}") from error
    except RecursionError as error:
        raise DataError("it is nested too deeply; make it flatter") from error
    except ValueError as error:
        raise DataError(f"it is no JSON that can be sent: {error}") from error
    for count, _ in enumerate(_walk(schema, schema, 0)):
        if count > _NODES:
            raise DataError(f"it has more than {_NODES} parts; make it smaller")
    if types(schema, schema) != {"object"}:
        raise DataError("its root must be an object; put a list into a property of one")


def names_item(key: str) -> bool:
    """Whether a property is an item's id: item_id, id, film_id, itemId."""
    return _ID.fullmatch(key) is not None


def resolved(schema: Schema, root: Schema) -> Schema:
    """A schema without $ref, allOf of one and oneOf at its top."""
    while True:
        if "$ref" in schema:
            schema = {**_target(schema["$ref"], root), **{k: v for k, v in schema.items() if k != "$ref"}}
        elif "allOf" in schema:
            schema = {**schema["allOf"][0], **{k: v for k, v in schema.items() if k != "allOf"}}
        elif "oneOf" in schema:
            schema = {"anyOf": schema["oneOf"], **{k: v for k, v in schema.items() if k != "oneOf"}}
        else:
            return schema


def types(schema: Schema, root: Schema) -> set[str]:
    """The types that a schema lets through; what does not say is what it looks like, or text."""
    schema = resolved(schema, root)
    if "anyOf" in schema:
        return {kind for branch in schema["anyOf"] for kind in types(branch, root)}
    if "type" not in schema:
        return {"object" if "properties" in schema else "array" if "items" in schema else "string"}
    kinds = schema["type"]
    return set(kinds) if isinstance(kinds, list) else {kinds}


def matches(text: str, schema: Schema) -> bool:
    """Whether a text is JSON that matches a checked schema."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return bool(Draft202012Validator(schema).is_valid(value))


def _values(schema: Schema) -> int:
    """How many values JSON has, counted no further than one beyond what is allowed."""
    left: list[object] = [schema]
    found = 0
    while left and found <= _VALUES:
        found += 1
        value = left.pop()
        if isinstance(value, Mapping):
            left += value.values()
        elif isinstance(value, list):
            left += value
    return found


def _target(ref: str, root: Schema) -> Schema:
    """What a reference within the schema points to."""
    parts = ref.split("/")
    inside = len(parts) == 3 and parts[0] == "#" and parts[1] in ("$defs", "definitions")
    found = root.get(parts[1], {}).get(parts[2]) if inside else None
    if not isinstance(found, Mapping):
        raise DataError(f"$ref {ref[:80]!r} names nothing; put what it means into $defs, without recursion")
    return found


def _walk(schema: object, root: Schema, depth: int) -> Iterator[None]:
    """Every part of a schema, references followed."""
    if not isinstance(schema, Mapping):
        raise DataError("true and false are no schemas here; say which type is meant")
    if depth > _DEPTH:
        raise DataError(f"it holds itself or is nested more than {_DEPTH} deep; spell out fewer levels")
    if strange := sorted(schema.keys() - _SUPPORTED):
        raise DataError(f"{strange[0][:40]!r} is not supported; use type, properties, items, enum, anyOf and $ref")
    yield
    yield from (None for _ in schema.get("enum", ()))
    if len(schema.get("allOf", ())) > 1:
        raise DataError("allOf of several schemas is not supported; merge them")
    parts = [part for name in ("anyOf", "oneOf", "allOf") for part in schema.get(name, ())]
    parts += [_target(schema["$ref"], root)] if "$ref" in schema else []
    parts += [schema["items"]] if "items" in schema else []
    extra = schema.get("additionalProperties")
    parts += [extra] if isinstance(extra, Mapping) else []
    for part in (*parts, *schema.get("properties", {}).values()):
        yield from _walk(part, root, depth + 1)
    for name, part in schema.get("properties", {}).items():
        if names_item(name) and not types(part, root) <= {"string", "null"}:
            raise DataError(f"{name} must be a string: ids are the catalogue's own")
