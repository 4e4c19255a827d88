import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from convrec.engine.base import Sampling
from convrec.service.api import create_app
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.chat import chat, spoken
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.server import serving

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


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    with small_recommender(tmp_path_factory.mktemp("openai"), PROMPTS, FakeEngine()) as small:
        yield small


@pytest.fixture(scope="module")
def url(recommender: Recommender) -> Iterator[str]:
    with _serving(recommender) as base_url:
        yield base_url


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
    response = chat(url, messages=spoken("a Malbec"), stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.content.split(b"\n\n")
    assert events.pop() == b""
    assert events.pop() == b"data: [DONE]"
    assert all(event.startswith(b"data: {") and b"\n" not in event for event in events)
    assert not any("usage" in json.loads(event[6:]) for event in events)


def test_a_session_goes_on_without_its_messages(url: str) -> None:
    def ask(message: str) -> dict[str, list[dict[str, str]]]:
        response = chat(url, messages=spoken(message), convrec={"user_id": "o3", "session_id": "s-o3", "k": 20})
        return response.json()["choices"][0]["message"]["convrec"]  # type: ignore[no-any-return]

    syrah = ask("a Syrah")
    cheaper = ask("under 20")
    assert syrah["recommendations"]
    assert {tuple(r["attributes"]["grape"]) for r in cheaper["recommendations"]} == {("Syrah",)}  # type: ignore[index]
    assert max(r["attributes"]["price"] for r in cheaper["recommendations"]) <= 20  # type: ignore[index]


def test_a_stateless_client_sends_its_messages_again(url: str) -> None:
    response = chat(url, messages=spoken("a Syrah", "under 20"), convrec={"k": 20})
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
    slate = chat(url, messages=spoken("a Syrah"), **names).json()["choices"][0]["message"]["convrec"]
    assert slate["user_id"] == user_id


def test_strangers_are_kept_apart(url: str) -> None:
    slates = [chat(url, messages=spoken("hi")).json()["choices"][0]["message"]["convrec"] for _ in range(2)]
    assert all(slate["user_id"].startswith("anon-") for slate in slates)
    assert slates[0]["user_id"] != slates[1]["user_id"]
    assert slates[0]["session_id"] != slates[1]["session_id"]


def test_text_parts_are_a_message(url: str, recommender: Recommender) -> None:
    parts = [{"type": "text", "text": "a Malbec"}, {"type": "text", "text": "under 30"}]
    response = chat(url, messages=[{"role": "user", "content": parts}], convrec={"session_id": "s-parts"})
    assert response.status_code == 200
    assert recommender.ledger.turns("s-parts")[0].message == "a Malbec\nunder 30"


@pytest.mark.parametrize("message", ["", " \n", "\0"])
def test_an_empty_message_gets_a_slate_all_the_same(url: str, message: str) -> None:
    response = chat(url, messages=[{"role": "user", "content": message}])
    assert response.status_code == 200
    assert len(response.json()["choices"][0]["message"]["convrec"]["recommendations"]) == 5


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "hello"}]}, "messages"),
        ({"messages": spoken("x" * 20_001)}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages",
        ),
        ({"messages": [{"role": "wizard", "content": "hello"}]}, "messages.0.role"),
        ({"messages": spoken("hi"), "n": 2}, "n"),
        ({"messages": spoken("hi"), "convrec": {"users": "x"}}, "convrec.users"),
        ({"messages": spoken("hi"), "convrec": {"k": 0}}, "convrec.k"),
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
        response = chat(url, messages=spoken("a Syrah"), stream=True)
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
    body = {"model": "convrec", "messages": spoken("a Syrah"), "stream": stream}
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


def test_items_with_an_address_are_cited(tmp_path: Path) -> None:
    with small_recommender(tmp_path, PROMPTS, FakeEngine()) as small:
        for item in small.catalogue.values():
            object.__setattr__(item, "attributes", {**item.attributes, "url": f"https://w.example/{item.item_id}"})
        with _serving(small) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as sdk:
            asked: list[ChatCompletionMessageParam] = [{"role": "user", "content": "a Syrah"}]
            message = sdk.chat.completions.create(model="convrec", messages=asked).choices[0].message
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
