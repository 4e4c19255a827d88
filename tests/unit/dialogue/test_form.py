"""JSON replies: every fact in them is the slate's, whatever schema a client sends."""

import json
from typing import Any, Literal

import pytest
import xgrammar
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from xgrammar.testing import _is_grammar_accept_string

from convrec.dialogue.form import PLAIN_FORM, FilledForm, Form, Sayable
from convrec.errors import DataError
from convrec.types import Item, Recommendation

_ITEMS = [Item(f"w{n}", f'"Hill" {n} <b>é</b>', {"grape": ("Syrah", "Malbec"), "price": 10 + n}) for n in range(3)]
_SLATE = [Recommendation(item, n, 0.9, 0.5, None, 0.1) for n, item in enumerate(_ITEMS, start=1)]
SAYABLE = Sayable(_SLATE, ("Here you are.", "Look."), lambda r: (f"because of {r.rank}", "so good"))
NOTHING = Sayable((), ("There is nothing.",), lambda r: ())


class Wine(BaseModel):
    item_id: str
    title: str
    reason: str
    price: float
    grape: list[str]
    rank: int
    occasion: Literal["lunch", "dinner"]
    note: str | None


class Answer(BaseModel):
    reply: str
    best: Wine
    wines: list[Wine]
    ids: list[str]
    sure: bool


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _filled(schema: dict[str, Any], sayable: Sayable = SAYABLE) -> FilledForm:
    filled = Form(schema).fill(sayable)
    assert filled is not None
    assert Form(schema).accepts(filled.default)
    assert filled.accepts(filled.default)
    return filled


def _accepted(filled: FilledForm, text: str) -> bool:
    """Whether an engine could generate a text."""
    return bool(_is_grammar_accept_string(xgrammar.Grammar.from_ebnf(filled.grammar()), text))


def test_a_pydantic_model_is_filled_with_the_slate() -> None:
    filled = _filled(Answer.model_json_schema())
    answer = Answer.model_validate_json(filled.default)
    assert answer.best.item_id == "w0"
    assert [wine.item_id for wine in answer.wines] == ["w1", "w2"]  # the best was named already
    assert [wine.title for wine in answer.wines] == [item.title for item in _ITEMS[1:]]
    assert [(wine.price, wine.rank) for wine in answer.wines] == [(11, 2), (12, 3)]
    assert answer.wines[0].grape == ["Syrah", "Malbec"]
    assert answer.wines[0].reason == "because of 2"
    assert answer.ids == ["w0", "w1", "w2"]
    assert answer.reply == "Here you are."


def test_an_engine_can_choose_what_is_open_and_no_fact() -> None:
    filled = _filled(Answer.model_json_schema())
    assert not filled.is_fixed
    assert _accepted(filled, filled.default)
    other = filled.default.replace('"occasion":"lunch"', '"occasion":"dinner"').replace("because of 2", "so good")
    assert _accepted(filled, other)
    assert filled.accepts(other)
    for lie in (
        filled.default.replace("w1", "w9"),
        filled.default.replace("<b>é</b>", "wine"),
        filled.default.replace('"price":11', '"price":1'),
        filled.default.replace("Here you are.", "Try Alien."),
    ):
        assert lie != filled.default
        assert not _accepted(filled, lie)
        assert not filled.accepts(lie)


def test_items_that_differ_in_their_titles_only_keep_them() -> None:
    schema = _object(wines={"type": "array", "items": _object(title={"type": "string"}, sure={"type": "boolean"})})
    filled = _filled(schema)
    assert [wine["title"] for wine in json.loads(filled.default)["wines"]] == [item.title for item in _ITEMS]
    assert _accepted(filled, filled.default)
    assert not _accepted(filled, filled.default.replace('Hill\\" 1', 'Hill\\" 0'))


@pytest.mark.parametrize(
    ("kind", "said", "fits"),
    [
        ("integer", "12", True),
        ("integer", "-3", True),
        ("integer", "1.5", False),
        ("integer", "01", False),
        ("number", "1.5", True),
        ("number", "-0.25", True),
        ("number", "1.", False),
        ("number", "NaN", False),
    ],
)
def test_numbers_that_an_engine_can_think_of(kind: str, said: str, fits: bool) -> None:
    assert _accepted(_filled(_object(n={"type": kind})), f'{{"n":{said}}}') == fits


def test_a_number_out_of_the_client_s_bounds_is_not_accepted() -> None:
    filled = _filled(_object(n={"type": "integer", "minimum": 3, "maximum": 5}))
    assert filled.accepts('{"n":4}')
    assert not filled.accepts('{"n":6}')


def test_the_plain_form_has_the_reply_and_the_slate() -> None:
    filled = PLAIN_FORM.fill(SAYABLE)
    assert filled is not None
    said = json.loads(filled.default)
    assert [entry["item_id"] for entry in said["recommendations"]] == ["w0", "w1", "w2"]
    empty = PLAIN_FORM.fill(NOTHING)
    assert empty is not None
    assert json.loads(empty.default) == {"reply": "There is nothing.", "recommendations": []}
    assert empty.is_fixed
    assert _accepted(empty, empty.default)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (_object(titles={"type": "array", "items": {"type": "string"}}), {"titles": [i.title for i in _ITEMS]}),
        (_object(item_id={"type": "string", "enum": ["w0", "zz"]}), {"item_id": "w0"}),
        (
            _object(films={"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            {"films": [_ITEMS[0].title]},
        ),
        (_object(mood={"const": "calm"}), {"mood": "calm"}),
        (_object(wineId={"type": "string"}, why={"type": "string"}), {"wineId": "w0", "why": "because of 1"}),
        (_object(wine_ids={"type": "array", "items": {"type": "string"}}), {"wine_ids": ["w0", "w1", "w2"]}),
        (_object(valid={"type": "boolean"}, grid={"type": "integer"}), {"valid": False, "grid": 0}),
        (_object(n={"type": "integer", "minimum": 3, "maximum": 5}), {"n": 3}),
        (_object(nothing={"type": "null"}), {"nothing": None}),
        (_object(either={"anyOf": [{"type": "null"}, {"type": "string"}]}), {"either": "Here you are."}),
        (_object(either={"type": ["null", "boolean"]}), {"either": False}),
        (_object(one={"allOf": [{"$ref": "#/$defs/a"}]}) | {"$defs": {"a": {"enum": [7]}}}, {"one": 7}),
        (_object(free={"type": "object"}), {"free": {}}),
        (_object(title={"type": "string"}, price={"type": "integer"}), {"title": _ITEMS[0].title, "price": 10}),
        (_object(moods={"type": "array", "items": {"enum": ["a", "b"]}}), {"moods": ["a"]}),
        ({"type": "object", "properties": {"x": {"type": "string", "maxLength": 1}}}, {}),
    ],
)
def test_what_a_schema_gets(schema: dict[str, Any], expected: object) -> None:
    filled = _filled(schema)
    assert json.loads(filled.default) == expected
    assert _accepted(filled, filled.default)


@pytest.mark.parametrize(
    "schema",
    [
        _object(item_id={"type": "string", "enum": ["zz"]}),
        _object(item_id={"const": "zz"}),
        _object(ids={"type": "array", "items": {"enum": ["zz"]}, "minItems": 1}),
        _object(item_id={"type": "string"}, title={"const": "Alien"}),
        _object(wines={"type": "array", "items": _object(item_id={"type": "string"}), "minItems": 4}),
        _object(word={"type": "string", "maxLength": 2}),
        _object(n={"type": "integer", "minimum": 5, "maximum": 4}),
        _object(
            n={"type": "array", "items": {"type": "array", "items": {"const": 1}, "minItems": 90}, "minItems": 90}
        ),
        _object(n={"type": "array", "items": {"type": "integer"}, "minItems": 10**30}),
        _object(n={"type": "integer", "multipleOf": 7, "minimum": 2}),
    ],
)
def test_what_no_slate_can_fill_is_not_filled(schema: dict[str, Any]) -> None:
    assert Form(schema).fill(SAYABLE) is None


def test_an_item_needs_a_slate() -> None:
    assert Form(_object(item_id={"type": "string"})).fill(NOTHING) is None


def _laughs() -> dict[str, Any]:
    """A few parts that are a million when spelt out."""
    levels: dict[str, Any] = {
        f"l{n}": _object(**{f"p{m}": {"$ref": f"#/$defs/l{n + 1}"} for m in range(10)}) for n in range(5)
    }
    return _object(a={"$ref": "#/$defs/l0"}) | {"$defs": {**levels, "l5": {"type": "string"}}}


def _deep(depth: int) -> dict[str, Any]:
    return {"type": "string"} if depth == 0 else _object(a=_deep(depth - 1))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "array", "items": {"type": "string"}}, "root must be an object"),
        ({"type": "objekt"}, "no JSON schema"),
        (_object(a=True), "say which type"),
        (_object(a={"type": "string", "pattern": "(a+)+$"}), "'pattern' is not supported"),
        (_object(a={"not": {}}), "'not' is not supported"),
        (_object(a={"$ref": "http://example.org/schema"}), "names nothing"),
        (_object(a={"$ref": "#"}), "names nothing"),
        (_object(a={"$ref": "#/$defs/b"}) | {"$defs": {"b": {"$ref": "#/$defs/b"}}}, "holds itself"),
        ({"type": "object", "additionalProperties": {"$ref": "file:///etc/passwd"}}, "names nothing"),
        (_object(item_id={"type": "integer"}), "item_id must be a string"),
        (_object(a={"type": "array", "items": _object(id={"type": "integer"})}), "id must be a string"),
        (_object(a={"enum": list(range(1500))}), "more than 1000 parts"),
        (_object(a={"enum": list(range(3000))}), "more than 2000 values"),
        ({"type": "object", "required": [1, "a"] * 500_000}, "more than 2000 values"),
        (_object(a={"allOf": [{}, {}]}), "allOf"),
        (_object(a={"enum": [float("nan")]}), "no JSON"),
        (_object(a={"enum": ["\ud800"]}), "no JSON"),
        (_laughs(), "more than 1000 parts"),
        (_deep(30), "20 deep"),
    ],
)
def test_what_is_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        Form(schema)


_names = st.sampled_from(
    ["item_id", "id", "wineId", "title", "name", "reason", "price", "grape", "rank", "note", "items", "x"]
)
_leaf = st.sampled_from(
    [
        {"type": "string"},
        {"type": ["string", "null"]},
        {"type": "integer"},
        {"type": "number", "minimum": 1},
        {"type": "boolean"},
        {"enum": ["a", 1, None]},
        {"enum": ["w1", "w9"]},
        {"const": "w9"},
        {"type": "string", "minLength": 5},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {},
    ]
)
_schema = st.recursive(
    _leaf,
    lambda inner: (
        st.builds(lambda parts: _object(**parts), st.dictionaries(_names, inner, max_size=4))
        | st.builds(
            lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 2)
        )
    ),
    max_leaves=10,
)


@settings(max_examples=80, deadline=None)
@given(parts=st.dictionaries(_names, _schema, max_size=4), sayable=st.sampled_from([SAYABLE, NOTHING]))
def test_whatever_is_filled_matches_and_names_the_slate_only(parts: dict[str, Any], sayable: Sayable) -> None:
    schema = _object(**parts)
    try:
        form = Form(schema)
    except DataError:
        return
    filled = form.fill(sayable)
    if filled is None:
        return
    value = json.loads(filled.default)
    assert Draft202012Validator(schema).is_valid(value)
    assert _accepted(filled, filled.default)
    known = {
        *sayable.texts,
        *(text for r in sayable.recommendations for text in sayable.reasons(r)),
        *(text for r in sayable.recommendations for text in (r.item.item_id, r.item.title)),
        *("Syrah", "Malbec", "Syrah, Malbec", "10", "11", "12", "a", "w1", "w9"),
    }
    assert set(_strings(value)) <= known
    ids = {r.item.item_id for r in sayable.recommendations}
    assert {i for key in ("item_id", "id", "wineId") for i in _values(value, key) if i is not None} <= ids


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


def _values(value: object, key: str) -> list[object]:
    if isinstance(value, dict):
        own = [value[key]] if key in value and not isinstance(value[key], dict | list) else []
        return own + [found for part in value.values() for found in _values(part, key)]
    if isinstance(value, list):
        return [found for part in value for found in _values(part, key)]
    return []
