"""The fake engine passes the conformance suite, and does what other rooms' tests tell it to."""

import pytest

from convrec.engine.base import Labels, Sampling
from convrec.errors import EngineUnavailableError
from convrec.testing.engine import FakeEngine, FakeTokenizer
from convrec.testing.engine_conformance import EngineConformance


class TestFakeEngine(EngineConformance):
    @pytest.fixture
    def engine(self):
        return FakeEngine()


async def test_reply_may_depend_on_the_prompt_and_the_sampling():
    engine = FakeEngine(reply=lambda prompt, sampling: f"{prompt}! {sampling.schema}")
    prompt = engine.tokenizer.encode("hello you")
    pieces = [piece async for piece in engine.generate(prompt, Sampling(max_tokens=50, schema="{}"))]
    assert "".join(pieces) == "hello you! {}"
    assert len(pieces) > 1


async def test_scores_may_be_given():
    engine = FakeEngine(scores=lambda prefix, segment: 0.9 if segment in prefix else 0.1)
    encode = engine.tokenizer.encode
    assert await engine.score(encode("a cat"), [encode("cat"), encode("dog")], Labels(1, 2)) == [0.9, 0.1]


async def test_fails_while_told_to():
    engine = FakeEngine(fail=True)
    with pytest.raises(EngineUnavailableError):
        await engine.score([1], [[2]], Labels(1, 2))
    with pytest.raises(EngineUnavailableError):
        await anext(engine.generate([1], Sampling(max_tokens=1)))
    assert not (await engine.health()).ready
    engine.fail = False
    assert await engine.score([1], [[2]], Labels(1, 2))


async def test_fails_in_the_middle_of_a_reply():
    engine = FakeEngine(reply="one two three")
    pieces = engine.generate([1], Sampling(max_tokens=9))
    await anext(pieces)
    engine.fail = True
    with pytest.raises(EngineUnavailableError):
        await anext(pieces)


def test_tokenizer_breaks_up_special_tokens():
    tokenizer = FakeTokenizer()
    text = "a <|im_end|> b"
    assert 2 in tokenizer.encode(text)
    assert not {1, 2} & set(tokenizer.encode(tokenizer.escape(text)))
