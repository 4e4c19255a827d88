"""What every Engine must do, and one with a real model besides. Owns no engine: subclasses bring it."""
# ruff: noqa: D102 - a test's name says what it holds

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from convrec.engine.base import AdapterRef, Engine, Labels, Message, Sampling
from convrec.errors import EngineError, EngineUnavailableError, NotFoundError


class EngineConformance:
    """What every Engine does. A subclass provides the fixture `engine`, started.

    Attributes:
        tolerance: Largest difference between a score alone and in a batch.
    """

    tolerance = 1e-4

    async def test_no_segments_give_no_scores(self, engine: Engine) -> None:
        assert await engine.score([20], [], _labels(engine)) == []

    async def test_scores_are_probabilities_in_order(self, engine: Engine) -> None:
        prefix, segments, labels = _case(engine)
        scores = await engine.score(prefix, segments, labels)
        assert len(scores) == len(segments)
        assert all(0 <= score <= 1 for score in scores)
        assert len(set(scores)) > 1

    async def test_order_of_segments_does_not_matter(self, engine: Engine) -> None:
        prefix, segments, labels = _case(engine)
        forwards = await engine.score(prefix, segments, labels)
        backwards = await engine.score(prefix, segments[::-1], labels)
        assert backwards[::-1] == pytest.approx(forwards, abs=self.tolerance)

    async def test_same_call_gives_same_scores(self, engine: Engine) -> None:
        prefix, segments, labels = _case(engine)
        first = await engine.score(prefix, segments, labels)
        assert await engine.score(prefix, segments, labels) == pytest.approx(first, abs=self.tolerance)

    async def test_segments_do_not_see_each_other(self, engine: Engine) -> None:
        prefix, segments, labels = _case(engine)
        together = await engine.score(prefix, segments, labels)
        alone = [(await engine.score(prefix, [segment], labels))[0] for segment in segments]
        assert together == pytest.approx(alone, abs=self.tolerance)

    @pytest.mark.parametrize(("prefix", "segments"), [([], [[20]]), ([20], [[20], []])])
    async def test_nothing_to_read_is_rejected(
        self, engine: Engine, prefix: list[int], segments: list[list[int]]
    ) -> None:
        with pytest.raises(ValueError, match="no tokens"):
            await engine.score(prefix, segments, _labels(engine))

    async def test_empty_prompt_is_rejected(self, engine: Engine) -> None:
        with pytest.raises(ValueError, match="no tokens"):
            await _text(engine, [], Sampling(max_tokens=4))

    async def test_unknown_adapter_is_not_found(self, engine: Engine) -> None:
        prefix, segments, labels = _case(engine)
        with pytest.raises(NotFoundError, match="ghost@1"):
            await engine.score(prefix, segments, labels, adapter="ghost@1")
        with pytest.raises(NotFoundError, match="ghost@1"):
            await _text(engine, prefix, Sampling(max_tokens=4), adapter="ghost@1")
        with pytest.raises(NotFoundError, match="ghost@1"):
            await engine.unload_adapter("ghost@1")

    async def test_greedy_text_repeats_and_obeys_max_tokens(self, engine: Engine) -> None:
        prompt = _prompt(engine)
        text = await _text(engine, prompt, Sampling(max_tokens=3))
        assert text
        assert len(engine.tokenizer.encode(text)) <= 3
        assert await _text(engine, prompt, Sampling(max_tokens=3)) == text
        assert (await _text(engine, prompt, Sampling(max_tokens=5))).startswith(text)

    async def test_stop_string_ends_the_text_and_is_not_in_it(self, engine: Engine) -> None:
        prompt = _prompt(engine)
        whole = await _text(engine, prompt, Sampling(max_tokens=5))
        stop = whole[2:4]
        assert await _text(engine, prompt, Sampling(max_tokens=5, stop=(stop,))) == whole[: whole.index(stop)]

    async def test_seed_fixes_sampling(self, engine: Engine) -> None:
        sampling = Sampling(max_tokens=8, temperature=1.0, seed=7)
        assert await _text(engine, _prompt(engine), sampling) == await _text(engine, _prompt(engine), sampling)

    async def test_closing_early_leaves_the_engine_working(self, engine: Engine) -> None:
        prompt = _prompt(engine)
        async with aclosing(
            cast("AsyncGenerator[str]", engine.generate(prompt, Sampling(max_tokens=400)))
        ) as pieces:
            assert await anext(pieces)
        assert await _text(engine, prompt, Sampling(max_tokens=2))

    async def test_concurrent_calls_do_not_disturb_each_other(self, engine: Engine) -> None:
        prefix, segments, labels = _case(engine)
        alone = await engine.score(prefix, segments, labels)
        text = await _text(engine, _prompt(engine), Sampling(max_tokens=6))
        *scores, first, second = await asyncio.gather(
            *(engine.score(prefix, segments, labels) for _ in range(3)),
            _text(engine, _prompt(engine), Sampling(max_tokens=6)),
            _text(engine, _prompt(engine), Sampling(max_tokens=6)),
        )
        assert all(together == pytest.approx(alone, abs=self.tolerance) for together in scores)
        assert first == second == text

    async def test_ready_after_start(self, engine: Engine) -> None:
        await engine.start()
        health = await engine.health()
        assert health.ready
        assert health.detail


class ModelConformance(EngineConformance):
    """What an Engine with a real model does besides.

    A subclass provides the fixtures `engine`, started, and `adapters`: folders of LoRAs for its model that differ.
    """

    async def test_what_the_model_cannot_read_is_refused(self, engine: Engine) -> None:
        with pytest.raises(EngineError, match="refused") as refusal:
            await engine.score([20] * 20_000, [[20]], _labels(engine))
        assert not isinstance(refusal.value, EngineUnavailableError)
        with pytest.raises(EngineError, match="refused"):
            await _text(engine, [20] * 20_000, Sampling(max_tokens=1))

    async def test_labels_swapped_give_the_complement(self, engine: Engine) -> None:
        prefix, segments, labels = _case(engine)
        scores = await engine.score(prefix, segments, labels)
        swapped = await engine.score(prefix, segments, Labels(yes=labels.no, no=labels.yes))
        assert [1 - score for score in swapped] == pytest.approx(scores, abs=self.tolerance)

    async def test_a_grammar_may_part_inside_a_character(self, engine: Engine) -> None:
        """Texts in any script, whose bytes part before their characters do, come out whole."""
        texts = ("为你找到这些。", "推荐这个。", "看看这些。", "Café ñandú", "Café öst")
        grammar = "root ::= " + " | ".join(f'"{text}"' for text in texts)
        for seed in range(4):
            sampling = Sampling(max_tokens=40, temperature=1.0, seed=seed, grammar=grammar)
            assert await _text(engine, _prompt(engine), sampling) in texts

    async def test_grammar_is_obeyed(self, engine: Engine) -> None:
        grammar = 'root ::= "Try " pick " or " pick "."\npick ::= "Alpha Centauri" | "Beta Pictoris (1984)"'
        text = await _text(engine, _prompt(engine), Sampling(max_tokens=40, grammar=grammar))
        pick = r"(Alpha Centauri|Beta Pictoris \(1984\))"
        assert re.fullmatch(rf"Try {pick} or {pick}\.", text)

    async def test_schema_is_obeyed(self, engine: Engine) -> None:
        schema = {
            "type": "object",
            "properties": {"kind": {"enum": ["recommend", "why"]}, "k": {"enum": [3, 5, 10]}},
            "required": ["kind", "k"],
            "additionalProperties": False,
        }
        sampling = Sampling(max_tokens=60, temperature=1.0, seed=1, schema=json.dumps(schema))
        answer = json.loads(await _text(engine, _prompt(engine), sampling))
        assert answer["kind"] in ("recommend", "why")
        assert answer["k"] in (3, 5, 10)

    async def test_adapters_change_scores_and_the_base_stays(self, engine: Engine, adapters: list[Path]) -> None:
        prefix, segments, labels = _case(engine)
        base = await engine.score(prefix, segments, labels)
        refs = [AdapterRef(f"conformance@{number}", path) for number, path in enumerate(adapters)]
        for ref in refs:
            await engine.load_adapter(ref)
            await engine.load_adapter(ref)
        seen = await asyncio.gather(
            *(engine.score(prefix, segments, labels, adapter=name) for name in [*(ref.name for ref in refs), None])
        )
        assert seen[-1] == pytest.approx(base, abs=1e-4)
        assert all(left != pytest.approx(right, abs=1e-3) for left, right in pairwise(seen))
        for ref in refs:
            await engine.unload_adapter(ref.name)
            with pytest.raises(NotFoundError):
                await engine.score(prefix, segments, labels, adapter=ref.name)
        assert await engine.score(prefix, segments, labels) == pytest.approx(base, abs=1e-4)

    async def test_a_reply_finishes_on_an_adapter_that_is_unloaded(
        self, engine: Engine, adapters: list[Path]
    ) -> None:
        sampling = Sampling(max_tokens=12)
        await engine.load_adapter(AdapterRef("leaving@1", adapters[0]))
        whole = await _text(engine, _prompt(engine), sampling, adapter="leaving@1")
        async with aclosing(
            cast("AsyncGenerator[str]", engine.generate(_prompt(engine), sampling, adapter="leaving@1"))
        ) as pieces:
            text = await anext(pieces)
            await engine.unload_adapter("leaving@1")
            async for piece in pieces:
                text += piece
        assert text == whole


def _labels(engine: Engine) -> Labels:
    return Labels(yes=engine.tokenizer.encode(" yes")[0], no=engine.tokenizer.encode(" no")[0])


def _case(engine: Engine) -> tuple[list[int], list[list[int]], Labels]:
    encode = engine.tokenizer.encode
    prefix = encode("Someone likes quiet science fiction, old comedies and the sea. Would they like")
    segments = [encode(text) for text in (" a war drama?", " comedies about the sea, like Jaws?", " this?")]
    return prefix, segments, _labels(engine)


def _prompt(engine: Engine) -> list[int]:
    asked = [Message("system", "You write about films."), Message("user", "Write a sentence about the sea.")]
    return engine.tokenizer.encode(engine.tokenizer.chat(asked))


async def _text(engine: Engine, prompt: Sequence[int], sampling: Sampling, adapter: str | None = None) -> str:
    return "".join([piece async for piece in engine.generate(prompt, sampling, adapter)])
