"""The openai package's responses client against our server."""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from convrec.engine.base import Sampling
from convrec.service.api import create_app
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.server import serving

PROMPTS = Path(__file__).parents[3] / "prompts"
_PROSE = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory, engine: FakeEngine) -> Iterator[Recommender]:
    with small_recommender(tmp_path_factory.mktemp("responses"), PROMPTS, engine) as small:
        yield small


@pytest.fixture(scope="module")
def url(recommender: Recommender) -> Iterator[str]:
    with serving(create_app(RecommenderSlot(recommender), info=ServerInfo("fake-lm", "0", 0.0))) as base_url:
        yield base_url


class Wine(BaseModel):
    item_id: str
    title: str
    occasion: Literal["lunch", "dinner"]


class Wines(BaseModel):
    wines: list[Wine]


class Pick(BaseModel):
    item_id: Literal["no such wine"]


def _ask(url: str, **body: object) -> httpx.Response:
    return httpx.post(f"{url}/v1/responses", json={"model": "convrec", **body}, trust_env=False)


def test_a_response_carries_the_slate(client: openai.OpenAI, recommender: Recommender) -> None:
    response = client.responses.create(
        model="convrec",
        input="a Riesling, please",
        instructions="Be brief.",
        metadata={"app": "x"},
        temperature=0.3,
        store=True,
        extra_body={"convrec": {"user_id": "r1", "session_id": "s-r1", "k": 2}, "reasoning": {"effort": "low"}},
    )
    Response.model_validate(response.to_dict(), strict=False)
    assert response.output_text
    assert (response.status, response.model, response.metadata) == ("completed", "convrec", {"app": "x"})
    assert (response.instructions, response.temperature) == ("Be brief.", 0.3)
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    (message,) = response.output
    slate = (message.model_extra or {})["convrec"]
    assert (slate["user_id"], slate["session_id"], len(slate["recommendations"])) == ("r1", "s-r1", 2)
    assert slate["ignored"] == ["instructions", "store", "reasoning"]
    assert recommender.ledger.turns("s-r1")[0].message == "a Riesling, please"


def test_a_list_of_items_is_a_conversation(client: openai.OpenAI) -> None:
    first = client.responses.create(model="convrec", input=[{"role": "user", "content": "a Syrah"}])
    response = client.responses.create(
        model="convrec",
        input=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "input_text", "text": "a Syrah"}]},
            *[item.to_dict() for item in first.output],  # type: ignore[list-item]
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "12"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "message", "role": "user", "content": "under 20"},
        ],
        extra_body={"convrec": {"k": 20}},
    )
    slate = (response.output[0].model_extra or {})["convrec"]
    assert {tuple(r["attributes"]["grape"]) for r in slate["recommendations"]} == {("Syrah",)}
    assert max(r["attributes"]["price"] for r in slate["recommendations"]) <= 20
    assert slate["ignored"] == ["input.0"]


def test_a_stream_has_the_events_that_the_client_knows(client: openai.OpenAI) -> None:
    with client.responses.stream(model="convrec", input="a Chardonnay") as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert [kind for kind in kinds if kind != "response.output_text.delta"] == [*_PROSE, "response.completed"]
    assert kinds[3:5] == ["response.content_part.added", "response.output_text.delta"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    added = events[2]
    assert added.type == "response.output_item.added"
    assert (added.item.model_extra or {})["convrec"]["recommendations"]
    assert final.output_text == "".join(deltas)


def test_the_wire_names_its_events(url: str) -> None:
    answer = _ask(url, input="a Malbec", stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    for event in answer.text.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        assert data.startswith('data: {"type":"' + name.removeprefix("event: "))


def test_a_reply_that_is_cut_is_incomplete(client: openai.OpenAI) -> None:
    response = client.responses.create(model="convrec", input="a Syrah", max_output_tokens=4)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage is not None
    assert response.usage.output_tokens == 4
    with client.responses.create(model="convrec", input="a Syrah", max_output_tokens=4, stream=True) as stream:
        assert [event.type for event in stream][-1] == "response.incomplete"


def test_parse_gives_the_slate_in_the_client_s_model(client: openai.OpenAI) -> None:
    response = client.responses.parse(model="convrec", input="a Syrah", text_format=Wines)
    assert response.output_parsed is not None
    slate = (response.output[0].model_extra or {})["convrec"]["recommendations"]
    assert [wine.item_id for wine in response.output_parsed.wines] == [r["item_id"] for r in slate]
    assert response.text is not None
    assert response.text.format is not None
    assert (response.text.format.to_dict())["schema"]
    with client.responses.stream(model="convrec", input="a Syrah", text_format=Wines) as stream:
        parsed = stream.get_final_response().output_parsed
    assert parsed is not None
    assert len(parsed.wines) == 5


def test_a_slate_that_cannot_fill_the_schema_is_a_refusal(client: openai.OpenAI) -> None:
    response = client.responses.parse(model="convrec", input="a Syrah", text_format=Pick)
    assert response.output_parsed is None
    (message,) = response.output
    assert message.type == "message"
    assert [part.type for part in message.content] == ["refusal"]
    with client.responses.stream(model="convrec", input="a Syrah", text_format=Pick) as stream:
        kinds = [event.type for event in stream]
    assert "response.refusal.done" in kinds
    assert "response.output_text.delta" not in kinds


def test_cited_items(tmp_path: Path) -> None:
    with small_recommender(tmp_path, PROMPTS, FakeEngine()) as small:
        for item in small.catalogue.values():
            object.__setattr__(item, "attributes", {**item.attributes, "url": f"https://w.example/{item.item_id}"})
        app = create_app(RecommenderSlot(small), info=ServerInfo("fake-lm", "0", 0.0))
        with serving(app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as sdk:
            whole = sdk.responses.create(model="convrec", input="a Syrah")
            with sdk.responses.stream(model="convrec", input="a Syrah", user="other") as stream:
                events = list(stream)
    (message,) = whole.output
    assert message.type == "message"
    (part,) = message.content
    assert part.type == "output_text"
    for annotation in part.annotations:
        assert annotation.type == "url_citation"
        assert part.text[annotation.start_index : annotation.end_index] == annotation.title
    assert part.annotations
    assert "response.output_text.annotation.added" in [event.type for event in events]


def test_a_stream_that_breaks_ends_with_a_failure(tmp_path: Path) -> None:
    class Forgetful(FakeEngine):
        """Lets go of the disk when it is asked for a reply."""

        def generate(
            self,
            prompt: Sequence[int],
            sampling: Sampling,
            adapter: str | None = None,
            salt: str | None = None,
        ) -> AsyncIterator[str]:
            with sqlite3.connect(tmp_path / "ledger.db") as connection:
                connection.execute("DROP TABLE events")
            return super().generate(prompt, sampling, adapter, salt)

    with small_recommender(tmp_path, PROMPTS, Forgetful()) as small:
        app = create_app(RecommenderSlot(small), info=ServerInfo("fake-lm", "0", 0.0))
        with (
            serving(app) as url,
            openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as sdk,
            sdk.responses.create(model="convrec", input="a Syrah", stream=True) as stream,
        ):
            last = list(stream)[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert "ledger" in last.response.error.message


_TOOL = {"type": "function", "name": "show", "strict": True, "parameters": Wines.model_json_schema()}


def test_a_function_is_called_where_the_client_insists(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "convrec", "input": "a Syrah", "tools": [_TOOL]}
    assert client.responses.create(**asked).output_text
    response = client.responses.create(**asked, tool_choice={"type": "function", "name": "show"})
    Response.model_validate(response.to_dict(), strict=False)
    (call,) = response.output
    assert call.type == "function_call"
    assert (call.name, call.status) == ("show", "completed")
    slate = (call.model_extra or {})["convrec"]["recommendations"]
    assert [w.item_id for w in Wines.model_validate_json(call.arguments).wines] == [r["item_id"] for r in slate]
    with client.responses.stream(**asked, tool_choice="required") as stream:
        kinds = [event.type for event in stream]
        (streamed,) = stream.get_final_response().output
    assert kinds[2:] == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert streamed.type == "function_call"
    assert len(Wines.model_validate_json(streamed.arguments).wines) == 5


def test_a_function_that_cannot_be_filled_is_a_refusal(client: openai.OpenAI) -> None:
    tool = {"type": "function", "name": "pick", "parameters": Pick.model_json_schema()}
    asked: dict[str, Any] = {"model": "convrec", "input": "a Syrah", "tools": [tool], "tool_choice": "required"}
    (message,) = client.responses.create(**asked).output
    assert message.type == "message"
    assert message.content[0].type == "refusal"
    with client.responses.stream(**asked) as stream:
        kinds = [event.type for event in stream]
    assert "response.refusal.done" in kinds
    assert "response.function_call_arguments.done" not in kinds


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "a Syrah", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "a Syrah", "conversation": "conv_1"}, "conversation"),
        ({"input": "a Syrah", "prompt": {"id": "p"}}, "prompt"),
        ({"input": "a Syrah", "background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
        ({"input": []}, "input"),
        ({}, "input"),
        ({"input": [{"role": "assistant", "content": "hello"}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input"),
        ({"input": "x" * 20_001}, "input"),
        ({"input": "a Syrah", "tool_choice": "required"}, "tool_choice"),
        ({"input": "a Syrah", "max_output_tokens": 0}, "max_output_tokens"),
        (
            {"input": "a", "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "array"}}}},
            "text.format",
        ),
        ({"input": "a Syrah", "convrec": {"users": "x"}}, "convrec.users"),
    ],
)
def test_bad_requests(url: str, body: dict[str, object], param: str) -> None:
    answer = _ask(url, **body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


def test_an_unknown_model(client: openai.OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.NotFoundError) as caught:
            client.responses.create(model="gpt-4o", input="a Syrah", stream=stream)
        assert caught.value.code == "model_not_found"
