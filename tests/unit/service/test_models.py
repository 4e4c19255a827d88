"""Models that requests may name: adapter versions and the embedder beside the base model."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from convrec.errors import EngineError
from convrec.ranking.blend import Blend
from convrec.ranking.ranker import RankingVersion
from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.service.versions import Versions
from convrec.testing.adapters import publish_adapter
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.retriever import HashEmbedder
from convrec.testing.server import serving
from convrec.training.registry import AdapterVersion, Registry

PROMPTS = Path(__file__).parents[3] / "prompts"
INFO = ServerInfo("fake-lm", "0", 0.0, embedder="hash")
SYRAH: list[ChatCompletionMessageParam] = [{"role": "user", "content": "a Syrah"}]


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory, engine: FakeEngine) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    registry = Registry(folder / "adapters")
    publish_adapter(registry, blend=Blend(w_interest=0.9), created="2026-01-01T00:00:00+00:00")
    publish_adapter(registry, accepted=False, reasons=("it is worse",))
    publish_adapter(registry)

    async def load(version: AdapterVersion | None) -> RankingVersion:
        assert version is not None
        if version.label == "wines/3":
            raise EngineError("its files are damaged")
        await engine.load_adapter(version.ref)
        return RankingVersion(version.manifest.blend, version.ref.name)

    versions = Versions(registry, lambda _: None, load, engine.unload_adapter)
    with small_recommender(folder, PROMPTS, engine) as small:
        slot = RecommenderSlot(small, versions=versions, embedder=HashEmbedder(8))
        with serving(create_app(slot, info=INFO)) as url:
            yield f"{url}/v1"


@pytest.fixture
def sdk(v1: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=v1, api_key="x", max_retries=0) as client:
        yield client


def test_they_are_listed(sdk: openai.OpenAI) -> None:
    cards = {card.id: card for card in sdk.models.list().data}
    assert list(cards) == ["convrec", "wines@1", "wines@3", "base", "convrec-embedding"]
    assert cards["wines@1"].created == 1767225600
    assert cards["wines@1"].model_extra == {"root": "fake", "parent": "convrec"}
    assert cards["convrec-embedding"].model_extra == {"root": "hash", "parent": None}
    assert sdk.models.retrieve("wines@1") == cards["wines@1"]


def test_a_turn_is_ranked_by_the_version_that_it_names(sdk: openai.OpenAI) -> None:
    completion = sdk.chat.completions.create(model="wines@1", messages=SYRAH)
    assert completion.model == "wines@1"
    assert (completion.choices[0].message.model_extra or {})["convrec"]["adapter"] == "wines@1"
    with sdk.chat.completions.create(model="wines@1", messages=SYRAH, stream=True) as stream:
        assert {chunk.model for chunk in stream} == {"wines@1"}
    base = sdk.chat.completions.create(model="convrec", messages=SYRAH)
    assert (base.choices[0].message.model_extra or {})["convrec"]["adapter"] is None


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("wines@2", "it is worse"),
        ("wines@3", "its files are damaged"),
        ("wines@4", "GET /v1/models"),
        ("convrec-embedding", "GET /v1/models"),
    ],
)
def test_others_do_not_exist(sdk: openai.OpenAI, model: str, why: str) -> None:
    for stream in (False, True):
        with pytest.raises(openai.NotFoundError, match=why) as caught:
            sdk.chat.completions.create(model=model, messages=SYRAH, stream=stream)
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_an_engine_that_is_down_is_no_missing_model(
    sdk: openai.OpenAI, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "fail", True)
    with pytest.raises(openai.InternalServerError) as caught:
        sdk.chat.completions.create(model="wines@1", messages=SYRAH)
    assert caught.value.status_code == 503
