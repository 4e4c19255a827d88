"""Hearing a message: the model is asked once, and nothing is waited for that does not answer."""

import asyncio
from pathlib import Path

import pytest

from convrec.dialogue.questions import QuestionPrompts
from convrec.dialogue.tongues import Tongues
from convrec.dialogue.understanding import Understanding
from convrec.engine.base import AdapterRef
from convrec.prompting import Prompts
from convrec.ranking.breaker import Breaker
from convrec.service.listening import Ear, Listener
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import wine_list
from convrec.types import IntentKind, SessionState

PROMPTS = Path(__file__).parents[3] / "prompts"
MESSAGE = "grapes and their many colours"


def says_small_talk(_prefix: str, statement: str) -> float:
    return 0.9999 if statement == " small talk:" else 0.001


def listener(engine, adapter=None, breaker=None, patience_s=5.0) -> Listener:
    wines = wine_list()
    prompts = QuestionPrompts(Prompts(PROMPTS).load("understand"), wines.domain)
    return Listener(Understanding(wines), Ear(engine, prompts, adapter, Tongues(PROMPTS), patience_s, breaker))


def heard(listening: Listener, message: str = MESSAGE) -> IntentKind:
    return asyncio.run(listening.understand(message, SessionState(), "ada")).kind


BY_RULE = Understanding(wine_list()).understand(MESSAGE, SessionState()).kind


def test_the_model_is_heard() -> None:
    assert BY_RULE is not IntentKind.SMALL_TALK
    assert heard(listener(FakeEngine(scores=says_small_talk))) is IntentKind.SMALL_TALK
    assert heard(Listener(Understanding(wine_list()))) is BY_RULE


def test_an_adapter_is_loaded_when_it_is_first_asked(tmp_path: Path) -> None:
    engine = FakeEngine(scores=says_small_talk)
    listening = listener(engine, AdapterRef("understanding@1", tmp_path))
    assert engine.adapters == set()
    assert heard(listening) is IntentKind.SMALL_TALK
    assert engine.adapters == {"understanding@1"}


def test_an_adapter_is_not_asked_what_it_has_not_learned(tmp_path: Path) -> None:
    engine = FakeEngine(scores=says_small_talk)
    assert (
        heard(listener(engine, AdapterRef("understanding@1", tmp_path)), "我喜欢红酒") is not IntentKind.SMALL_TALK
    )
    assert engine.adapters == set()


def test_an_engine_that_is_down_leaves_it_to_the_rules() -> None:
    engine = FakeEngine(fail=True)

    async def twice() -> tuple[IntentKind, bool]:
        asked = 0

        async def probe() -> None:
            nonlocal asked
            asked += 1

        listening = listener(engine, breaker=Breaker(probe, 5.0))
        first = await listening.understand(MESSAGE, SessionState())
        engine.fail = False
        second = await listening.understand(MESSAGE, SessionState())
        return first.kind, second.kind is first.kind

    assert asyncio.run(twice()) == (BY_RULE, True)


def test_a_slow_engine_is_not_waited_for_and_is_not_ill() -> None:
    class Slow(FakeEngine):
        async def score(self, *asked, **options):
            await asyncio.sleep(5)
            return await super().score(*asked, **options)

    async def probe() -> None:
        pytest.fail("a slow answer must not open the breaker")

    assert heard(listener(Slow(), breaker=Breaker(probe, 30.0), patience_s=0.05)) is BY_RULE
