from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from convrec.errors import IndexUnavailableError
from convrec.retrieval.base import Floats
from convrec.retrieval.chroma import ChromaStore

N = 600


@pytest.fixture(scope="module")
def vectors() -> Floats:
    vectors = np.random.default_rng(0).normal(size=(N, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def store(vectors: Floats, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaStore]:
    store = ChromaStore(tmp_path_factory.mktemp("chroma"))
    ids = [f"i{n}" for n in range(N)]
    written: list[int] = []
    store.write("text", ids, vectors, written.append)
    assert written == [250, 500, 600]
    store.write("behaviour", ids, 3.0 * vectors)
    yield store
    store.close()


@pytest.mark.parametrize(("collection", "scale"), [("text", 1.0), ("behaviour", 3.0)])
def test_nearest_are_those_of_the_collection_s_own_similarity(
    store: ChromaStore, vectors: Floats, collection: str, scale: float
) -> None:
    found = store.nearest(collection, vectors[7], 20)
    similarity = scale * (vectors @ vectors[7])
    expected = np.argsort(-similarity)[:20]
    assert [item_id for item_id, _ in found] == [f"i{n}" for n in expected]
    assert [value for _, value in found] == pytest.approx(similarity[expected].tolist(), abs=1e-4)


def test_vectors_come_back_by_id(store: ChromaStore, vectors: Floats) -> None:
    found = store.vectors("text", ["i3", "nothing", "i599"])
    assert set(found) == {"i3", "i599"}
    assert found["i599"] == pytest.approx(vectors[599], abs=1e-6)
    assert store.vectors("text", []) == {}


def test_asking_for_more_than_there_is(store: ChromaStore, vectors: Floats) -> None:
    assert len(store.nearest("text", vectors[0], 10 * N)) == N == store.count("text")
    assert store.nearest("text", vectors[0], 0) == []


def test_what_is_written_outlives_the_client(tmp_path: Path, vectors: Floats) -> None:
    first = ChromaStore(tmp_path)
    first.write("text", ["a", "b"], vectors[:2])
    first.close()
    second = ChromaStore(tmp_path)
    assert second.count("text") == 2
    assert second.nearest("text", vectors[1], 1)[0][0] == "b"
    second.close()


def test_a_missing_collection_and_a_damaged_database_say_what_to_run(tmp_path: Path) -> None:
    store = ChromaStore(tmp_path / "empty")
    with pytest.raises(IndexUnavailableError, match="convrec index"):
        store.count("text")
    store.close()
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "chroma.sqlite3").write_bytes(b"not a database" * 1000)
    with pytest.raises(IndexUnavailableError, match="convrec index"):
        ChromaStore(tmp_path / "junk")


def test_vectors_of_another_dimension_are_refused(store: ChromaStore) -> None:
    with pytest.raises(IndexUnavailableError, match="dimension"):
        store.nearest("text", np.ones(3, np.float32), 1)
