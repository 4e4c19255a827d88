"""Form: a client's JSON schema as a reply, whose facts can only be the slate's.

Owns which schemas can be met and what a slate leaves open in them. Generates nothing.

An object that names an item (a property `item_id`, `id` or the like, `title` or `name`) is one recommendation, and
a list of such objects is the slate in its order. Ids, titles, attributes, ranks, scores and reasons are filled in;
what is left to a model is what the client itself offers (enums, booleans, numbers) and which of the reply's own
sentences a text is. So a model can name no item that is not there, in no field.

What is left is generated under a grammar and not a schema: xgrammar 0.2.8 takes schemas for the same that differ
only in a property called `title`, and would give every item of a list the title of the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from convrec.dialogue.schema import Schema, check_schema, matches, names_item, resolved, types
from convrec.dialogue.script import literal
from convrec.types import Recommendation

_TITLES = ("title", "name")
_REASONS = ("reason", "why", "explanation")
_NUMBERS = """integer ::= "-"? ("0" | [1-9] [0-9]{0,8})
number ::= integer ("." [0-9]{1,6})?
"""
_PARTS = 5_000
_ENTRIES = 100


class _UnfillableError(Exception):
    """A slate cannot provide what a schema requires."""


@dataclass(frozen=True, slots=True)
class Sayable:
    """What may be said about a slate.

    Args:
        recommendations: The slate's.
        texts: Whole replies, the first is the default.
        reasons: What can be said of one recommendation, the first is the default.
    """

    recommendations: Sequence[Recommendation]
    texts: Sequence[str]
    reasons: Callable[[Recommendation], Sequence[str]]


@dataclass(frozen=True, slots=True)
class FilledForm:
    """A form with the facts of a slate in it.

    Args:
        schema: What may be said.
        rule: The same as an expression of xgrammar's EBNF.
        default: A text that matches.
        is_fixed: Nothing else does.
    """

    schema: Schema
    rule: str
    default: str
    is_fixed: bool

    def grammar(self) -> str:
        """What may be generated as EBNF with the rule `root`; of numbers only that they are some."""
        return f"root ::= {self.rule}\n{_NUMBERS}"

    def accepts(self, text: str) -> bool:
        """Whether a text may be said."""
        return matches(text, self.schema)

    @property
    def longest(self) -> str:
        """About as long as a text of it can be; bounds what has to be generated."""
        return 2 * self.default


class Form:
    """A schema that replies are to match.

    Args:
        schema: JSON schema, of the kind that OpenAI's structured outputs take.

    Raises:
        DataError: It is no JSON schema, or of a kind that no slate can fill; the message says what to change.
    """

    def __init__(self, schema: Schema) -> None:
        check_schema(schema)
        self._root = schema

    def accepts(self, text: str) -> bool:
        """Whether a text is JSON that matches the client's schema."""
        return matches(text, self._root)

    def fill(self, sayable: Sayable) -> FilledForm | None:
        """The form with a slate's facts in it; None where the slate cannot provide what the schema requires."""
        try:
            part = _Filling(self._root, sayable).value(self._root, "", None)
        except _UnfillableError:
            return None
        filled = FilledForm(part.schema, part.rule, _written(part.value), part.is_fixed)
        return filled if self.accepts(filled.default) else None


PLAIN_FORM = Form(
    {
        "type": "object",
        "properties": {
            "reply": {"type": "string"},
            "recommendations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in ("item_id", "title", "why")},
                    "required": ["item_id", "title"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["reply", "recommendations"],
        "additionalProperties": False,
    }
)
"""For a client that asks for JSON and does not say which."""


class _Part(NamedTuple):
    """A part of a form: what may be said there, how it is generated, and what is said by default."""

    schema: dict[str, Any]
    rule: str
    value: Any
    is_fixed: bool = False


class _Filling:
    """One slate on its way into one schema."""

    def __init__(self, root: Schema, sayable: Sayable) -> None:
        self._root = root
        self._sayable = sayable
        self._shown = 0
        self._parts = 0

    def value(self, schema: Schema, key: str, about: Recommendation | None) -> _Part:
        """A part of the schema.

        Args:
            key: The property it is the value of.
            about: The recommendation that the part is about.
        """
        self._parts += 1
        if self._parts > _PARTS:
            raise _UnfillableError
        schema = resolved(schema, self._root)
        if "anyOf" in schema:
            return self._first(schema["anyOf"], key, about)
        kinds = types(schema, self._root)
        if len(kinds) > 1:
            return self._first([{**schema, "type": kind} for kind in sorted(kinds)], key, about)
        (kind,) = kinds
        match kind:
            case "object":
                return self._object(schema, about)
            case "array":
                return self._array(schema, key, about)
        known = names_item(key) or (about is not None and key in _TITLES)
        if {"const", "enum"} & schema.keys() and not known:
            offered = [schema["const"]] if "const" in schema else schema["enum"]
            return _choice({k: v for k, v in schema.items() if k not in ("const", "enum")}, offered)
        match kind:
            case "string":
                return _choice(schema, self._texts(key, about))
            case "null":
                return _choice(schema, [None])
            case "boolean":
                return _Part({"type": "boolean"}, '("false" | "true")', False)
        return self._number(schema, key, about)

    def _first(self, branches: Sequence[Schema], key: str, about: Recommendation | None) -> _Part:
        """The first branch that can be filled; null only where no other can."""
        for branch in sorted(branches, key=lambda b: resolved(b, self._root).get("type") == "null"):
            shown = self._shown
            try:
                return self.value(branch, key, about)
            except _UnfillableError:
                self._shown = shown
        raise _UnfillableError

    def _object(self, schema: Schema, about: Recommendation | None) -> _Part:
        if about is None and _is_item(schema, self._root):
            about = self._next()
        parts: dict[str, _Part] = {}
        for name, part in schema.get("properties", {}).items():
            try:
                parts[name] = self.value(part, name, about)
            except _UnfillableError:
                if name in schema.get("required", ()):
                    raise
        filled = {
            "type": "object",
            "properties": {name: part.schema for name, part in parts.items()},
            "required": list(parts),
            "additionalProperties": False,
        }
        rules = [f"{literal(_written(name) + ':')} {part.rule}" for name, part in parts.items()]
        value = {name: part.value for name, part in parts.items()}
        return _Part(filled, _enclosed("{", rules, "}"), value, all(part.is_fixed for part in parts.values()))

    def _array(self, schema: Schema, key: str, about: Recommendation | None) -> _Part:
        items = resolved(schema.get("items", {"type": "string"}), self._root)
        one = key.removesuffix("s")
        least = schema.get("minItems", 0)
        most = int(min(schema.get("maxItems", _ENTRIES), _ENTRIES))
        entries: list[_Part] = []
        if about is None and _is_item(items, self._root):
            listed = self._sayable.recommendations[self._shown :][:most]
            entries = [self.value(items, key, recommendation) for recommendation in listed]
        elif types(items, self._root) == {"string"} and (names_item(one) or not {"enum", "const"} & items.keys()):
            entries = [_choice(items, [text]) for text in self._listed(key, about, items)][:most]
        else:
            entries = [self.value(items, one, about) for _ in range(int(min(max(least, 1), most)))]
        if len(entries) < least:
            raise _UnfillableError
        if not entries:
            return _choice({}, [[]])
        filled = {
            "type": "array",
            "prefixItems": [entry.schema for entry in entries],
            "items": False,
            "minItems": len(entries),
        }
        rule = _enclosed("[", [entry.rule for entry in entries], "]")
        return _Part(filled, rule, [entry.value for entry in entries], all(entry.is_fixed for entry in entries))

    def _next(self) -> Recommendation:
        """The best recommendation that no earlier part is about."""
        if self._shown >= len(self._sayable.recommendations):
            raise _UnfillableError
        self._shown += 1
        return self._sayable.recommendations[self._shown - 1]

    def _texts(self, key: str, about: Recommendation | None) -> Sequence[str]:
        """What a text may be."""
        if about is None:
            if names_item(key):
                return [r.item.item_id for r in self._sayable.recommendations]
            return self._sayable.texts
        if names_item(key):
            return [about.item.item_id]
        if key in _TITLES:
            return [about.item.title]
        if values := [str(value) for value in about.item.values(key)]:
            return [", ".join(values)]
        return self._sayable.reasons(about)

    def _listed(self, key: str, about: Recommendation | None, items: Schema) -> list[str]:
        """The texts of a list, those that fit."""
        one = key.removesuffix("s")
        if about is not None:
            values = about.item.values(key) or about.item.values(one)
            texts = [str(value) for value in values] or list(self._sayable.reasons(about))[:1]
        elif names_item(one):
            texts = [r.item.item_id for r in self._sayable.recommendations]
        elif one in _REASONS:
            texts = [text for r in self._sayable.recommendations for text in self._sayable.reasons(r)[:1]]
        else:
            texts = [r.item.title for r in self._sayable.recommendations]
        return [text for text in dict.fromkeys(texts) if Draft202012Validator(items).is_valid(text)]

    def _number(self, schema: Schema, key: str, about: Recommendation | None) -> _Part:
        """A number of the recommendation, or one that the model thinks of within the client's bounds."""
        if about is not None and (known := _numbers(about, key)):
            return _choice(schema, known)
        bounds = [schema[b] for b in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if b in schema]
        tried = [0, 1, *bounds, *(b + 1 for b in bounds), *(b - 1 for b in bounds)]
        default = _choice(schema, tried).value
        integer = types(schema, self._root) == {"integer"}
        return _Part(dict(schema), "integer" if integer else "number", default)


def _choice(schema: Schema, values: Sequence[Any]) -> _Part:
    """Those of some values that a schema allows."""
    allowed = Draft202012Validator({k: v for k, v in schema.items() if k not in ("$defs", "definitions")})
    fitting = [value for value in values if allowed.is_valid(value)]
    if not fitting:
        raise _UnfillableError
    texts = [literal(_written(value)) for value in fitting]
    return _Part({"enum": fitting}, f"({' | '.join(texts)})", fitting[0], len(fitting) == 1)


def _numbers(about: Recommendation, key: str) -> list[float | int]:
    """What a number about a recommendation is, under the names that views and catalogues have."""
    own: dict[str, float | None] = {
        "rank": about.rank,
        "position": about.rank,
        "score": about.score,
        "match": about.match,
        "interest": about.interest,
        "confidence": about.match,
        "retrieval": about.retrieval,
    }
    found = [own.get(key)] if key in own else list(about.item.numbers(key))
    return [int(n) if float(n).is_integer() else n for n in found if n is not None][:1]


def _is_item(schema: Schema, root: Schema) -> bool:
    """Whether an object stands for one item: it names one, and holds no list of others."""
    parts = resolved(schema, root).get("properties", {})
    lists = (resolved(part, root).get("items", {}) for part in parts.values())
    named = any(names_item(part) or part in _TITLES for part in parts)
    return named and all(types(items, root) != {"object"} for items in lists)


def _enclosed(left: str, rules: Sequence[str], right: str) -> str:
    """The rule of an object or a list."""
    return " ".join([literal(left), ' "," '.join(rules), literal(right)])


def _written(value: object) -> str:
    """JSON as engines write it under a schema: without optional white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
