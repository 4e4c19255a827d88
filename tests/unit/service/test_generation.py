"""What clients wish of a reply: how long, how random, in which schema, as which function's arguments."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessage

from convrec.engine.base import Sampling
from convrec.errors import EngineError
from convrec.service.api import create_app
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.chat import chat, item_ids, spoken
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.server import serving

PROMPTS = Path(__file__).parents[3] / "prompts"


class _Model:
    """What the language model says, and how it was asked."""

    def __init__(self) -> None:
        self.says: str = "Here is what I found."
        self.asked: list[Sampling] = []

    def __call__(self, _: str, sampling: Sampling) -> str:
        self.asked.append(sampling)
        return self.says


@pytest.fixture(scope="module")
def the_model() -> _Model:
    return _Model()


@pytest.fixture
def model(the_model: _Model) -> _Model:
    the_model.__init__()  # type: ignore[misc]
    return the_model


@pytest.fixture(scope="module")
def engine(the_model: _Model) -> FakeEngine:
    return FakeEngine(the_model)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory, engine: FakeEngine) -> Iterator[Recommender]:
    with small_recommender(tmp_path_factory.mktemp("openai"), PROMPTS, engine) as small:
        yield small


@pytest.fixture(scope="module")
def url(recommender: Recommender) -> Iterator[str]:
    app = create_app(RecommenderSlot(recommender), info=ServerInfo("fake-lm", "0", 0.0))
    with serving(app) as base_url:
        yield base_url


def _message(completion: ChatCompletion) -> ChatCompletionMessage:
    (choice,) = completion.choices
    return choice.message


def _tool(name: str, parameters: dict[str, Any] | None = None) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


class _Wine(pydantic.BaseModel):
    item_id: str
    title: str
    price: float
    why: str
    occasion: Literal["lunch", "dinner"]


class _Wines(pydantic.BaseModel):
    reply: str
    wines: list[_Wine]


def _response_format() -> dict[str, object]:
    return {"type": "json_schema", "json_schema": {"name": "wines", "schema": _Wines.model_json_schema()}}


class TestOptions:
    def test_max_tokens_cut_the_reply(self, client: openai.OpenAI) -> None:
        completion = client.chat.completions.create(
            model="convrec", messages=[{"role": "user", "content": "a Syrah"}], max_tokens=4
        )
        assert completion.choices[0].finish_reason == "length"
        assert completion.usage is not None
        assert completion.usage.completion_tokens == 4
        longer = client.chat.completions.create(
            model="convrec",
            messages=[{"role": "user", "content": "a Syrah"}],
            max_tokens=4,
            max_completion_tokens=500,
        )
        assert longer.choices[0].finish_reason == "stop"
        assert str(_message(longer).content).startswith(str(_message(completion).content))

    @pytest.mark.parametrize("stop", [["Syrah"], "Syrah"])
    def test_a_stop_string_ends_the_reply_before_it(self, client: openai.OpenAI, stop: list[str] | str) -> None:
        completion = client.chat.completions.create(
            model="convrec", messages=[{"role": "user", "content": "a Syrah"}], stop=stop
        )
        assert completion.choices[0].finish_reason == "stop"
        assert "Syrah" not in str(_message(completion).content)

    def test_a_stream_is_cut_likewise(self, client: openai.OpenAI) -> None:
        with client.chat.completions.stream(
            model="convrec", messages=[{"role": "user", "content": "a Syrah"}], max_completion_tokens=4
        ) as stream:
            chunks = [event.chunk for event in stream if event.type == "chunk"]
        assert chunks[-1].choices[0].finish_reason == "length"

    def test_temperature_and_seed_reach_the_engine(self, url: str, model: _Model) -> None:
        chat(url, messages=spoken("a Syrah"), temperature=0, seed=7)
        chat(url, messages=spoken("a Syrah"))
        assert [(sampling.temperature, sampling.seed) for sampling in model.asked[:1]] == [(0, 7)]
        assert model.asked[1].temperature == 0.7
        assert model.asked[1].seed not in (None, 7)

    def test_what_has_no_effect_is_listed(self, client: openai.OpenAI) -> None:
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        completion = client.chat.completions.create(
            model="convrec",
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a Syrah"}],
            tools=[tool],  # type: ignore[list-item]
            tool_choice="auto",
            top_p=0.5,
            store=True,
            metadata={"a": "b"},
            temperature=0.1,
            extra_body={"wizardry": 1, "nothing": None},
        )
        message = _message(completion)
        assert message.tool_calls is None
        assert (message.model_extra or {})["convrec"]["ignored"] == [
            "metadata",
            "store",
            "tools",
            "top_p",
            "wizardry",
            "messages.0",
        ]

    def test_nothing_is_listed_where_all_has_effect(self, url: str) -> None:
        answer = chat(url, messages=spoken("a Syrah"), store=False, tools=[], n=1, stop=None, tool_choice="none")
        assert answer.json()["choices"][0]["message"]["convrec"]["ignored"] == []

    def test_shapes_that_clients_send(self, url: str, recommender: Recommender) -> None:
        messages: list[dict[str, object]] = [
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "name": "ann", "content": "a Malbec"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "12"}]},
            {"role": "function", "name": "f", "content": "12"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "audio": {"id": "x"}},
            {"role": "user", "content": [{"type": "text", "text": "under 30"}]},
        ]
        answer = chat(url, messages=messages, convrec={"session_id": "s-shapes", "k": 20})
        assert answer.status_code == 200, answer.text
        slate = answer.json()["choices"][0]["message"]["convrec"]
        assert {tuple(r["attributes"]["grape"]) for r in slate["recommendations"]} == {("Malbec",)}
        assert recommender.ledger.turns("s-shapes")[-1].message == "under 30"

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"tool_choice": "required"}, "tool_choice"),
            ({"tool_choice": "always"}, "tool_choice"),
            ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
            ({"tool_choice": {"function": 1}, "tools": [{"type": "function", "function": 1}]}, "tool_choice"),
            ({"tool_choice": "required", "tools": [_tool("f"), _tool("g")]}, "tool_choice"),
            ({"tool_choice": "required", "tools": [_tool("f", {"type": "array"})]}, "tools"),
            ({"tool_choice": "required", "tools": [_tool("é")]}, "tools"),
            ({"temperature": 3}, "temperature"),
            ({"temperature": "warm"}, "temperature"),
            ({"max_tokens": 0}, "max_tokens"),
            ({"max_completion_tokens": -1}, "max_completion_tokens"),
            ({"seed": 2**63}, "seed"),
            ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
            ({"stop": 1}, "stop"),
            ({"metadata": {"a": 1}}, "metadata.a"),
            ({"response_format": {"type": "xml"}}, "response_format"),
            ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.json_schema"),
            (
                {
                    "response_format": {
                        "type": "json_schema",
                        "json_schema": {"name": "a", "schema": {"type": "x"}},
                    }
                },
                "response_format",
            ),
            (
                {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}},
                "response_format",
            ),
        ],
    )
    def test_what_is_refused(self, url: str, body: dict[str, object], param: str) -> None:
        answer = chat(url, messages=spoken("a Syrah"), **body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param


class TestJson:
    def test_parse_gives_the_slate_in_the_client_s_model(self, client: openai.OpenAI) -> None:
        completion = client.chat.completions.parse(
            model="convrec",
            messages=[{"role": "user", "content": "a Syrah under 20"}],
            response_format=_Wines,
            user="j1",
        )
        message = completion.choices[0].message
        assert message.parsed is not None
        slate = (message.model_extra or {})["convrec"]["recommendations"]
        assert [(w.item_id, w.title, w.price, w.why) for w in message.parsed.wines] == [
            (r["item_id"], r["title"], r["attributes"]["price"], r["why"]) for r in slate
        ]
        assert message.refusal is None

    def test_the_engine_chooses_what_is_open(self, url: str, model: _Model) -> None:
        asked: dict[str, Any] = {"messages": spoken("a Syrah"), "response_format": _response_format()}
        model.says = ""
        usual = chat(url, **asked).json()["choices"][0]["message"]["content"]
        model.says = usual.replace("lunch", "dinner")
        chosen = chat(url, **asked, temperature=0.2).json()["choices"][0]["message"]["content"]
        assert {wine.occasion for wine in _Wines.model_validate_json(usual).wines} == {"lunch"}
        assert {wine.occasion for wine in _Wines.model_validate_json(chosen).wines} == {"dinner"}
        assert "dinner" in str(model.asked[1].grammar)
        assert model.asked[1].temperature == 0.2

    @pytest.mark.parametrize("said", ["", "{", '{"reply":"Try w99","wines":[]}', "NaN", "[" * 10_000])
    def test_an_engine_that_keeps_to_no_schema_changes_nothing(self, url: str, model: _Model, said: str) -> None:
        model.says = said
        message = chat(url, messages=spoken("a Syrah"), response_format=_response_format()).json()["choices"][0][
            "message"
        ]
        assert model.asked
        wines = _Wines.model_validate_json(message["content"])
        assert [wine.item_id for wine in wines.wines] == item_ids(message["convrec"])

    def test_a_slate_without_the_engine_is_in_the_schema_too(
        self, url: str, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def score(*_: object) -> float:
            raise EngineError("told to fail")

        monkeypatch.setattr(engine, "_scores", score)
        message = chat(url, messages=spoken("a Syrah"), response_format=_response_format()).json()["choices"][0][
            "message"
        ]
        assert message["convrec"]["degraded"]
        assert len(_Wines.model_validate_json(message["content"]).wines) == 5

    def test_a_slate_that_cannot_fill_the_schema_is_a_refusal(self, client: openai.OpenAI) -> None:
        class Pick(pydantic.BaseModel):
            item_id: Literal["no such wine"]

        completion = client.chat.completions.parse(
            model="convrec", messages=[{"role": "user", "content": "a Syrah"}], response_format=Pick
        )
        message = completion.choices[0].message
        assert message.parsed is None
        assert message.content is None
        assert message.refusal
        with client.chat.completions.stream(
            model="convrec", messages=[{"role": "user", "content": "a Syrah"}], response_format=Pick
        ) as stream:
            final = stream.get_final_completion().choices[0].message
        assert (final.refusal, final.parsed) == (message.refusal, None)

    def test_a_stream_of_json_parses(self, client: openai.OpenAI) -> None:
        with client.chat.completions.stream(
            model="convrec", messages=[{"role": "user", "content": "a Syrah"}], response_format=_Wines
        ) as stream:
            parsed = stream.get_final_completion().choices[0].message.parsed
        assert parsed is not None
        assert len(parsed.wines) == 5

    def test_json_without_a_schema(self, url: str) -> None:
        answer = chat(url, messages=spoken("a Syrah"), response_format={"type": "json_object"}).json()
        message = answer["choices"][0]["message"]
        said = json.loads(message["content"])
        assert [entry["item_id"] for entry in said["recommendations"]] == item_ids(message["convrec"])
        assert said["reply"]

    def test_json_that_is_cut_says_so(self, client: openai.OpenAI) -> None:
        with pytest.raises(openai.LengthFinishReasonError):
            client.chat.completions.parse(
                model="convrec",
                messages=[{"role": "user", "content": "a Syrah"}],
                response_format=_Wines,
                max_tokens=5,
            )


class TestTools:
    """Functions are called where a client insists, and never else."""

    def test_a_named_function_gets_the_slate(self, client: openai.OpenAI) -> None:
        tool = openai.pydantic_function_tool(_Wines, name="show")
        completion = client.chat.completions.parse(
            model="convrec",
            messages=[{"role": "user", "content": "a Syrah"}],
            tools=[openai.pydantic_function_tool(_Wine, name="other"), tool],
            tool_choice={"type": "function", "function": {"name": "show"}},
        )
        (choice,) = completion.choices
        assert (choice.message.content, choice.finish_reason) == (None, "stop")
        assert choice.message.tool_calls is not None
        (call,) = choice.message.tool_calls
        assert call.function.name == "show"
        assert isinstance(call.function.parsed_arguments, _Wines)
        slate = (choice.message.model_extra or {})["convrec"]
        assert [wine.item_id for wine in call.function.parsed_arguments.wines] == item_ids(slate)
        assert slate["ignored"] == []

    def test_a_required_call_is_streamed(self, client: openai.OpenAI) -> None:
        with client.chat.completions.stream(
            model="convrec",
            messages=[{"role": "user", "content": "a Syrah"}],
            tools=[openai.pydantic_function_tool(_Wines, name="show")],
            tool_choice="required",
        ) as stream:
            (choice,) = stream.get_final_completion().choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls is not None
        (call,) = choice.message.tool_calls
        assert isinstance(call.function.parsed_arguments, _Wines)
        assert len(call.function.parsed_arguments.wines) == 5

    @pytest.mark.parametrize("stream", [True, False])
    def test_a_function_that_cannot_be_filled_is_a_refusal(self, url: str, stream: bool) -> None:
        parameters = {"type": "object", "properties": {"item_id": {"const": "zz"}}, "required": ["item_id"]}
        answer = chat(
            url,
            messages=spoken("a Syrah"),
            tools=[_tool("f", parameters)],
            tool_choice="required",
            stream=stream,
        ).text
        assert '"refusal":"' in answer.replace('": "', '":"')
        assert '"tool_calls":[' not in answer
        assert '"finish_reason":"tool_calls"' not in answer
