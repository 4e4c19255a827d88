"""convrec prompts: what is printed, and what makes it ask for attention."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from convrec import cli
from convrec.service.build import Workshop
from convrec.testing.engine import FakeEngine
from convrec.testing.retriever import HashEmbedder

PROMPTS = Path(__file__).parents[2] / "prompts"


@pytest.fixture
def prompts_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "prompts"
    shutil.copytree(PROMPTS, folder)
    for name in ("conversations", "injections"):
        file = folder / "golden" / "movies" / f"{name}.jsonl"
        file.write_text(file.read_text().splitlines()[0])
    monkeypatch.setenv("CONVREC_PROMPTS_DIR", str(folder))
    monkeypatch.setenv("CONVREC_MODEL", "fake")
    monkeypatch.setenv("CONVREC_EMBEDDER", "hashes")
    monkeypatch.setattr(Workshop, "embedder", HashEmbedder())

    async def start(*args: object, **kwargs: object) -> FakeEngine:
        return FakeEngine()

    monkeypatch.setattr("convrec.service.engines.start_engine", start)
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["prompts", *arguments])
    return result.exit_code, result.stdout


def test_list_marks_what_is_active(prompts_dir: Path) -> None:
    shutil.copy(prompts_dir / "rank.v3.j2", prompts_dir / "rank.v4.j2")
    code, out = run("list", "--json")
    active = {row["name"]: row["active"] for row in json.loads(out)}
    assert (code, active["rank.v3"], active["rank.v4"]) == (0, False, True)


def test_check_stores_then_passes_then_objects_to_a_changed_word(prompts_dir: Path) -> None:
    assert run("check", "--update")[0] == 0
    code, out = run("check")
    assert (code, "The prompts are what they were." in out) == (0, True)
    file = prompts_dir / "reply.v2.j2"
    file.write_text(file.read_text().replace("friendly", "cheerful"))
    code, out = run("check", "--no-model", "--json")
    assert code == 3
    assert "+Recommend them to this person in a few short, cheerful sentences" in json.loads(out)["objections"][0]


def test_compare_shows_both(prompts_dir: Path) -> None:
    text = (prompts_dir / "reply.v2.j2").read_text().replace("friendly", "cheerful")
    (prompts_dir / "reply.v3.j2").write_text(text)
    code, out = run("compare", "reply.v2", "reply.v3")
    assert code == 0
    assert "cheerful" in out
    assert "friendly" in out
    assert run("compare", "reply.v2", "reply.v9")[0] == 1
