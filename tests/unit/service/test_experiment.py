"""Versions compared on a share of the people: who gets which, and that their slates say so."""

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.errors import SettingsError
from convrec.evaluation.online import online_stats
from convrec.ranking.ranker import RankingVersion
from convrec.service.api import create_app
from convrec.service.experiment import Experiment
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.service.versions import Versions
from convrec.settings import load_settings
from convrec.testing.adapters import publish_adapter
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.training.registry import AdapterVersion, Registry

PROMPTS = Path(__file__).parents[3] / "prompts"
PEOPLE = [f"user-{n}" for n in range(20_000)]


def test_shares_are_those_that_were_set() -> None:
    experiment = Experiment({"wines/1": 0.5, "wines/2": 0.1})
    labels = [experiment.label(user) for user in PEOPLE]
    for label, part in (("wines/1", 0.5), ("wines/2", 0.1), (None, 0.4)):
        deviation = (part * (1 - part) / len(PEOPLE)) ** 0.5
        assert labels.count(label) / len(PEOPLE) == pytest.approx(part, abs=4 * deviation)


def test_people_are_drawn_evenly() -> None:
    tenths = Experiment({f"wines/{n}": 0.1 for n in range(1, 10)})
    labels = [tenths.label(user) for user in PEOPLE]
    expected = len(PEOPLE) / 10
    chi2 = sum((labels.count(label) - expected) ** 2 / expected for label in [*tenths.shares, None])
    assert chi2 < 27.9  # of 9 degrees of freedom, exceeded by chance once in 1,000


def test_the_draw_is_the_same_everywhere_and_always() -> None:
    labels = [Experiment({"films/3": 0.5}).label(user) for user in ("ann", "bob", "cid", "dan", "eve", "fay")]
    assert labels == ["films/3", "films/3", None, None, None, None]


def test_more_people_for_a_version_keep_those_that_it_had() -> None:
    few, many = Experiment({"wines/1": 0.1}), Experiment({"wines/1": 0.3})
    assert {u for u in PEOPLE if few.label(u)} < {u for u in PEOPLE if many.label(u)}


def test_another_experiment_draws_anew() -> None:
    one, other = Experiment({"wines/1": 0.5}), Experiment({"wines/2": 0.5})
    both = sum(one.label(user) is not None and other.label(user) is not None for user in PEOPLE)
    assert both / len(PEOPLE) == pytest.approx(0.25, abs=0.015)


@given(st.text())
def test_everybody_is_drawn(user_id: str) -> None:
    assert Experiment({"wines/1": 1.0}).label(user_id) == "wines/1"
    assert Experiment({}).label(user_id) is None
    assert Experiment({"wines/1": 1.0}).version(user_id) is None  # nothing was loaded


def test_shares_of_more_than_everybody_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVREC_AB", '{"films/1": 0.7, "films/2": 0.3}')
    assert load_settings().ab == {"films/1": 0.7, "films/2": 0.3}
    for shares in ('{"films/1": 0.7, "films/2": 0.4}', '{"films/1": 0}', '{"films/1": -0.1}'):
        monkeypatch.setenv("CONVREC_AB", shares)
        with pytest.raises(SettingsError, match="ab"):
            load_settings()


async def test_slates_say_which_version_ranked_and_stats_tell_them_apart(tmp_path: Path) -> None:
    engine, registry = FakeEngine(), Registry(tmp_path / "adapters")
    publish_adapter(registry)

    async def load(version: AdapterVersion | None) -> RankingVersion:
        assert version is not None
        await engine.load_adapter(version.ref)
        return RankingVersion(version.manifest.blend, version.ref.name)

    versions = Versions(registry, lambda _: None, load, engine.unload_adapter)
    with small_recommender(tmp_path, PROMPTS, engine) as small:
        slot = RecommenderSlot(small, versions=versions)
        slot.experiment = Experiment({"wines/1": 0.5, "wines/9": 0.2}, registry.has)
        (trouble,) = await slot.experiment.begin(versions)
        assert trouble.startswith("wines/9 is not compared")
        transport = httpx.ASGITransport(create_app(slot, info=ServerInfo("fake-lm", "0", 0.0)))
        drawn = {"wines/1": "wines@1", "wines/9": None, None: None}
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for user in PEOPLE[:12]:
                wanted = drawn[slot.experiment.label(user)]
                slate = await client.post("/v1/recommendations", json={"user_id": user})
                assert slate.json()["adapter"] == wanted
                said = {"model": "convrec", "messages": [{"role": "user", "content": "a Syrah"}], "user": user}
                reply = await client.post("/v1/chat/completions", json=said)
                assert reply.json()["choices"][0]["message"]["convrec"]["adapter"] == wanted
            stats = online_stats(small.ledger.impressions(), (), (1.0, 5.0))
            assert {of.version for of in stats.versions} == {"wines@1", "base"}
            assert sum(of.users for of in stats.versions) == 12
            assert slot.adapters() == {"base": 0.5, "wines@1": 0.5}
            # Removed, as the erasure of a person does: it ranks for nobody.
            registry.forget(["wines/1"])
            assert slot.adapters() == {"base": 1.0}
            user = next(user for user in PEOPLE if slot.experiment.label(user) == "wines/1")
            slate = await client.post("/v1/recommendations", json={"user_id": user})
            assert slate.json()["adapter"] is None
