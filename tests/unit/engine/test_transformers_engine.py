"""What is particular to the in-process engine: its states, its caches, its cancellation."""

import asyncio
import threading
import time

import pytest
import pytest_asyncio

from convrec.engine.base import AdapterRef, Labels, Sampling
from convrec.engine.transformers import TransformersEngine
from convrec.errors import EngineError, EngineTimeoutError, EngineUnavailableError

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

LABELS = Labels(yes=9805, no=787)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model_dir):
    engine = TransformersEngine(model_dir)
    await engine.start()
    yield engine
    await engine.close()


def _texts(pieces):
    return "".join(pieces)


async def test_before_start_and_after_close_it_is_unavailable(model_dir):
    before = set(threading.enumerate())
    engine = TransformersEngine(model_dir)
    assert not (await engine.health()).ready
    with pytest.raises(EngineUnavailableError):
        await engine.score([5], [[6]], LABELS)
    with pytest.raises(EngineUnavailableError):
        _ = engine.tokenizer
    await engine.start()
    assert await engine.score([5], [[6]], LABELS)
    await engine.close()
    await engine.close()
    with pytest.raises(EngineUnavailableError):
        await engine.score([5], [[6]], LABELS)
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("transformers-engine")]


async def test_missing_model_says_what_to_set(tmp_path):
    engine = TransformersEngine(tmp_path / "nothing")
    with pytest.raises(EngineUnavailableError, match="CONVREC_MODEL"):
        await engine.start()
    await engine.close()


async def test_many_segments_score_as_few_do(engine):
    prefix = engine.tokenizer.encode("A person who likes the sea. Would they like")
    segments = [engine.tokenizer.encode(f" number {n} of the series?" * (1 + n % 3)) for n in range(60)]
    together = await engine.score(prefix, segments, LABELS)
    assert [together[7], together[59]] == pytest.approx(
        await engine.score(prefix, [segments[7], segments[59]], LABELS), abs=1e-5
    )


async def test_a_longer_prompt_scores_the_same_from_the_cache(engine, model_dir):
    encode = engine.tokenizer.encode
    first, longer = (
        encode("She likes films about the sea."),
        encode("She likes films about the sea. And ships. So"),
    )
    segments = [encode(" Jaws?"), encode(" Heat?")]
    await engine.score(first, segments, LABELS)
    cached = await engine.score(longer, segments, LABELS)
    fresh = TransformersEngine(model_dir, cache_tokens=0)
    await fresh.start()
    assert cached == pytest.approx(await fresh.score(longer, segments, LABELS), abs=1e-5)
    await fresh.close()


async def test_what_was_read_for_one_salt_is_not_found_by_another(model_dir):
    engine = TransformersEngine(model_dir)
    await engine.start()
    cache = engine._model.lm.cache
    prompt = engine.tokenizer.encode("She likes films about the sea. So")
    ann = await engine.score(prompt, [[9]], LABELS, salt="ann")
    assert [cache.longest(None, salt, prompt)[0] for salt in ("ann", "bob", None)] == [len(prompt), 0, 0]
    assert await engine.score(prompt, [[9]], LABELS, salt="bob") == pytest.approx(ann, abs=1e-5)
    async for _ in engine.generate([*prompt, 9], Sampling(1), salt="eve"):
        pass
    assert [cache.longest(None, salt, [*prompt, 9])[0] for salt in ("bob", "eve")] == [
        len(prompt),
        len(prompt) + 1,
    ]
    await engine.close()


async def test_closing_a_reply_stops_its_work(engine):
    prompt = engine.tokenizer.encode("Once upon a time")
    pieces = engine.generate(prompt, Sampling(max_tokens=1000))
    await anext(pieces)
    await pieces.aclose()
    started = time.perf_counter()
    await engine.score(prompt, [[9]], LABELS)
    # A thousand tokens would take half a minute.
    assert time.perf_counter() - started < 10


async def test_the_event_loop_runs_while_the_model_works(engine):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    ticking = asyncio.create_task(tick())
    await engine.score(list(range(100, 300)), [[token] * 10 for token in range(100, 120)], LABELS)
    ticking.cancel()
    assert ticks > 5


async def test_seeds_differ(engine):
    prompt = engine.tokenizer.encode("My favourite film is")
    texts = {
        _texts([piece async for piece in engine.generate(prompt, Sampling(8, temperature=1.5, seed=seed))])
        for seed in range(3)
    }
    assert len(texts) > 1


async def test_a_grammar_that_does_not_compile_is_an_engine_error(engine):
    with pytest.raises(EngineError, match="grammar"):
        _texts([piece async for piece in engine.generate([5], Sampling(4, grammar="root ::= (("))])


async def test_grammar_text_never_exceeds_max_tokens(engine):
    sampling = Sampling(5, grammar='root ::= "The title of the second film on this list is Alien."')
    text = _texts([piece async for piece in engine.generate([5], sampling)])
    assert "The title of the second film on this list is Alien.".startswith(text)
    assert 0 < len(engine.tokenizer.encode(text)) <= 5


async def test_a_folder_without_adapter_is_an_engine_error(engine, tmp_path):
    with pytest.raises(EngineError, match="adapter_config"):
        await engine.load_adapter(AdapterRef("a@1", tmp_path))


async def test_slow_calls_time_out(model_dir):
    engine = TransformersEngine(model_dir, score_timeout_s=0.001, reply_timeout_s=0.05)
    await engine.start()
    with pytest.raises(EngineTimeoutError, match="CONVREC_SCORE_TIMEOUT_S"):
        await engine.score(list(range(100, 300)), [[9]], LABELS)
    with pytest.raises(EngineTimeoutError, match="CONVREC_REPLY_TIMEOUT_S"):
        _texts([piece async for piece in engine.generate([5], Sampling(500))])
    await engine.close()
