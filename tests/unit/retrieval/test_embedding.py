from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from convrec.errors import SettingsError
from convrec.retrieval.embedding import CachedEmbedder, SentenceEmbedder
from convrec.testing.retriever import HashEmbedder


def test_a_folder_without_a_model_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="CONVREC_EMBEDDER"):
        SentenceEmbedder(tmp_path / "nothing")


@pytest.fixture(scope="module")
def sentence(demo_data_dir: Path) -> SentenceEmbedder:
    return SentenceEmbedder(demo_data_dir / "models" / "all-MiniLM-L6-v2")


@pytest.fixture(params=[pytest.param("sentence", marks=pytest.mark.model), "hash"])
def embedder(request: pytest.FixtureRequest) -> SentenceEmbedder | HashEmbedder:
    return request.getfixturevalue("sentence") if request.param == "sentence" else HashEmbedder()


def test_rows_are_unit_vectors(embedder: SentenceEmbedder | HashEmbedder) -> None:
    vectors = embedder.embed(["a red kettle", "", "x" * 5000, "schön 🎬"])
    assert vectors.shape == (4, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_a_vector_is_a_function_of_its_text(embedder: SentenceEmbedder | HashEmbedder) -> None:
    texts = [f"thing {n} " * (1 + n % 9) for n in range(100)]
    together = embedder.embed(texts)
    with ThreadPoolExecutor(4) as pool:
        alone = np.concatenate(list(pool.map(lambda text: embedder.embed([text]), texts)))
    assert alone == pytest.approx(together, abs=1e-4)


@pytest.mark.model
def test_meaning_is_nearer_than_words(sentence: SentenceEmbedder) -> None:
    query, near, far = sentence.embed(
        ["a scary story about ghosts", "haunted house horror", "a story about cooking"]
    )
    assert query @ near > query @ far


@pytest.mark.model
def test_nothing_is_printed(demo_data_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    SentenceEmbedder(demo_data_dir / "models" / "all-MiniLM-L6-v2").embed(["quiet"] * 200)
    assert capfd.readouterr() == ("", "")


def test_a_text_is_embedded_once() -> None:
    asked: list[str] = []

    class Lengths:
        dimension = 2

        def embed(self, texts):
            asked.extend(texts)
            return np.array([[len(text), 1.0] for text in texts], np.float32).reshape(-1, 2)

    cached = CachedEmbedder(Lengths())
    assert cached.embed(["a", "bb", "a"]).tolist() == [[1.0, 1.0], [2.0, 1.0], [1.0, 1.0]]
    assert cached.embed(["ccc", "bb"]).tolist() == [[3.0, 1.0], [2.0, 1.0]]
    assert cached.embed([]).shape == (0, 2)
    assert asked == ["a", "bb", "ccc"]
