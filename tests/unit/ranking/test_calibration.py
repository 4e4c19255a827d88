import random

import pytest

from convrec.progress import silent
from convrec.prompting import Prompts
from convrec.ranking.blend import Blend
from convrec.ranking.calibration import CalibrationConfig, calibrate
from convrec.ranking.interest import Interest
from convrec.settings import Settings
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import wine_list
from convrec.types import FeedbackEvent, FeedbackType

CATALOGUE = wine_list()
PROMPT = Prompts(Settings().prompts_dir).load("rank")


def drinkers(n: int) -> list[FeedbackEvent]:
    """People who drink four wines of one grape; the last of them is what gets held out."""
    dice = random.Random(0)
    events = []
    for user in range(n):
        for time, item_id in enumerate(dice.sample(CATALOGUE.ids[user % 5 :: 5], 4)):
            events.append(FeedbackEvent(f"{user}-{time}", f"u{user}", FeedbackType.LIKE, float(time), item_id))
    return events


async def fit(events: list[FeedbackEvent], engine: FakeEngine) -> Blend:
    await engine.start()
    config = CalibrationConfig(examples=40, candidates=10)
    return await calibrate(events, CATALOGUE, Interest(engine, PROMPT, CATALOGUE), config, silent)


async def test_a_constant_model_gets_no_weight_and_retrieval_keeps_its_own() -> None:
    blend = await fit(drinkers(60), FakeEngine(scores=lambda _prefix, _item: 0.5))
    assert blend.examples == 40
    assert blend.w_interest == 0.0
    assert blend.w_retrieval > 0.0
    assert blend.ndcg_retrieval > 0.5, "retrieval knows which grape a person drinks"


async def test_an_empty_ledger_leaves_retrieval_alone() -> None:
    assert await fit([], FakeEngine()) == Blend()


async def test_progress_ends_at_one() -> None:
    engine, seen = FakeEngine(), []
    await engine.start()
    config = CalibrationConfig(examples=5, candidates=10)
    interest = Interest(engine, PROMPT, CATALOGUE)
    await calibrate(drinkers(20), CATALOGUE, interest, config, lambda fraction, _what: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
    assert len(seen) == 5
