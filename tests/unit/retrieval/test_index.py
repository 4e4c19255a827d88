import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError, IndexUnavailableError
from convrec.retrieval.behaviour import BehaviourConfig
from convrec.retrieval.index import (
    build_index,
    index_holder,
    index_status,
    open_index,
)
from convrec.testing.retriever import HashEmbedder
from convrec.types import Domain, FeedbackEvent, FeedbackType, Item

DOMAIN = Domain("things", "thing", "things", "use", "used", (), (), (1.0, 5.0))
OLD = Catalogue([Item(f"i{n}", f"old thing {n}") for n in range(12)], DOMAIN)
NEW = Catalogue([Item(f"i{n}", f"new thing {n}") for n in range(15)], DOMAIN)
EVENTS = [
    FeedbackEvent(f"e{u}-{n}", f"u{u}", FeedbackType.LIKE, float(n), f"i{n}")
    for u in range(4)
    for n in range(u, 9)
]

# A child process: builds the index of NEW, or opens it and waits; the parent kills it.
CHILD = """
import os, signal, sys
from pathlib import Path
from convrec.data.catalogue import Catalogue
from convrec.retrieval.index import build_index, open_index
from convrec.testing.retriever import HashEmbedder
from convrec.types import Domain, Item

folder, doing, limit = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])

def die(fraction, what):
    if fraction >= limit:
        os.kill(os.getpid(), signal.SIGKILL)

if doing == "build":
    domain = Domain("things", "thing", "things", "use", "used", (), (), (1.0, 5.0))
    catalogue = Catalogue([Item(f"i{n}", f"new thing {n}") for n in range(15)], domain)
    build_index(folder, catalogue, [], HashEmbedder(), progress=die)
else:
    index = open_index(folder, HashEmbedder(), url="http://127.0.0.1:8000")
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_index(tmp_path / "index", OLD, EVENTS, HashEmbedder(), ledger_position=7)
    return tmp_path / "index"


def generations(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def test_an_index_says_what_it_was_built_from(folder: Path) -> None:
    config = BehaviourConfig(regularisation=3.0, dimensions=4, decay=0.5, window=2)
    steps: list[tuple[float, str]] = []
    meta = build_index(
        folder, OLD, EVENTS, HashEmbedder(), config, lambda fraction, what: steps.append((fraction, what)), 7
    )
    assert index_status(folder) == meta
    assert (meta.catalogue_fingerprint, meta.ledger_position, meta.config) == (OLD.fingerprint, 7, config)
    assert (meta.items, meta.users, meta.interactions) == (12, 4, len(EVENTS))
    assert (meta.text_dimension, meta.behaviour_dimension) == (64, 4)
    fractions = [fraction for fraction, _ in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_an_open_index_holds_what_was_built(folder: Path) -> None:
    with open_index(folder, HashEmbedder()) as index:
        assert index.item_ids == OLD.ids
        popularity = dict(zip(index.item_ids, index.signals.popularity.counts_N.tolist(), strict=True))
        assert (popularity["i0"], popularity["i3"], popularity["i8"], popularity["i9"]) == (1, 4, 4, 0)
        approximation = (
            index.signals.behaviour.left_N_F
            @ np.stack([index.store.vectors("behaviour", OLD.ids)[item_id] for item_id in OLD.ids]).T
        )
        assert approximation == pytest.approx(np.asarray(index.signals.behaviour.exact_N_N), abs=1e-5)


def test_the_same_input_builds_the_same_index(folder: Path) -> None:
    with open_index(folder, HashEmbedder()) as index:
        first = np.array(index.signals.behaviour.exact_N_N), np.array(index.signals.behaviour.left_N_F)
        follow = index.signals.transitions["next_10"].arrays
        keys = index.signals.popularity.keys_E
    build_index(folder, OLD, EVENTS[::-1], HashEmbedder())
    with open_index(folder, HashEmbedder()) as index:
        assert np.array_equal(np.asarray(index.signals.behaviour.exact_N_N), first[0])
        assert np.array_equal(index.signals.behaviour.left_N_F, first[1])
        assert np.array_equal(index.signals.popularity.keys_E, keys)
        for ours, theirs in zip(index.signals.transitions["next_10"].arrays, follow, strict=True):
            assert np.array_equal(ours, theirs)


def test_with_more_items_than_can_be_inverted_there_are_factors_alone(folder: Path) -> None:
    build_index(folder, OLD, EVENTS, HashEmbedder(), BehaviourConfig(dense_items=11, dimensions=3))
    with open_index(folder, HashEmbedder()) as index:
        assert index.signals.behaviour.exact_N_N is None
        assert index.signals.behaviour.right_N_F.shape == (12, 3)


def test_a_rebuild_replaces_the_old_generation(folder: Path) -> None:
    build_index(folder, NEW, [], HashEmbedder())
    assert index_status(folder).catalogue_fingerprint == NEW.fingerprint
    assert len(generations(folder)) == 1


def test_a_rebuild_leaves_what_this_process_has_open_alone(folder: Path) -> None:
    old = open_index(folder, HashEmbedder())
    build_index(folder, NEW, [], HashEmbedder())
    assert len(old.store.nearest("text", HashEmbedder().embed(["old thing 3"])[0], 3)) == 3
    with open_index(folder, HashEmbedder()) as new:
        assert new.item_ids == NEW.ids
        old.close()
        old.close()
        assert len(generations(folder)) == 1
        assert new.store.count("text") == 15


def test_a_build_that_fails_leaves_the_old_index(folder: Path) -> None:
    class Broken(HashEmbedder):
        def embed(self, texts):  # type: ignore[no-untyped-def]
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        build_index(folder, NEW, [], Broken())
    assert index_holder(folder) is None
    assert len(generations(folder)) == 1
    with open_index(folder, HashEmbedder()) as index:
        assert index.item_ids == OLD.ids


@pytest.mark.parametrize("limit", [0.6, 0.9, 1.0])
def test_kill_9_during_a_build_leaves_the_old_index(folder: Path, limit: float) -> None:
    child = subprocess.run([sys.executable, "-c", CHILD, str(folder), "build", str(limit)], check=False)
    assert child.returncode == -signal.SIGKILL
    assert index_holder(folder) is None
    assert len(generations(folder)) == 2
    with open_index(folder, HashEmbedder()) as index:
        assert index.meta.catalogue_fingerprint == OLD.fingerprint
    build_index(folder, NEW, [], HashEmbedder())
    assert len(generations(folder)) == 1


def test_one_process_at_a_time_and_others_see_who_it_is(folder: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), "open", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        holder = index_holder(folder)
        assert holder is not None
        assert (holder.pid, holder.url) == (child.pid, "http://127.0.0.1:8000")
        with pytest.raises(IndexUnavailableError, match=f"process {child.pid} .*8000"):
            open_index(folder, HashEmbedder())
        with pytest.raises(IndexUnavailableError, match=f"process {child.pid}"):
            build_index(folder, NEW, [], HashEmbedder())
        assert index_status(folder).ledger_position == 7
        child.kill()
    assert index_holder(folder) is None
    open_index(folder, HashEmbedder()).close()


def test_the_holder_is_this_process_while_it_is_open(folder: Path) -> None:
    with open_index(folder, HashEmbedder(), url="http://here"):
        build_index(folder, NEW, [], HashEmbedder())
        holder = index_holder(folder)
        assert holder is not None
        assert holder.url == "http://here"
    assert index_holder(folder) is None
    assert index_holder(folder / "nowhere") is None


def test_an_index_that_is_not_there(tmp_path: Path) -> None:
    for read in (lambda: index_status(tmp_path), lambda: open_index(tmp_path, HashEmbedder())):
        with pytest.raises(IndexUnavailableError, match="run: convrec index"):
            read()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("embedder", [HashEmbedder(32), HashEmbedder(salt="other")])
def test_another_embedder_is_refused(folder: Path, embedder: HashEmbedder) -> None:
    with pytest.raises(IndexUnavailableError, match=r"another embedder; run: convrec index"):
        open_index(folder, embedder)
    assert index_holder(folder) is None


@pytest.mark.parametrize(
    "name",
    [
        "signals/exact.npy",
        "signals/left.npy",
        "signals/popularity.npz",
        "signals/next_10.data.npy",
        "probe.npy",
        "meta.json",
        "item_ids.json",
        "chroma/chroma.sqlite3",
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_damage_is_noticed_and_a_rebuild_mends_it(folder: Path, name: str, damage: str) -> None:
    (generation,) = generations(folder)
    file = generation / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(IndexUnavailableError, match="run: convrec index"):
        open_index(folder, HashEmbedder())
    build_index(folder, OLD, EVENTS, HashEmbedder())
    open_index(folder, HashEmbedder()).close()


def test_an_index_of_an_earlier_version_is_told_from_a_damaged_one(folder: Path) -> None:
    generation = folder / (folder / "CURRENT").read_text()
    sums = json.loads((generation / "checksums.json").read_text())
    del sums["expectation.npz"]
    (generation / "checksums.json").write_text(json.dumps(sums))
    (generation / "expectation.npz").unlink()
    with pytest.raises(IndexUnavailableError, match="of an earlier version; run: convrec index"):
        open_index(folder, HashEmbedder())
    build_index(folder, OLD, EVENTS, HashEmbedder())
    open_index(folder, HashEmbedder()).close()


def test_a_damaged_graph_is_noticed_before_it_ends_the_process(tmp_path: Path) -> None:
    # Chroma writes graphs to files from 1,000 items on.
    many = Catalogue([Item(f"i{n}", f"thing {n}") for n in range(1100)], DOMAIN)
    build_index(tmp_path, many, EVENTS, HashEmbedder(8), BehaviourConfig(dimensions=4))
    header = next(tmp_path.rglob("header.bin"))
    header.write_bytes(header.read_bytes()[:10])
    with pytest.raises(IndexUnavailableError, match=r"header\.bin.*run: convrec index"):
        open_index(tmp_path, HashEmbedder(8))


def test_an_empty_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="convrec ingest"):
        build_index(tmp_path, Catalogue([], DOMAIN), [], HashEmbedder())
