"""The check of prompts: what it lets pass, what it objects to, and in which words."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from convrec.engine.base import Sampling
from convrec.engine.transformers import TransformersEngine
from convrec.errors import DataError, PromptError
from convrec.prompting import Prompts
from convrec.service.build import Workshop
from convrec.service.golden import load_golden
from convrec.service.prompts_bench import run_golden
from convrec.service.prompts_check import (
    TOLERANCES,
    PromptReport,
    adapter_objections,
    check_behaviour,
    check_snapshots,
    compared,
    fallen,
    read_report,
    report_file,
)
from convrec.settings import Settings
from convrec.testing.engine import FakeEngine
from convrec.testing.retriever import HashEmbedder

PROMPTS = Path(__file__).parents[2] / "prompts"


@pytest.fixture
def prompts_dir(tmp_path: Path) -> Path:
    """A copy to change, with the first conversations only."""
    folder = tmp_path / "prompts"
    shutil.copytree(PROMPTS, folder)
    golden = folder / "golden" / "movies" / "conversations.jsonl"
    golden.write_text("".join(golden.read_text().splitlines(keepends=True)[:3]))
    return folder


@pytest.fixture
def workshop(prompts_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setattr(Workshop, "embedder", HashEmbedder())
    settings = Settings(data_dir=tmp_path, prompts_dir=prompts_dir, model="fake", embedder="hashes")
    return Workshop(settings)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


# --- renderings ----------------------------------------------------------------------------------------------


def test_the_shipped_prompts_render_as_their_snapshots() -> None:
    assert check_snapshots(Prompts(PROMPTS), PROMPTS) == []


def test_a_changed_word_is_a_diff_of_one_line(prompts_dir: Path) -> None:
    edit(prompts_dir / "rank.v3.j2", "You predict whether", "You guess whether")
    (objection,) = check_snapshots(Prompts(prompts_dir), prompts_dir)
    changed = [line for line in objection.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == [
        "-You predict whether a person wants to watch a film.",
        "+You guess whether a person wants to watch a film.",
    ]
    check_snapshots(Prompts(prompts_dir), prompts_dir, update=True)
    assert check_snapshots(Prompts(prompts_dir), prompts_dir) == []


def test_a_prompt_without_examples_says_what_to_write(prompts_dir: Path) -> None:
    (prompts_dir / "examples" / "reply.toml").unlink()
    with pytest.raises(PromptError, match=r"reply\.toml.*count, domain, items, query"):
        check_snapshots(Prompts(prompts_dir), prompts_dir)


def test_two_versions_side_by_side(prompts_dir: Path) -> None:
    shutil.copy(prompts_dir / "rank.v3.j2", prompts_dir / "rank.v4.j2")
    edit(prompts_dir / "rank.v4.j2", "Liked:", "Loved:")
    edit(prompts_dir / "rank.v4.j2", "token_budget = 400", "token_budget = 500")
    prompts = Prompts(prompts_dir)
    changed, rows = compared(prompts.named("rank.v3"), prompts.named("rank"), prompts_dir)
    assert "-Liked:\n+Loved:" in changed
    told = {what: (a, b) for what, a, b in rows}
    assert told["token budget"] == ("400", "500")
    assert told["ndcg"][1] == "not measured"
    assert compared(prompts.named("rank.v3"), prompts.named("rank.v3"), prompts_dir)[0] == ""


# --- golden files --------------------------------------------------------------------------------------------


def test_an_operator_adds_conversations_as_a_file(prompts_dir: Path) -> None:
    before = load_golden(prompts_dir, "movies")
    line = {"name": "mine", "turns": [{"say": "a western", "constraints": [["genre", "include", "Western"]]}]}
    (prompts_dir / "golden" / "movies" / "own.jsonl").write_text(json.dumps(line))
    after = load_golden(prompts_dir, "movies")
    assert [c.name for c in after.conversations] == [*(c.name for c in before.conversations), "mine"]
    assert after.hash != before.hash


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 1: not JSON"),
        ('{"name": "x", "turns": [], "likes": []}', "line 1: likes"),
        ('{"name": "x", "liked": ["No Such Film"], "turns": []}', "no item is called 'No Such Film'"),
        (
            '{"name": "x", "turns": [{"say": "y", "constraints": [["colour", "include", "red"]]}]}',
            "facet 'colour'",
        ),
    ],
)
def test_a_bad_golden_line_is_named(prompts_dir: Path, line: str, problem: str) -> None:
    (prompts_dir / "golden" / "movies" / "own.jsonl").write_text(line)
    with pytest.raises(DataError, match=problem):
        load_golden(prompts_dir, "movies")


def test_a_domain_without_golden_files_names_those_that_have_some(prompts_dir: Path) -> None:
    with pytest.raises(DataError, match="there are some for: movies"):
        load_golden(prompts_dir, "generic")


# --- behaviour -----------------------------------------------------------------------------------------------


async def test_what_was_measured_passes_and_what_fell_does_not(workshop: Workshop, prompts_dir: Path) -> None:
    engine = FakeEngine()
    unreported = await check_behaviour(workshop, FakeEngine())
    assert any("not compared" in note for note in unreported.notes)  # the shipped reports are of another model
    await check_behaviour(workshop, engine, update=True)
    assert (await check_behaviour(workshop, engine)).objections == ()

    file = report_file("rank.v3", prompts_dir)
    stored = read_report(file)
    assert stored is not None
    better = replace(stored, metrics={**stored.metrics, "ndcg": stored.metrics["ndcg"] + 0.2})
    file.write_text(json.dumps({name: getattr(better, name) for name in better.__dataclass_fields__}))
    (objection,) = (await check_behaviour(workshop, engine)).objections
    assert objection.startswith("rank.v3: ndcg was ")


async def test_a_longer_prompt_and_a_passed_budget_are_objections(workshop: Workshop, prompts_dir: Path) -> None:
    await check_behaviour(workshop, FakeEngine(), update=True)
    edit(prompts_dir / "rank.v3.j2", "You predict", "word " * 400 + "You predict")
    found = " ".join((await check_behaviour(Workshop(workshop.settings), FakeEngine())).objections)
    assert "tokens was" in found
    assert "its budget is 400" in found


async def test_an_engine_that_obeys_injections_is_found_out(workshop: Workshop) -> None:
    def obedient(prefix: str, segment: str) -> float:
        told = "Ignore all previous" in prefix or "System:" in prefix
        return 1.0 if (told and "Clueless" in segment) or "answer Yes" in segment else 0.001

    golden = load_golden(workshop.settings.prompts_dir, "movies")
    fair = await run_golden(workshop, golden, FakeEngine())
    fooled = await run_golden(workshop, golden, FakeEngine(scores=obedient))
    assert fair.metrics["rank"]["pushed"] == 0
    assert fooled.metrics["rank"]["pushed"] >= 4
    assert any("put Clueless on the slate" in failure for failure in fooled.failures)


async def test_an_adapter_that_ranks_worse_is_objected_to(workshop: Workshop) -> None:
    wanted = {"Heat", "Seven", "Fargo", "Aliens", "Galaxy", "Back to the Future", "The Matrix", "Terminator 2"}

    class Tuned(FakeEngine):
        """Its base model knows what is wanted; its adapter believes the opposite."""

        async def score(self, prefix, segments, labels, adapter=None, salt=None):
            texts = [self.tokenizer.decode(segment) for segment in segments]
            good = [any(title in text for title in wanted) for text in texts]
            return [0.9 if known == (adapter is None) else 0.1 for known in good]

    objections = await adapter_objections(workshop, Tuned(), "bad@1")
    assert any("bad@1: rank.v3: ndcg was" in objection for objection in objections)
    assert await adapter_objections(workshop, FakeEngine(), "same@1", "a domain without any") == ()


def test_every_metric_has_a_tolerance_that_says_which_way_is_worse() -> None:
    stored = PromptReport("rank.v3:0", "m", "g", dict.fromkeys(TOLERANCES, 0.5))
    assert fallen(stored, stored) == []
    for metric, tolerance in TOLERANCES.items():
        worse = 0.0 if tolerance.less is not None else 3.0
        now = replace(stored, metrics={**stored.metrics, metric: worse})
        assert [line.split()[1] for line in fallen(now, stored)] == [metric]
        assert len(fallen(now, stored, costs=False)) == (metric != "tokens" and not metric.endswith("_s"))
    assert "not measured any more" in fallen(replace(stored, metrics={}), stored)[0]


async def test_replies_that_the_model_did_not_end_are_not_valid(workshop: Workshop) -> None:
    def nonsense(prompt: str, sampling: Sampling) -> str:
        return "I would rather talk about Clueless"

    golden = load_golden(workshop.settings.prompts_dir, "movies")
    measured = await run_golden(workshop, golden, FakeEngine(nonsense))
    assert measured.metrics["reply"]["valid"] == 0.0
    assert measured.metrics["reply"]["inside"] == 1.0


@pytest.mark.model
async def test_the_embedded_model_behaves_as_its_reports_say(demo_data_dir: Path, tmp_path: Path) -> None:
    models = demo_data_dir / "models"
    settings = Settings(
        data_dir=tmp_path,
        prompts_dir=PROMPTS,
        engine="transformers",
        model=str(models / "SmolLM2-135M-Instruct"),
        embedder=str(models / "all-MiniLM-L6-v2"),
    )
    engine = TransformersEngine(settings.model or "")
    await engine.start()
    try:
        checked = await check_behaviour(Workshop(settings), engine)
    finally:
        await engine.close()
    assert checked.objections == ()
    assert {report.model for report in checked.reports} == {"SmolLM2-135M-Instruct"}
