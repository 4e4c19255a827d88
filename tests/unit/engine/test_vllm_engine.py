"""How the engine takes what a vLLM server says when things go wrong, from a server that says it on demand."""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from convrec.engine.base import AdapterRef, Labels, Sampling
from convrec.engine.vllm import VllmEngine
from convrec.engine.vllm_server import VllmServer
from convrec.errors import EngineError, EngineTimeoutError, EngineUnavailableError

pytestmark = pytest.mark.model

LABELS = Labels(10, 11)
SCORES = {"data": [{"index": 1, "score": 0.25}, {"index": 0, "score": 0.75}]}


class Server:
    """Answers a path with (status, body) from `answers`; a body is JSON or text, a status of None is silence."""

    def __init__(self, tokenizer):
        self.answers = {"/v1/models": (200, {"data": [{"id": "m", "max_model_len": 64}]})}
        self.tokenize = tokenizer.encode
        self.seen = []
        self.hung_up = 0

    async def handle(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        _, path, _ = head.split(" ", 2)
        length = next(
            (int(line[15:]) for line in head.lower().splitlines() if line.startswith("content-length:")), 0
        )
        body = json.loads(await reader.readexactly(length)) if length else None
        self.seen.append((path, body))
        if path == "/tokenize":
            status, answer = 200, {"tokens": self.tokenize(body["prompt"])}
        else:
            status, answer = (
                self.answers[path].pop(0) if isinstance(self.answers[path], list) else self.answers[path]
            )
        if status is not None:
            text = answer if isinstance(answer, str) else json.dumps(answer)
            writer.write(f"HTTP/1.1 {status} X\r\nConnection: close\r\n\r\n{text}".encode())
            await writer.drain()
        else:
            await reader.read()  # until the client hangs up
            self.hung_up += 1
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def _served(tokenizer):
    server = Server(tokenizer)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    async with listener:
        yield server, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


@pytest.fixture
async def served(hf_tokenizer):
    async with _served(hf_tokenizer) as pair:
        yield pair


@pytest.fixture
async def engine(model_dir, served):
    engine = VllmEngine(model_dir, urls=[served[1] + "/"], score_timeout_s=1.0, reply_timeout_s=1.0)
    await engine.start()
    yield engine
    await engine.close()


def _events(*texts, end="data: [DONE]\n\n"):
    return "".join(f"data: {json.dumps({'choices': [{'text': text}]})}\n\n" for text in texts) + end


async def _text(engine, **sampling):
    return [piece async for piece in engine.generate([5], Sampling(9, **sampling))]


async def test_scores_come_in_the_order_of_the_segments(engine, served):
    served[0].answers["/generative_scoring"] = (200, SCORES)
    assert await engine.score([5], [[6], [7]], LABELS) == [0.75, 0.25]
    _, body = served[0].seen[-1]
    assert body["model"] == "m"
    assert body["label_token_ids"] == [10, 11]
    assert body["add_special_tokens"] is False


async def test_a_salt_is_sent_with_scores_and_texts_and_none_without(engine, served):
    served[0].answers["/generative_scoring"] = (200, SCORES)
    served[0].answers["/v1/completions"] = (200, _events("a"))
    for salt in ("5f", None):
        await engine.score([5], [[6], [7]], LABELS, salt=salt)
        assert served[0].seen[-1][1].get("cache_salt") == salt
        assert [piece async for piece in engine.generate([5], Sampling(9), salt=salt)] == ["a"]
        assert served[0].seen[-1][1].get("cache_salt") == salt


@pytest.mark.parametrize(
    ("status", "error"), [(400, EngineError), (429, EngineUnavailableError), (500, EngineUnavailableError)]
)
async def test_refusals_carry_the_servers_words(engine, served, status, error):
    served[0].answers["/generative_scoring"] = (status, {"error": {"message": "because"}})
    with pytest.raises(error, match="because") as raised:
        await engine.score([5], [[6]], LABELS)
    assert type(raised.value) is error


async def test_a_prompt_that_would_be_cut_off_is_refused(engine, served):
    served[0].answers["/generative_scoring"] = (200, SCORES)
    assert await engine.score([5] * 60, [[6], [7] * 3], LABELS)
    with pytest.raises(EngineError, match="64"):
        await engine.score([5] * 60, [[6], [7] * 4], LABELS)


async def test_silence_times_out(engine, served):
    served[0].answers |= {"/generative_scoring": (None, ""), "/v1/completions": (None, "")}
    with pytest.raises(EngineTimeoutError, match="CONVREC_SCORE_TIMEOUT_S"):
        await engine.score([5], [[6]], LABELS)
    with pytest.raises(EngineTimeoutError, match="CONVREC_REPLY_TIMEOUT_S"):
        await _text(engine)
    await asyncio.sleep(0.05)
    assert served[0].hung_up == 2


async def test_text_streams_piece_by_piece(engine, served):
    served[0].answers["/v1/completions"] = (200, ": ping\n\n" + _events("Hel", "lo", ""))
    assert await _text(engine, seed=3, schema="{}", stop=("x",)) == ["Hel", "lo"]
    _, body = served[0].seen[-1]
    assert body["structured_outputs"] == {"json": "{}"}
    assert (body["seed"], body["stop"], body["max_tokens"]) == (3, ["x"], 9)


@pytest.mark.parametrize(
    ("end", "words"), [("", "early"), ('data: {"error": {"message": "engine died"}}\n\ndata: [DONE]\n\n', "died")]
)
async def test_a_reply_that_breaks_off_is_an_error_after_its_beginning(engine, served, end, words):
    served[0].answers["/v1/completions"] = (200, _events("Hel", end=end))
    pieces = engine.generate([5], Sampling(9))
    assert await anext(pieces) == "Hel"
    with pytest.raises(EngineUnavailableError, match=words):
        await anext(pieces)


async def test_a_server_that_forgot_an_adapter_is_given_it_again(engine, served, tmp_path):
    server, _ = served
    server.answers["/v1/load_lora_adapter"] = (200, "ok")
    server.answers["/generative_scoring"] = [(404, {"error": {"message": "no such model"}}), (200, SCORES)]
    await engine.load_adapter(AdapterRef("a@1", tmp_path))
    assert await engine.score([5], [[6], [7]], LABELS, adapter="a@1") == [0.75, 0.25]
    paths = [path for path, _ in server.seen[-4:]]
    assert paths == [
        "/v1/load_lora_adapter",
        "/generative_scoring",
        "/v1/load_lora_adapter",
        "/generative_scoring",
    ]


async def test_an_adapter_name_stands_for_one_path(engine, served, tmp_path):
    served[0].answers["/v1/load_lora_adapter"] = [(200, "ok"), (500, {"error": {"message": "rank 64"}})]
    await engine.load_adapter(AdapterRef("a@1", tmp_path))
    with pytest.raises(EngineError, match="names are used once"):
        await engine.load_adapter(AdapterRef("a@1", tmp_path / "other"))
    with pytest.raises(EngineError, match="rank 64"):
        await engine.load_adapter(AdapterRef("a@2", tmp_path))


async def test_another_server_takes_over(model_dir, hf_tokenizer):
    async with _served(hf_tokenizer) as (one, first), _served(hf_tokenizer) as (two, second):
        engine = VllmEngine(model_dir, urls=[first, second])
        await engine.start()
        one.answers["/generative_scoring"] = (503, {})
        two.answers["/generative_scoring"] = (200, SCORES)
        one.answers["/health"] = (500, "")
        two.answers["/health"] = (200, "")
        for token in (5, 6, 7, 8):
            assert await engine.score([token], [[6], [7]], LABELS) == [0.75, 0.25]
        health = await engine.health()
        assert health.ready
        assert "1 of 2" in health.detail
        await engine.close()


async def test_nobody_there(model_dir):
    engine = VllmEngine(model_dir, urls=["http://127.0.0.1:9"])
    with pytest.raises(EngineUnavailableError, match=r"127\.0\.0\.1:9"):
        await engine.start()
    assert not (await engine.health()).ready
    with pytest.raises(EngineUnavailableError):
        await engine.score([5], [[6]], LABELS)


async def test_another_tokenizer_is_not_taken_for_ours(model_dir, served):
    served[0].tokenize = lambda text: [1, 2, 3]
    engine = VllmEngine(model_dir, urls=[served[1]])
    with pytest.raises(EngineUnavailableError, match="CONVREC_MODEL"):
        await engine.start()


def test_urls_or_a_server_but_not_both(model_dir, tmp_path):
    server = VllmServer(model_dir, logs_dir=tmp_path)
    with pytest.raises(ValueError, match="URLs"):
        VllmEngine(model_dir)
    with pytest.raises(ValueError, match="URLs"):
        VllmEngine(model_dir, urls=["http://x"], server=server)


@asynccontextmanager
async def _several(model_dir, tokenizer, count):
    """An engine before so many servers."""
    async with AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(_served(tokenizer)) for _ in range(count)]
        for server, _ in pairs:
            server.answers["/v1/models"] = (200, {"data": [{"id": "m", "max_model_len": 256}]})
            server.answers["/generative_scoring"] = (200, {"data": [{"index": 0, "score": 0.5}]})
        engine = VllmEngine(model_dir, urls=[url for _, url in pairs], score_timeout_s=5.0)
        await engine.start()
        stack.push_async_callback(engine.close)
        yield engine, [server for server, _ in pairs]


def _asked(server):
    return sum(path == "/generative_scoring" for path, _ in server.seen)


async def test_people_are_spread_and_each_keeps_a_server(model_dir, hf_tokenizer):
    async with _several(model_dir, hf_tokenizer, 3) as (engine, servers):
        for person in range(60):
            history = [7 + person] * 100
            before = [_asked(server) for server in servers]
            for turn in range(3):  # the conversation grows behind what a person's prompts have in common
                await engine.score([*history, *range(8, 8 + turn)], [[6]], LABELS)
            grown = [_asked(server) - count for server, count in zip(servers, before, strict=True)]
            assert sorted(grown) == [0, 0, 3]
        assert min(_asked(server) for server in servers) >= 3 * 3


async def test_a_dead_server_costs_its_share_and_is_not_asked_again_at_once(model_dir, hf_tokenizer):
    async with _several(model_dir, hf_tokenizer, 3) as (engine, servers):
        dead = servers[0]
        dead.answers["/generative_scoring"] = (500, {"error": {"message": "dead"}})
        for person in range(60):
            assert await engine.score([7 + person] * 100, [[6]], LABELS) == [0.5]
        assert _asked(dead) == 1
        others = [_asked(server) for server in servers[1:]]
        assert sum(others) == 60
        assert min(others) >= 15, "the dead server's share is spread"


async def test_slates_come_before_prose(engine, served):
    served[0].answers |= {"/generative_scoring": (200, SCORES), "/v1/completions": (200, _events("a"))}
    await engine.score([5], [[6], [7]], LABELS)
    await _text(engine)
    (_, score), (_, text) = served[0].seen[-2:]
    assert score.get("priority", 0) < text["priority"]
