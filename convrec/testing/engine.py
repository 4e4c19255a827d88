"""A deterministic engine for the tests of other rooms, and what every Engine must do. Needs no model."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import cast
from zlib import crc32

import pytest

from convrec.engine.base import (
    AdapterRef,
    Engine,
    Health,
    Labels,
    Message,
    Sampling,
    Tokenizer,
    require_tokens,
)
from convrec.engine.text_stream import TextStream
from convrec.errors import EngineUnavailableError, NotFoundError

_SPECIAL = {"<|im_start|>": 1, "<|im_end|>": 2}
_PIECES = re.compile("|".join(map(re.escape, _SPECIAL)) + r"|\s?\w+|\s|[^\w\s]")
_FIRST_WORD_ID = 16


class FakeTokenizer:
    """Words, with the space before them, as tokens; the id is a hash of the word. ChatML for messages."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def encode(self, text: str) -> list[int]:
        """One id per word, punctuation mark, space and special token."""
        ids = []
        for piece in _PIECES.findall(text):
            token = _SPECIAL.get(piece) or _FIRST_WORD_ID + crc32(piece.encode("utf-8", "surrogatepass"))
            if token >= _FIRST_WORD_ID:
                self._texts[token] = piece
            ids.append(token)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids that this tokenizer gave."""
        return "".join(self._texts.get(token, "") for token in ids)

    def chat(self, messages: Sequence[Message]) -> str:
        """Messages in ChatML, open for the assistant's answer."""
        turns = "".join(f"<|im_start|>{message.role}\n{message.content}<|im_end|>\n" for message in messages)
        return f"{turns}<|im_start|>assistant\n"

    def escape(self, text: str) -> str:
        """The text with a space after the first character of each special token."""
        while any(special in text for special in _SPECIAL):
            for special in _SPECIAL:
                text = text.replace(special, f"{special[0]} {special[1:]}")
        return text


def overlap(prefix: Sequence[int], segment: Sequence[int]) -> float:
    """How much of a segment occurs in the prefix, in (0, 1): the score that FakeEngine gives by default."""
    return (1 + len(set(segment) & set(prefix))) / (2 + len(set(segment)))


class FakeEngine:
    """Scores by token overlap and says what it is told to say; grammars and schemas it takes on trust.

    Args:
        reply: What `generate` streams, word by word; or a function of prompt text and sampling.
        scores: Replaces `overlap`; takes the texts of prefix and segment.
        fail: While True, every call raises EngineUnavailableError; settable.
    """

    name = "fake"

    def __init__(
        self,
        reply: str | Callable[[str, Sampling], str] = "Here is what I found.",
        scores: Callable[[str, str], float] | None = None,
        fail: bool = False,
    ) -> None:
        self.fail = fail
        self._reply = reply
        self._scores = scores
        self._tokenizer = FakeTokenizer()
        self._adapters: set[str] = set()

    @property
    def tokenizer(self) -> Tokenizer:
        """Its FakeTokenizer."""
        return self._tokenizer

    async def start(self) -> None:
        """Ready at once, unless it is to fail."""
        self._check(None)

    async def close(self) -> None:
        """Nothing to let go of."""

    async def score(
        self,
        prefix: Sequence[int],
        segments: Sequence[Sequence[int]],
        labels: Labels,  # noqa: ARG002
        adapter: str | None = None,
    ) -> list[float]:
        """Token overlap, or what the given function says."""
        require_tokens(prefix, segments)
        self._check(adapter)
        if self._scores is None:
            return [overlap(prefix, segment) for segment in segments]
        text = self._tokenizer.decode(prefix)
        return [self._scores(text, self._tokenizer.decode(segment)) for segment in segments]

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling, adapter: str | None = None
    ) -> AsyncIterator[str]:
        """The given reply, up to max_tokens or a stop string."""
        require_tokens(prompt)
        self._check(adapter)
        text = (
            self._reply if isinstance(self._reply, str) else self._reply(self._tokenizer.decode(prompt), sampling)
        )
        stream = TextStream(self._tokenizer, sampling.stop)
        for token in self._tokenizer.encode(text)[: sampling.max_tokens]:
            await asyncio.sleep(0)
            self._check(adapter)
            if piece := stream.push([token]):
                yield piece
            if stream.stopped:
                return
        if rest := stream.flush():
            yield rest

    async def load_adapter(self, ref: AdapterRef) -> None:
        """Remember the name; it changes no score."""
        self._check(None)
        self._adapters.add(ref.name)

    async def unload_adapter(self, name: str) -> None:
        """Forget the name."""
        self._check(name)
        self._adapters.remove(name)

    async def health(self) -> Health:
        """Ready unless it is to fail."""
        return Health(not self.fail, "told to fail" if self.fail else "fake")

    def _check(self, adapter: str | None) -> None:
        if self.fail:
            raise EngineUnavailableError("the fake engine was told to fail; set fail = False")
        if adapter is not None and adapter not in self._adapters:
            raise NotFoundError(f"adapter {adapter} is not loaded; load it first")


class EngineConformance:
    """What every Engine does. A subclass provides the fixture `engine`, started.

    Attributes:
        supports_grammar: Grammars and schemas shape what is generated.
        tolerance: Largest difference between a score alone and in a batch.
    """

    supports_grammar = True
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

    async def test_labels_swapped_give_the_complement(self, engine: Engine) -> None:
        if not self.supports_grammar:
            pytest.skip("a fake knows no labels")
        prefix, segments, labels = _case(engine)
        scores = await engine.score(prefix, segments, labels)
        swapped = await engine.score(prefix, segments, Labels(yes=labels.no, no=labels.yes))
        assert [1 - score for score in swapped] == pytest.approx(scores, abs=self.tolerance)

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
        async with aclosing(cast("_Closable", engine.generate(prompt, Sampling(max_tokens=400)))) as pieces:
            assert await anext(pieces)
        assert await _text(engine, prompt, Sampling(max_tokens=2))

    async def test_grammar_is_obeyed(self, engine: Engine) -> None:
        if not self.supports_grammar:
            pytest.skip("takes grammars on trust")
        grammar = 'root ::= "Try " pick " or " pick "."\npick ::= "Alpha Centauri" | "Beta Pictoris (1984)"'
        text = await _text(engine, _prompt(engine), Sampling(max_tokens=40, grammar=grammar))
        pick = r"(Alpha Centauri|Beta Pictoris \(1984\))"
        assert re.fullmatch(rf"Try {pick} or {pick}\.", text)

    async def test_schema_is_obeyed(self, engine: Engine) -> None:
        if not self.supports_grammar:
            pytest.skip("takes schemas on trust")
        schema = {
            "type": "object",
            "properties": {"kind": {"enum": ["recommend", "why"]}, "k": {"type": "integer"}},
            "required": ["kind", "k"],
            "additionalProperties": False,
        }
        sampling = Sampling(max_tokens=60, temperature=1.0, seed=1, schema=json.dumps(schema))
        answer = json.loads(await _text(engine, _prompt(engine), sampling))
        assert answer["kind"] in ("recommend", "why")
        assert isinstance(answer["k"], int)

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


class AdapterConformance:
    """What an Engine with real weights does with adapters.

    A subclass provides `engine`, started, and `adapters`: two LoRA folders for its model that differ.
    """

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
        assert all(left != pytest.approx(right, abs=1e-3) for left, right in zip(seen, seen[1:], strict=False))
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
            cast("_Closable", engine.generate(_prompt(engine), sampling, adapter="leaving@1"))
        ) as pieces:
            text = await anext(pieces)
            await engine.unload_adapter("leaving@1")
            async for piece in pieces:
                text += piece
        assert text == whole


class _Closable(AsyncIterator[str]):
    async def aclose(self) -> None: ...


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
