from pathlib import Path

import pytest

from convrec.engine.base import AdapterRef, Labels
from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.testing.engine import FakeEngine
from convrec.training.parity import measure_parity
from convrec.types import Profile, SessionState

REF = AdapterRef("wines@1", Path("wines/1"))
EXAMPLE = Example(
    "u", 0.0, RankingContext(Profile("u"), SessionState()), ("w00", "w01"), (1.0, 0.0), (1.0, 0.0), (1.0,) * 2
)


class Served(FakeEngine):
    """Scores by a number for the adapter and one for the base model."""

    def __init__(self, tuned: float, plain: float) -> None:
        super().__init__()
        self.tuned, self.plain = tuned, plain

    async def score(self, prefix, segments, labels: Labels, adapter=None, salt=None):
        await super().score(prefix, segments, labels, adapter)
        return [self.tuned if adapter else self.plain for _ in segments]


async def parity(served: Served, trained: Served, prompts):
    await served.start()
    await trained.start()
    await trained.load_adapter(REF)
    found = await measure_parity(served, trained, REF, [EXAMPLE], prompts)
    assert not served.adapters, "what was loaded to compare is unloaded"
    return found


async def test_the_same_scores_that_are_not_the_base_models_pass(prompts) -> None:
    found = await parity(Served(0.6, 0.5), Served(0.6, 0.5), prompts)
    assert found.objections == ()
    assert found.base > 0.1


async def test_other_scores_than_pefts_are_objected_to(prompts) -> None:
    found = await parity(Served(0.61, 0.5), Served(0.6, 0.5), prompts)
    assert "differ from PEFT's" in found.objections[0]


async def test_the_base_models_scores_are_objected_to(prompts) -> None:
    assert "changes nothing" in (await parity(Served(0.5, 0.5), Served(0.5, 0.5), prompts)).objections[0]


async def test_scores_that_are_no_numbers_are_objected_to(prompts) -> None:
    found = await parity(Served(float("nan"), 0.5), Served(0.6, 0.5), prompts)
    assert found.engines == pytest.approx(float("inf"))
    assert found.objections
