"""No body makes the API fail, every refusal has OpenAI's shape, and every stream is well-formed."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convrec.dialogue.cut import Finish
from convrec.errors import EngineUnavailableError
from convrec.service.api import create_app
from convrec.service.completion import CompletionReply
from convrec.service.metrics import Metrics
from convrec.service.reply import Reply
from convrec.service.requests import ChatEvent, RecommendRequest, ReplyDelta, TurnDone
from convrec.service.response import ResponseReply
from convrec.service.responses import ResponseBody
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.retriever import HashEmbedder

PROMPTS = Path(__file__).parents[2] / "prompts"


class _Api:
    """The app and an event loop to call it in."""

    def __init__(self, folder: Path) -> None:
        self._stack = small_recommender(folder, PROMPTS, FakeEngine())
        self.recommender = self._stack.__enter__()
        self.runner = asyncio.Runner()
        slot = RecommenderSlot(self.recommender, embedder=HashEmbedder())
        app = create_app(slot, info=ServerInfo("fake-lm", "0", 0.0))
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
        self.ready = self.runner.run(self.recommender.recommend(RecommendRequest("someone")))

    def post(self, path: str, content: bytes) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return self.runner.run(self._http.post(path, content=content, headers=headers))

    def close(self) -> None:
        self.runner.run(self._http.aclose())
        self.runner.close()
        self._stack.__exit__(None, None, None)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Api]:
    small = _Api(tmp_path_factory.mktemp("api"))
    yield small
    small.close()


_SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

_text = st.text(max_size=30) | st.sampled_from(
    ["a Syrah", "like Amber Hill Syrah Reserve but cheaper", "\0", " ", "\ud800"]
)
_number = st.integers() | st.floats() | st.sampled_from([10**400, -1, 0, 1, 5])
_scalar = st.none() | st.booleans() | _number | _text
_json = st.recursive(
    _scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4), max_leaves=12
)


def _object(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Sensible objects, and the same with a few parts spoilt."""
    sensible = st.fixed_dictionaries(required, optional=optional)
    junk = st.dictionaries(st.sampled_from([*required, *optional]) | _text, _json, max_size=2)
    return sensible | st.builds(lambda body, spoilt: body | spoilt, sensible, junk)


_user_id = st.sampled_from(["drinker1", "drinker2", "somebody new"])
_item_id = st.sampled_from(["w01", "w05", "w29", "unknown"])
_part = _object({"type": st.just("text"), "text": _text}, {})
_message = _object(
    {
        "role": st.sampled_from(["user", "user", "assistant", "system"]),
        "content": _text | st.lists(_part, max_size=3),
    },
    {"name": _text},
)
_convrec = _object({}, {"user_id": _user_id, "session_id": st.just("s1"), "k": st.integers(1, 20)})
_schema = st.recursive(
    st.sampled_from(
        [{"type": "string"}, {"type": ["null", "integer"]}, {"enum": ["a", None]}, {"type": "boolean"}]
    ),
    lambda inner: (
        st.builds(
            lambda parts: {"type": "object", "properties": parts, "required": list(parts)},
            st.dictionaries(st.sampled_from(["item_id", "title", "why", "items"]), inner, max_size=3),
        )
        | st.builds(lambda items: {"type": "array", "items": items}, inner)
    ),
    max_leaves=5,
)
_chat = _object(
    {"model": st.just("convrec"), "messages": st.lists(_message, min_size=1, max_size=4)},
    {
        "stream": st.booleans(),
        "stream_options": _object({"include_usage": st.booleans()}, {}),
        "n": st.just(1),
        "user": _user_id,
        "safety_identifier": _user_id,
        "temperature": st.floats(0, 2),
        "seed": st.integers(-5, 5),
        "max_tokens": st.integers(1, 20),
        "stop": _text | st.lists(_text, max_size=4),
        "response_format": st.just({"type": "json_object"})
        | st.builds(
            lambda schema: {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}, _schema
        ),
        "tools": st.just([{"type": "function", "function": {"name": "f"}}]),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "convrec": _convrec,
    },
)
_response = _object(
    {"model": st.just("convrec"), "input": _text | st.lists(_message, min_size=1, max_size=4)},
    {
        "stream": st.booleans(),
        "instructions": _text,
        "max_output_tokens": st.integers(1, 20),
        "text": st.builds(
            lambda schema: {"format": {"type": "json_schema", "name": "x", "schema": schema}}, _schema
        ),
        "metadata": st.dictionaries(_text, _text, max_size=2),
        "convrec": _convrec,
    },
)
_embedding = _object(
    {
        "model": st.just("convrec-embedding"),
        "input": st.text(min_size=1) | st.lists(st.text(min_size=1), min_size=1),
    },
    {"encoding_format": st.sampled_from(["float", "base64"]), "dimensions": st.just(64)},
)
_filter = _object(
    {
        "facet": st.sampled_from(["grape", "price"]),
        "op": st.sampled_from(["include", "exclude", ">=", "<=", ">", "<"]),
        "value": st.sampled_from(["Syrah", "syrah", 12, 1e308]),
    },
    {"strength": st.sampled_from(["must", "prefer", "avoid"])},
)
_recommendation = _object(
    {"user_id": _user_id},
    {
        "k": st.integers(1, 20),
        "query": _text,
        "filters": st.lists(_filter, max_size=3),
        "exclude": st.lists(_item_id, max_size=3),
    },
)
_feedback = st.sampled_from(["like", "click", "rating", "comment", "retraction"]).flatmap(
    lambda kind: _object(
        {
            "user_id": _user_id,
            "type": st.just(kind),
            **({"rating": st.floats(0, 6)} if kind == "rating" else {}),
            **({"text": _text} if kind == "comment" else {}),
            **({"retracts": st.just("e1")} if kind == "retraction" else {"item_id": _item_id}),
        },
        {
            "event_id": st.sampled_from(["e1", "e2"]),
            "session_id": st.just("s1"),
            "impression_id": st.just("i1"),
            "timestamp": st.floats(0, 2e9),
        },
    )
)


@pytest.mark.parametrize(
    ("path", "shaped"),
    [
        ("/v1/chat/completions", _chat),
        ("/v1/responses", _response),
        ("/v1/embeddings", _embedding),
        ("/v1/recommendations", _recommendation),
        ("/v1/feedback", _feedback),
    ],
)
def test_no_body_makes_the_api_fail(api: _Api, path: str, shaped: st.SearchStrategy[Any]) -> None:
    answered: set[int] = set()

    @_SETTINGS
    @given(content=(shaped | _json).map(json.dumps).map(str.encode) | st.binary(max_size=50))
    def check(content: bytes) -> None:
        response = api.post(path, content)
        answered.add(response.status_code)
        assert response.status_code < 500, response.text
        assert response.headers["x-request-id"]
        if response.status_code >= 400:
            (error,) = response.json().values()
            assert set(error) == {"message", "type", "param", "code"}
            assert error["type"] == "invalid_request_error"
            assert error["message"]
            assert error["code"]
        elif response.headers["content-type"].startswith("text/event-stream"):
            assert response.text.endswith("data: [DONE]\n\n") == (path == "/v1/chat/completions")

    check()
    assert {200, 400} <= answered  # the strategies reach both sides


@_SETTINGS
@given(
    pieces=st.lists(st.text() | st.sampled_from(["\n", "\r\n", "\u2028", "data: x\n\n", "[DONE]"])),
    usage=st.booleans(),
)
def test_a_stream_is_well_formed_whatever_the_prose(api: _Api, pieces: list[str], usage: bool) -> None:
    async def turn() -> AsyncGenerator[ChatEvent, None]:
        yield api.ready
        for piece in pieces:
            yield ReplyDelta(piece)
        yield TurnDone(3, len(pieces), 0.1)

    *chunks, done = api.runner.run(_stream(turn(), api, usage))
    assert done == "[DONE]"
    first, *rest = map(json.loads, chunks)
    assert first["choices"][0]["delta"]["convrec"]["impression_id"] == api.ready.impression_id
    assert len({(chunk["id"], chunk["created"]) for chunk in (first, *rest)}) == 1
    if usage:
        last = rest.pop()
        assert (last["choices"], last["usage"]["total_tokens"]) == ([], 3 + len(pieces))
    deltas = [chunk["choices"][0] for chunk in rest]
    assert [delta["finish_reason"] for delta in deltas] == [None] * len(pieces) + ["stop"]
    assert [delta["delta"].get("content") for delta in deltas] == [*pieces, None]


@_SETTINGS
@given(pieces=st.lists(st.text(max_size=5), max_size=3))
def test_a_stream_that_breaks_ends_with_its_error(api: _Api, pieces: list[str]) -> None:
    async def turn() -> AsyncGenerator[ChatEvent, None]:
        yield api.ready
        for piece in pieces:
            yield ReplyDelta(piece)
        raise EngineUnavailableError("start the engine")

    *chunks, last = map(json.loads, api.runner.run(_stream(turn(), api, True)))
    assert len(chunks) == 1 + len(pieces)
    assert last["error"]["message"] == "start the engine"
    assert last["error"]["code"] == "engine_unavailable"


@_SETTINGS
@given(
    pieces=st.lists(st.text() | st.sampled_from(["\n", "\r\n", "\u2028", "event: x\ndata: x\n\n"])),
    breaks=st.booleans(),
    finish=st.sampled_from(["stop", "length"]),
)
def test_the_events_of_a_response_add_up(api: _Api, pieces: list[str], breaks: bool, finish: Finish) -> None:
    async def turn() -> AsyncGenerator[ChatEvent, None]:
        yield api.ready
        for piece in pieces:
            yield ReplyDelta(piece)
        if breaks:
            raise EngineUnavailableError("start the engine")
        yield TurnDone(3, len(pieces), 0.1, finish)

    async def wire() -> str:
        reply = Reply(turn(), api.recommender.catalogue, Metrics())
        slate = await reply.slate()
        response = ResponseReply(reply, ResponseBody(model="convrec", input="hi").echo())
        return b"".join([event async for event in response.stream(slate)]).decode()

    lines = api.runner.run(wire()).splitlines()
    assert lines[2::3] == [""] * (len(lines) // 3)
    events = [json.loads(line.removeprefix("data: ")) for line in lines[1::3]]
    assert [line.removeprefix("event: ") for line in lines[::3]] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert len({event["response"]["id"] for event in events if "response" in event}) == 1
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert deltas == pieces
    ended = "failed" if breaks else "incomplete" if finish == "length" else "completed"
    assert events[-1]["type"] == f"response.{ended}"
    assert events[-1]["response"]["status"] == ended
    if not breaks:
        (message,) = events[-1]["response"]["output"]
        assert message["content"][0]["text"] == "".join(pieces)


async def _stream(turn: AsyncGenerator[ChatEvent, None], api: _Api, usage: bool) -> list[str]:
    """The data of the events, read as a line-splitting client would."""
    reply = Reply(turn, api.recommender.catalogue, Metrics())
    slate = await reply.slate()
    completion = CompletionReply(reply, "convrec")
    wire = b"".join([event async for event in completion.stream(slate, usage)]).decode()
    lines = wire.splitlines()
    assert lines[1::2] == [""] * (len(lines) // 2)
    assert all(line.startswith("data: ") for line in lines[::2])
    return [line.removeprefix("data: ") for line in lines[::2]]
