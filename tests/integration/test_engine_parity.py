"""Both engines on the real model: each conforms, and they agree. The vLLM server starts once."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import aclosing, suppress
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from convrec.engine.base import AdapterRef, Labels, Message, Sampling
from convrec.engine.transformers import TransformersEngine
from convrec.engine.vllm import VllmEngine, vllm_available
from convrec.engine.vllm_server import VllmServer
from convrec.errors import EngineUnavailableError
from convrec.testing.engine_conformance import ModelConformance

pytestmark = pytest.mark.model
on_one_loop = pytest.mark.asyncio(loop_scope="session")
needs_vllm = [
    on_one_loop,
    pytest.mark.vllm,
    pytest.mark.skipif(vllm_available() is not None, reason=str(vllm_available())),
]

PATIENCE = {"score_timeout_s": 120.0, "reply_timeout_s": 300.0}
"""A machine that runs tests may be busy with others."""


@pytest.fixture(scope="session")
def model(demo_data_dir):
    return demo_data_dir / "models" / "SmolLM2-135M-Instruct"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def transformers_engine(model):
    engine = TransformersEngine(model, **PATIENCE)
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm_engine(model, tmp_path_factory):
    told = []
    server = VllmServer(
        model, logs_dir=tmp_path_factory.mktemp("logs"), progress=lambda fraction, what: told.append(fraction)
    )
    engine = VllmEngine(model, server=server, **PATIENCE)
    await engine.start()
    assert told == sorted(told)
    assert told[-1] == 1.0
    yield engine
    await engine.close()
    assert not _listening(int(server.url.rsplit(":", 1)[1]))


@pytest.fixture(scope="session")
def adapters(model, tmp_path_factory):
    """Three LoRAs with weights large enough to show."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folders = []
    for number in range(3):
        torch.manual_seed(number)
        config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", init_lora_weights=False)
        adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
        folders.append(tmp_path_factory.mktemp("adapters") / str(number))
        adapted.save_pretrained(folders[-1])
    return folders


class TestTransformersEngine(ModelConformance):
    pytestmark = on_one_loop

    @pytest.fixture
    def engine(self, transformers_engine):
        return transformers_engine


class TestVllmEngine(ModelConformance):
    pytestmark = needs_vllm

    @pytest.fixture
    def engine(self, vllm_engine):
        return vllm_engine


class TestParity:
    pytestmark = needs_vllm

    async def test_scores_agree(self, transformers_engine, vllm_engine):
        prefix, segments, labels = _slate(transformers_engine)
        ours = await transformers_engine.score(prefix, segments, labels)
        theirs = await vllm_engine.score(prefix, segments, labels)
        assert ours == pytest.approx(theirs, abs=1e-4)
        assert ours == pytest.approx(theirs, rel=1e-3)

    async def test_scores_of_an_adapter_agree(self, transformers_engine, vllm_engine, adapters):
        prefix, segments, labels = _slate(transformers_engine)
        ref = AdapterRef("parity@1", adapters[2])
        await transformers_engine.load_adapter(ref)
        await vllm_engine.load_adapter(ref)
        ours = await transformers_engine.score(prefix, segments, labels, adapter=ref.name)
        theirs = await vllm_engine.score(prefix, segments, labels, adapter=ref.name)
        assert ours == pytest.approx(theirs, abs=1e-3)

    async def test_greedy_text_agrees(self, transformers_engine, vllm_engine):
        prompt = _chat(transformers_engine)
        sampling = Sampling(max_tokens=12)
        assert await _text(transformers_engine, prompt, sampling) == await _text(vllm_engine, prompt, sampling)

    async def test_grammars_mean_the_same(self, transformers_engine, vllm_engine):
        sampling = Sampling(
            max_tokens=60, grammar='root ::= ("Yes" | "No") ", because of the " ("sea" | "sky") "."'
        )
        prompt = _chat(transformers_engine)
        assert await _text(transformers_engine, prompt, sampling) == await _text(vllm_engine, prompt, sampling)


class TestVllmServer:
    pytestmark = needs_vllm

    async def test_seeded_replies_to_prompts_that_fill_more_than_a_step_are_what_they_are_alone(
        self, vllm_engine, transformers_engine
    ):
        chat = _chat(transformers_engine)
        prompts = [[*random.Random(n).choices(range(1000, 40000), k=900), *chat] for n in range(4)]
        sampling = Sampling(max_tokens=6, temperature=0.7, seed=7)
        together = await asyncio.gather(*(_text(vllm_engine, prompt, sampling) for prompt in prompts))
        assert together == [await _text(vllm_engine, prompt, sampling) for prompt in prompts]

    async def test_the_next_server_takes_over(self, model, vllm_engine):
        [alive] = vllm_engine._urls()
        for urls in ([f"http://127.0.0.1:{_free_port()}", alive], [alive, f"http://127.0.0.1:{_free_port()}"]):
            engine = VllmEngine(model, urls=urls)
            await engine.start()
            assert [await engine.score([token], [[9]], Labels(10, 11)) for token in (20, 21, 22)]
            assert "1 of 2" in (await engine.health()).detail
            await engine.close()

    async def test_another_model_is_not_taken_for_ours(self, demo_data_dir, vllm_engine):
        engine = VllmEngine(demo_data_dir / "models" / "all-MiniLM-L6-v2", urls=vllm_engine._urls())
        with pytest.raises(EngineUnavailableError, match="CONVREC_MODEL"):
            await engine.start()

    async def test_base_rows_stay_right_when_every_adapter_slot_is_taken(self, vllm_engine, adapters):
        """Without our plugin, base rows in a batch with adapter rows get the last slot's delta."""
        prefix, segments, labels = _slate(vllm_engine)
        names = [f"slot@{number}" for number in range(3)]
        for name, path in zip(names, adapters, strict=True):
            await vllm_engine.load_adapter(AdapterRef(name, path))
            await vllm_engine.score(prefix, segments[:1], labels, adapter=name)
        base = await vllm_engine.score(prefix, segments[:4], labels)
        # A reply on an adapter keeps adapter rows in every batch that the base scores meet.
        async with aclosing(vllm_engine.generate(prefix, Sampling(max_tokens=500), adapter=names[0])) as pieces:
            await anext(pieces)
            mixed = await vllm_engine.score(prefix, segments[:4], labels)
            await anext(pieces)
        assert mixed == pytest.approx(base, abs=1e-4)

    async def test_a_crash_is_survived_and_adapters_come_back(self, vllm_engine, adapters):
        prefix, segments, labels = _slate(vllm_engine)
        ref = AdapterRef("survivor@1", adapters[0])
        await vllm_engine.load_adapter(ref)
        before = await vllm_engine.score(prefix, segments, labels, adapter=ref.name)
        for process in psutil.Process().children(recursive=True):
            if "EngineCore" in " ".join(process.cmdline()):
                process.kill()
        with pytest.raises(EngineUnavailableError):
            await _until(lambda: vllm_engine.score(prefix, segments, labels), fails=True)
        await _until(lambda: vllm_engine.score(prefix, segments, labels), fails=False)
        after = await vllm_engine.score(prefix, segments, labels, adapter=ref.name)
        assert after == pytest.approx(before, abs=1e-4)

    async def test_a_reply_that_nobody_waits_for_frees_the_engine_within_a_second(self, vllm_engine):
        prefix, _, _ = _slate(vllm_engine)
        async with aclosing(vllm_engine.generate(prefix, Sampling(max_tokens=1000))) as pieces:
            await anext(pieces)
            assert await _running(vllm_engine) == 1
        await _idle_within_a_second(vllm_engine)

    async def test_what_cannot_start_says_why(self, model, tmp_path):
        server = VllmServer(model, logs_dir=tmp_path, max_model_len=10**6)
        with pytest.raises(EngineUnavailableError, match=r"(?s)vllm\.log.*max_model_len"):
            await server.start()
        await server.close()

    async def test_nothing_is_left_when_the_parent_is_killed(self, model, tmp_path):
        port = _free_port()
        script = f"""
            import asyncio
            from pathlib import Path
            from convrec.engine.vllm_server import VllmServer

            async def main():
                await VllmServer({str(model)!r}, logs_dir=Path({str(tmp_path)!r}), port={port}).start()
                print("ready", flush=True)
                await asyncio.sleep(600)

            asyncio.run(main())
        """
        parent = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        with parent:
            assert parent.stdout.readline() == "ready\n"
            family = psutil.Process(parent.pid).children(recursive=True)
            assert len(family) >= 3
            os.kill(parent.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
        assert not _listening(port)


def _slate(engine):
    encode = engine.tokenizer.encode
    chooser = random.Random(5)
    words = ["sea", "space", "war", "love", "ghost", "city", "river", "night"]
    head = engine.tokenizer.chat([Message("user", "I like quiet films about the sea, and old comedies.")])
    segments = [
        encode(f" {' '.join(chooser.choices(words, k=3 + n % 5))} ({1970 + n})? Answer:") for n in range(20)
    ]
    return encode(head), segments, Labels(yes=encode(" yes")[0], no=encode(" no")[0])


def _chat(engine):
    return engine.tokenizer.encode(engine.tokenizer.chat([Message("user", "Name a colour of the sea.")]))


async def _text(engine, prompt, sampling):
    return "".join([piece async for piece in engine.generate(prompt, sampling)])


async def _running(engine):
    """Requests that vLLM is working on or keeps waiting."""
    [url] = engine._urls()
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{url}/metrics")).text
    names = ("vllm:num_requests_running", "vllm:num_requests_waiting")
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in names
    )


async def _idle_within_a_second(engine):
    left = time.monotonic()
    while True:
        await engine.score([20], [[9]], Labels(10, 11))  # vLLM counts anew when it has done something
        if not await _running(engine):
            return
        assert time.monotonic() - left < 1.0


async def _until(call, *, fails):
    """Call until it works (or fails), four minutes at most."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            await call()
        except EngineUnavailableError:
            if fails:
                raise
        else:
            if not fails:
                return
        await asyncio.sleep(0.5)
    pytest.fail("it took too long")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listening(port):
    with socket.socket() as client, suppress(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))
        return True
    return False
