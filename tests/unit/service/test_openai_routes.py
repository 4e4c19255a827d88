import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pydantic
import pytest

from convrec.engine.base import Sampling
from convrec.errors import EngineError
from convrec.ranking.blend import Blend
from convrec.ranking.ranker import RankingVersion
from convrec.service.api import create_app
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.service.versions import Versions
from convrec.testing.adapters import publish_adapter
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.retriever import HashEmbedder
from convrec.testing.server import serving
from convrec.training.registry import AdapterVersion, Registry

PROMPTS = Path(__file__).parents[3] / "prompts"
INFO = ServerInfo(model="fake-lm", version="1.2.3", started=1000.0)


class _SlowEngine(FakeEngine):
    """Never finishes a reply, and tells when it was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = threading.Event()

    async def generate(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> AsyncIterator[str]:
        try:
            while True:
                await asyncio.sleep(0.01)
                yield ""
        finally:
            self.stopped.set()


@contextmanager
def _serving(recommender: Recommender) -> Iterator[str]:
    with serving(create_app(RecommenderSlot(recommender), info=INFO)) as url:
        yield url


class _Model:
    """What the language model says, and how it was asked."""

    def __init__(self) -> None:
        self.says: str | Callable[[Sampling], str] = "Here is what I found."
        self.asked: list[Sampling] = []

    def __call__(self, _: str, sampling: Sampling) -> str:
        self.asked.append(sampling)
        return self.says if isinstance(self.says, str) else self.says(sampling)


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
    with _serving(recommender) as base_url:
        yield base_url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def _chat(url: str, **body: object) -> httpx.Response:
    return httpx.post(f"{url}/v1/chat/completions", json={"model": "convrec", **body}, trust_env=False)


def _said(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text} for text in texts]


def _item_ids(slate: dict[str, list[dict[str, str]]]) -> list[str]:
    return [recommendation["item_id"] for recommendation in slate["recommendations"]]


def test_models(client: openai.OpenAI) -> None:
    (card,) = client.models.list().data
    assert (card.id, card.created, card.model_extra) == ("convrec", 1000, {"root": "fake-lm", "parent": None})
    assert client.models.retrieve("convrec").id == "convrec"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4o")
    assert caught.value.code == "model_not_found"


def test_a_completion_carries_the_slate(client: openai.OpenAI, recommender: Recommender) -> None:
    completion = client.chat.completions.create(
        model="convrec",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a Riesling, please"}],
        temperature=0.3,
        max_tokens=50,
        extra_body={"convrec": {"user_id": "o1", "session_id": "s-o1", "k": 2}},
    )
    (choice,) = completion.choices
    assert (completion.object, completion.model, choice.finish_reason) == ("chat.completion", "convrec", "stop")
    assert choice.message.role == "assistant"
    assert choice.message.content
    slate = (choice.message.model_extra or {})["convrec"]
    assert (slate["user_id"], slate["session_id"], len(slate["recommendations"])) == ("o1", "s-o1", 2)
    assert all(r["attributes"]["grape"] == ["Riesling"] for r in slate["recommendations"])
    assert completion.usage is not None
    assert completion.usage.prompt_tokens > 0
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    (turn,) = recommender.ledger.turns("s-o1")
    assert (turn.event_id, turn.message) == (slate["turn_id"], "a Riesling, please")


def test_a_stream_shows_the_slate_before_the_prose(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="convrec",
        messages=[{"role": "user", "content": "a Chardonnay"}],
        stream=True,
        stream_options={"include_usage": True},
        user="o2",
    ) as stream:
        chunks = list(stream)
    assert len({(chunk.id, chunk.created, chunk.object) for chunk in chunks}) == 1
    first, *middle, last, usage = chunks
    delta = first.choices[0].delta
    assert (delta.role, delta.content) == ("assistant", "")
    slate = (delta.model_extra or {})["convrec"]
    assert slate["user_id"] == "o2"
    assert len(slate["recommendations"]) == 5
    assert all(chunk.choices[0].delta.content and not chunk.choices[0].delta.model_extra for chunk in middle)
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert last.choices[0].delta.content is None
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.completion_tokens > 0


def test_the_sdk_s_stream_helper_keeps_the_slate(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="convrec", messages=[{"role": "user", "content": "a Syrah"}]
    ) as stream:
        final = stream.get_final_completion()
    message = final.choices[0].message
    assert message.content
    assert len((message.model_extra or {})["convrec"]["recommendations"]) == 5


def test_the_wire_has_data_lines_only_and_ends_with_done(url: str) -> None:
    response = _chat(url, messages=_said("a Malbec"), stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.content.split(b"\n\n")
    assert events.pop() == b""
    assert events.pop() == b"data: [DONE]"
    assert all(event.startswith(b"data: {") and b"\n" not in event for event in events)
    assert not any("usage" in json.loads(event[6:]) for event in events)


def test_a_session_goes_on_without_its_messages(url: str) -> None:
    def ask(message: str) -> dict[str, list[dict[str, str]]]:
        response = _chat(url, messages=_said(message), convrec={"user_id": "o3", "session_id": "s-o3", "k": 20})
        return response.json()["choices"][0]["message"]["convrec"]  # type: ignore[no-any-return]

    syrah = ask("a Syrah")
    cheaper = ask("under 20")
    assert syrah["recommendations"]
    assert {tuple(r["attributes"]["grape"]) for r in cheaper["recommendations"]} == {("Syrah",)}  # type: ignore[index]
    assert max(r["attributes"]["price"] for r in cheaper["recommendations"]) <= 20  # type: ignore[index]


def test_a_stateless_client_sends_its_messages_again(url: str) -> None:
    response = _chat(url, messages=_said("a Syrah", "under 20"), convrec={"k": 20})
    slate = response.json()["choices"][0]["message"]["convrec"]
    assert {tuple(r["attributes"]["grape"]) for r in slate["recommendations"]} == {("Syrah",)}


@pytest.mark.parametrize(
    ("names", "user_id"),
    [
        ({"user": "a", "safety_identifier": "b", "convrec": {"user_id": "c"}}, "c"),
        ({"user": "a", "safety_identifier": "b"}, "a"),
        ({"user": "", "safety_identifier": "b"}, "b"),
    ],
)
def test_who_asks(url: str, names: dict[str, object], user_id: str) -> None:
    slate = _chat(url, messages=_said("a Syrah"), **names).json()["choices"][0]["message"]["convrec"]
    assert slate["user_id"] == user_id


def test_strangers_are_kept_apart(url: str) -> None:
    slates = [_chat(url, messages=_said("hi")).json()["choices"][0]["message"]["convrec"] for _ in range(2)]
    assert all(slate["user_id"].startswith("anon-") for slate in slates)
    assert slates[0]["user_id"] != slates[1]["user_id"]
    assert slates[0]["session_id"] != slates[1]["session_id"]


def test_text_parts_are_a_message(url: str, recommender: Recommender) -> None:
    parts = [{"type": "text", "text": "a Malbec"}, {"type": "text", "text": "under 30"}]
    response = _chat(url, messages=[{"role": "user", "content": parts}], convrec={"session_id": "s-parts"})
    assert response.status_code == 200
    assert recommender.ledger.turns("s-parts")[0].message == "a Malbec\nunder 30"


@pytest.mark.parametrize("message", ["", " \n", "\0"])
def test_an_empty_message_gets_a_slate_all_the_same(url: str, message: str) -> None:
    response = _chat(url, messages=[{"role": "user", "content": message}])
    assert response.status_code == 200
    assert len(response.json()["choices"][0]["message"]["convrec"]["recommendations"]) == 5


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "hello"}]}, "messages"),
        ({"messages": _said("x" * 20_001)}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages",
        ),
        ({"messages": [{"role": "wizard", "content": "hello"}]}, "messages.0.role"),
        ({"messages": _said("hi"), "n": 2}, "n"),
        ({"messages": _said("hi"), "convrec": {"users": "x"}}, "convrec.users"),
        ({"messages": _said("hi"), "convrec": {"k": 0}}, "convrec.k"),
    ],
)
def test_bad_requests(client: openai.OpenAI, body: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="convrec", messages=[], extra_body=body)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")


def test_an_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_failure_before_the_slate_has_a_status(tmp_path: Path) -> None:
    with small_recommender(tmp_path, PROMPTS, FakeEngine()) as broken, _serving(broken) as url:
        _drop_ledger(tmp_path)
        response = _chat(url, messages=_said("a Syrah"), stream=True)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "ledger_unavailable"


def test_a_failure_after_the_slate_is_an_event_of_the_stream(tmp_path: Path) -> None:
    class LedgerEatingEngine(FakeEngine):
        def generate(
            self,
            prompt: Sequence[int],
            sampling: Sampling,
            adapter: str | None = None,
            salt: str | None = None,
        ) -> AsyncIterator[str]:
            _drop_ledger(tmp_path)
            return super().generate(prompt, sampling, adapter, salt)

    with small_recommender(tmp_path, PROMPTS, LedgerEatingEngine()) as broken, _serving(broken) as url:
        with (
            openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as sdk,
            sdk.chat.completions.create(
                model="convrec", messages=[{"role": "user", "content": "a Syrah"}], stream=True
            ) as stream,
        ):
            first = next(stream)
            with pytest.raises(openai.APIError, match="ledger"):
                list(stream)
        metrics = httpx.get(f"{url}/metrics", trust_env=False).text
    assert (first.choices[0].delta.model_extra or {})["convrec"]["recommendations"]
    assert 'convrec_errors_total{status="503"} 1.0' in metrics


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_stops_the_turn(tmp_path: Path, stream: bool) -> None:
    engine = _SlowEngine()
    body = {"model": "convrec", "messages": _said("a Syrah"), "stream": stream}
    with small_recommender(tmp_path, PROMPTS, engine) as slow, _serving(slow) as url:
        timeout = httpx.Timeout(5.0, read=None if stream else 1.0)
        with httpx.Client(base_url=url, timeout=timeout, trust_env=False) as http:
            if stream:
                with http.stream("POST", "/v1/chat/completions", json=body) as response:
                    chunks = response.iter_raw()  # held: a forgotten iterator closes the connection
                    assert b"impression_id" in next(chunks)
                    assert not engine.stopped.is_set()
            else:
                with pytest.raises(httpx.ReadTimeout):
                    http.post("/v1/chat/completions", json=body)
        assert engine.stopped.wait(5.0)


def _drop_ledger(folder: Path) -> None:
    connection = sqlite3.connect(folder / "ledger.db")
    connection.execute("DROP TABLE events")
    connection.commit()
    connection.close()


def _message(completion: openai.types.chat.ChatCompletion) -> openai.types.chat.ChatCompletionMessage:
    (choice,) = completion.choices
    return choice.message


def _tool(name: str, parameters: dict[str, Any] | None = None) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


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
        _chat(url, messages=_said("a Syrah"), temperature=0, seed=7)
        _chat(url, messages=_said("a Syrah"))
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
        answer = _chat(url, messages=_said("a Syrah"), store=False, tools=[], n=1, stop=None, tool_choice="none")
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
        answer = _chat(url, messages=messages, convrec={"session_id": "s-shapes", "k": 20})
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
        answer = _chat(url, messages=_said("a Syrah"), **body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param


class _Wine(pydantic.BaseModel):
    item_id: str
    title: str
    price: float
    why: str
    occasion: Literal["lunch", "dinner"]


class _Wines(pydantic.BaseModel):
    reply: str
    wines: list[_Wine]


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
        asked: dict[str, Any] = {"messages": _said("a Syrah"), "response_format": _response_format()}
        model.says = ""
        usual = _chat(url, **asked).json()["choices"][0]["message"]["content"]
        model.says = usual.replace("lunch", "dinner")
        chosen = _chat(url, **asked, temperature=0.2).json()["choices"][0]["message"]["content"]
        assert {wine.occasion for wine in _Wines.model_validate_json(usual).wines} == {"lunch"}
        assert {wine.occasion for wine in _Wines.model_validate_json(chosen).wines} == {"dinner"}
        assert "dinner" in str(model.asked[1].grammar)
        assert model.asked[1].temperature == 0.2

    @pytest.mark.parametrize("said", ["", "{", '{"reply":"Try w99","wines":[]}', "NaN", "[" * 10_000])
    def test_an_engine_that_keeps_to_no_schema_changes_nothing(self, url: str, model: _Model, said: str) -> None:
        model.says = said
        message = _chat(url, messages=_said("a Syrah"), response_format=_response_format()).json()["choices"][0][
            "message"
        ]
        assert model.asked
        wines = _Wines.model_validate_json(message["content"])
        assert [wine.item_id for wine in wines.wines] == _item_ids(message["convrec"])

    def test_a_slate_without_the_engine_is_in_the_schema_too(
        self, url: str, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def score(*_: object) -> float:
            raise EngineError("told to fail")

        monkeypatch.setattr(engine, "_scores", score)
        message = _chat(url, messages=_said("a Syrah"), response_format=_response_format()).json()["choices"][0][
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
        answer = _chat(url, messages=_said("a Syrah"), response_format={"type": "json_object"}).json()
        message = answer["choices"][0]["message"]
        said = json.loads(message["content"])
        assert [entry["item_id"] for entry in said["recommendations"]] == _item_ids(message["convrec"])
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
        assert [wine.item_id for wine in call.function.parsed_arguments.wines] == _item_ids(slate)
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
        answer = _chat(
            url,
            messages=_said("a Syrah"),
            tools=[_tool("f", parameters)],
            tool_choice="required",
            stream=stream,
        ).text
        assert '"refusal":"' in answer.replace('": "', '":"')
        assert '"tool_calls":[' not in answer
        assert '"finish_reason":"tool_calls"' not in answer


def _response_format() -> dict[str, object]:
    return {"type": "json_schema", "json_schema": {"name": "wines", "schema": _Wines.model_json_schema()}}


@pytest.fixture(scope="module")
def own_engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory, own_engine: FakeEngine) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    registry = Registry(folder / "adapters")
    publish_adapter(registry, blend=Blend(w_interest=0.9), created="2026-01-01T00:00:00+00:00")
    publish_adapter(registry, accepted=False, reasons=("it is worse",))
    publish_adapter(registry)

    async def load(version: AdapterVersion | None) -> RankingVersion:
        assert version is not None
        if version.label == "wines/3":
            raise EngineError("its files are damaged")
        await own_engine.load_adapter(version.ref)
        return RankingVersion(version.manifest.blend, version.ref.name)

    versions = Versions(registry, lambda _: None, load, own_engine.unload_adapter)
    with small_recommender(folder, PROMPTS, own_engine) as small:
        slot = RecommenderSlot(small, versions=versions, embedder=HashEmbedder(8))
        with serving(create_app(slot, info=replace(INFO, embedder="hash"))) as url:
            yield f"{url}/v1"


@pytest.fixture
def sdk(v1: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=v1, api_key="x", max_retries=0) as client:
        yield client


class TestModels:
    """Adapter versions and the embedder beside the base model."""

    def test_they_are_listed(self, sdk: openai.OpenAI) -> None:
        cards = {card.id: card for card in sdk.models.list().data}
        assert list(cards) == ["convrec", "wines@1", "wines@3", "convrec-embedding"]
        assert cards["wines@1"].created == 1767225600
        assert cards["wines@1"].model_extra == {"root": "fake", "parent": "convrec"}
        assert cards["convrec-embedding"].model_extra == {"root": "hash", "parent": None}
        assert sdk.models.retrieve("wines@1") == cards["wines@1"]

    def test_a_turn_is_ranked_by_the_version_that_it_names(self, sdk: openai.OpenAI) -> None:
        completion = sdk.chat.completions.create(
            model="wines@1", messages=[{"role": "user", "content": "a Syrah"}]
        )
        assert completion.model == "wines@1"
        assert (_message(completion).model_extra or {})["convrec"]["adapter"] == "wines@1"
        with sdk.chat.completions.create(
            model="wines@1", messages=[{"role": "user", "content": "a Syrah"}], stream=True
        ) as stream:
            assert {chunk.model for chunk in stream} == {"wines@1"}
        base = sdk.chat.completions.create(model="convrec", messages=[{"role": "user", "content": "a Syrah"}])
        assert (_message(base).model_extra or {})["convrec"]["adapter"] is None

    @pytest.mark.parametrize(
        ("model", "why"),
        [
            ("wines@2", "it is worse"),
            ("wines@3", "its files are damaged"),
            ("wines@4", "GET /v1/models"),
            ("convrec-embedding", "GET /v1/models"),
        ],
    )
    def test_others_do_not_exist(self, sdk: openai.OpenAI, model: str, why: str) -> None:
        for stream in (False, True):
            with pytest.raises(openai.NotFoundError, match=why) as caught:
                sdk.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "a Syrah"}], stream=stream
                )
            assert (caught.value.code, caught.value.param) == ("model_not_found", "model")

    def test_an_engine_that_is_down_is_no_missing_model(
        self, sdk: openai.OpenAI, own_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(own_engine, "fail", True)
        with pytest.raises(openai.InternalServerError) as caught:
            sdk.chat.completions.create(model="wines@1", messages=[{"role": "user", "content": "a Syrah"}])
        assert caught.value.status_code == 503


def test_items_with_an_address_are_cited(tmp_path: Path) -> None:
    with small_recommender(tmp_path, PROMPTS, FakeEngine()) as small:
        for item in small.catalogue.values():
            object.__setattr__(item, "attributes", {**item.attributes, "url": f"https://w.example/{item.item_id}"})
        with _serving(small) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as sdk:
            message = _message(
                sdk.chat.completions.create(model="convrec", messages=[{"role": "user", "content": "a Syrah"}])
            )
            with sdk.chat.completions.stream(
                model="convrec", messages=[{"role": "user", "content": "a Syrah"}], user="other"
            ) as stream:
                streamed = stream.get_final_completion().choices[0].message
    assert message.annotations
    for annotation in message.annotations:
        cited = annotation.url_citation
        assert str(message.content)[cited.start_index : cited.end_index] == cited.title
        assert cited.url.startswith("https://w.example/w")
    assert streamed.annotations
