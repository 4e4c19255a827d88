"""The learning loop on a small model: what is learned from feedback ranks, and what would do harm does not."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from rich.console import Console
from safetensors.torch import load_file, save_file

from convrec.console import ConsoleSteps
from convrec.errors import DataError
from convrec.ranking.blend import Blend
from convrec.ranking.examples import Example
from convrec.service import retrain as loop
from convrec.service.build import Workshop
from convrec.service.erase import Erased, erase
from convrec.service.retrain import RetrainConfig, Retrained, judge_again, retrain
from convrec.settings import Settings
from convrec.testing.adapters import write_adapter
from convrec.testing.model import tiny_model
from convrec.testing.recommender import wine_list
from convrec.training.gate import GateConfig, Verdict
from convrec.training.lessons import Lessons, LessonsConfig
from convrec.training.manifest import WEIGHTS
from convrec.training.trainer import Trained, TrainerConfig
from convrec.types import (
    FeedbackEvent,
    FeedbackType,
    ImpressionEvent,
    Intent,
    IntentKind,
    ScoredCandidate,
    TurnEvent,
)

CONFIG = RetrainConfig(
    "wines",
    LessonsConfig(choose=0.15, judge=0.35, learn_examples=120),
    TrainerConfig(learning_rate=1e-2, epochs=3, batch=4, evaluations=4, patience=9),
)
QUIET = ConsoleSteps(Console(quiet=True))
CATALOGUE = wine_list()
GOES_WITH = {"fish": ("Riesling", "Chardonnay"), "steak": ("Syrah", "Malbec")}


def evenings(n: int = 240) -> Iterator[TurnEvent | ImpressionEvent | FeedbackEvent]:
    """Sixty people say what they eat and click on the one wine of four that fits; retrieval cannot know."""
    dice = random.Random(0)
    grape = {item_id: item.values("grape")[0] for item_id, item in CATALOGUE.items()}
    for evening in range(n):
        user, session, shown, at = f"u{evening % 60}", f"s{evening}", f"i{evening}", 1e9 + 1000.0 * evening
        dish, other = dice.sample(sorted(GOES_WITH), 2)
        wanted = dice.choice([i for i in CATALOGUE.ids if grape[i] in GOES_WITH[dish]])
        slate = [wanted, *dice.sample([i for i in CATALOGUE.ids if grape[i] in GOES_WITH[other]], 3)]
        dice.shuffle(slate)
        scored = tuple(ScoredCandidate(i, 1 - n / 10, None, 1 - n / 10) for n, i in enumerate(slate))
        yield TurnEvent(f"t{evening}", user, session, at, dish, Intent(IntentKind.RECOMMEND, dish))
        yield ImpressionEvent(
            shown, user, session, f"t{evening}", at + 1, tuple(slate), scored, "", "fake", None, False, 0.1
        )
        yield FeedbackEvent(
            f"f{evening}", user, FeedbackType.CLICK, at + 2, wanted, session_id=session, impression_id=shown
        )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, demo_data_dir) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny", demo_data_dir / "models" / "SmolLM2-135M-Instruct")


@pytest.fixture(autouse=True)
def unfilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two random layers learn nothing across the tokens that fill a prefix up for vLLM's cache."""
    monkeypatch.setattr("convrec.ranking.interest.PREFIX_BLOCK", 1)


@pytest.fixture
def workshop(tmp_path: Path, tiny: Path) -> Workshop:
    made = Workshop(
        Settings(
            data_dir=tmp_path / "data", adapters_dir=tmp_path / "adapters", model=str(tiny), engine="transformers"
        )
    )
    made.store.upsert(list(CATALOGUE.values()))
    made.store.set_domain("generic")
    made.ledger.append_many(list(evenings()))
    return made


def forget(workshop: Workshop, user_id: str) -> Erased:
    return erase(user_id, workshop.ledger, workshop.registry, workshop.keys, workshop.settings)


def run(workshop: Workshop) -> Retrained:
    return retrain(workshop, CONFIG, QUIET)


def test_what_people_liked_ranks_from_then_on(workshop: Workshop) -> None:
    done = run(workshop)
    assert done.verdict.accepted, done.verdict.reasons
    assert done.promoted
    active = workshop.registry.active()
    assert active is not None
    manifest = active.manifest
    assert active.label == "wines/1"
    assert manifest.blend.w_interest > 0
    assert manifest.metrics["ndcg@10"]["offers: adapter - retrieval"]["low"] > 0
    assert (manifest.data["from"], manifest.data["until"]) == (1e9 + 2, 1e9 + 239_002)
    assert (manifest.data["events"], len(manifest.data["users"])) == (240, 60)
    assert manifest.data["choose_from"] < manifest.data["judge_from"]
    assert [path.name for path in (workshop.settings.data_dir / "training").iterdir()] == ["last.json"]
    assert forget(workshop, "u3").adapters == ("wines/1",)
    again = run(workshop)
    assert again.version is not None
    assert again.version.label == "wines/2"
    assert "adapter - active" in " ".join(again.verdict.reasons)
    assert len(again.version.manifest.data["users"]) == 59
    assert [version.label for version in workshop.registry.versions()] == ["wines/2"]
    served = workshop.registry.active()
    assert served == (again.version if again.promoted else None), "what knew u3 is gone, whatever the gate says"
    assert forget(workshop, "u3").adapters == ()


def test_who_is_erased_while_it_trains_is_in_no_version(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*arguments: object) -> Trained:
        work = arguments[4]
        assert isinstance(work, Path)
        (work / "adapter").mkdir(parents=True)
        write_adapter(work / "adapter")
        forget(workshop, "u3")
        return Trained(0.5, 0.6, 1)

    async def accept(*_: object) -> Verdict:
        return Verdict(True, (), Blend())

    monkeypatch.setattr(loop, "train_adapter", train)
    monkeypatch.setattr(loop, "_judge", accept)
    with pytest.raises(DataError, match="train again"):
        run(workshop)
    assert workshop.registry.versions() == []
    assert [path.name for path in (workshop.settings.data_dir / "training").iterdir()] == ["last.json"]


def test_weights_are_judged_again_by_more(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Lessons] = []
    make = loop.make_lessons
    monkeypatch.setattr(loop, "make_lessons", lambda *arguments: made.append(make(*arguments)) or made[-1])
    hasty = replace(CONFIG, gate=GateConfig(least=1000))
    first = retrain(workshop, hasty, QUIET)
    assert first.version is not None
    assert not first.verdict.accepted
    again = judge_again(workshop, workshop.catalogue(), "wines/1", made[0], CONFIG, QUIET)
    assert again.promoted
    assert again.version is not None
    assert again.version.label == "wines/2"
    before, after = (load_file(version.path / WEIGHTS) for version in (first.version, again.version))
    assert all(torch.equal(before[name], after[name]) for name in before)
    first_told, told = (workshop.registry.get(f"wines/{number}").manifest.config for number in (1, 2))
    assert told == first_told
    other = replace(made[0], lineage={**made[0].lineage, "hash": "other"})
    with pytest.raises(DataError, match="was trained on"):
        judge_again(workshop, workshop.catalogue(), "wines/1", other, CONFIG, QUIET)


def lessons_with(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Example], Example], everywhere: bool = False
) -> None:
    """Change what is learned from; or everywhere, what judges too."""
    make = loop.make_lessons

    def changed(*arguments: object) -> Lessons:
        lessons = make(*arguments)
        learn, choose = ([change(example) for example in part] for part in (lessons.learn, lessons.choose))
        judge = [change(example) for example in lessons.judge] if everywhere else lessons.judge
        return replace(lessons, learn=learn, choose=choose, judge=judge)

    monkeypatch.setattr(loop, "make_lessons", changed)


def rejected(workshop: Workshop) -> str:
    done = run(workshop)
    assert not done.verdict.accepted
    assert not done.promoted
    assert workshop.registry.active() is None
    return "; ".join(done.verdict.reasons)


def test_flipped_labels_are_rejected(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    lessons_with(monkeypatch, lambda e: replace(e, labels=tuple(1 - label for label in e.labels)))
    assert "rises for sure against neither" in rejected(workshop)


def test_random_labels_are_rejected(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the whole ledger: in a world of two dishes, half of all adapters that learned nothing would be right."""
    dice = random.Random(1)
    lessons_with(
        monkeypatch, lambda e: replace(e, labels=tuple(dice.sample(e.labels, len(e.labels)))), everywhere=True
    )
    assert "rises for sure against neither" in rejected(workshop)


def weights_with(monkeypatch: pytest.MonkeyPatch, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    train = loop.train_adapter

    def changed(*arguments: object) -> object:
        trained = train(*arguments)
        file = arguments[4] / "adapter" / "adapter_model.safetensors"  # type: ignore[operator]
        save_file({name: change(tensor) for name, tensor in load_file(file).items()}, file)
        return trained

    monkeypatch.setattr(loop, "train_adapter", changed)


def test_weights_that_are_no_numbers_are_rejected(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    weights_with(monkeypatch, lambda tensor: tensor * float("nan"))
    assert "no numbers" in rejected(workshop)
    assert workshop.registry.versions() == []


def test_weights_scaled_by_50_are_rejected(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    weights_with(monkeypatch, lambda tensor: tensor * 50)
    rejected(workshop)


def test_weights_for_another_model_are_rejected(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    weights_with(monkeypatch, lambda tensor: tensor[..., : tensor.shape[-1] // 2].contiguous())
    assert "cannot load adapter" in rejected(workshop)


def test_one_training_at_a_time(workshop: Workshop) -> None:
    workshop.settings.data_dir.mkdir(exist_ok=True)
    with FileLock(workshop.settings.data_dir / ".retrain.lock"), pytest.raises(DataError, match="under way"):
        run(workshop)


def test_a_young_ledger_says_that_it_is_too_young(workshop: Workshop, tmp_path: Path) -> None:
    young = Workshop(workshop.settings.model_copy(update={"data_dir": tmp_path / "young"}))
    young.store.upsert(list(CATALOGUE.values()))
    young.store.set_domain("generic")
    with pytest.raises(DataError, match="collect more feedback"):
        run(young)
