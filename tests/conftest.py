"""Fixtures for every test: the demo data and models, fetched once into the checkout's data folder."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("convrec.testing")


@pytest.fixture(scope="session")
def demo_data_dir() -> Path:
    """A data folder with the demo's data set and models; read it, never write to it."""
    from convrec.data.sources import fetch_embedder, fetch_language_model, fetch_movielens

    data_dir = Path(__file__).parent.parent / ".convrec"
    fetch_movielens(data_dir)
    fetch_embedder(data_dir / "models")
    fetch_language_model(data_dir / "models")
    return data_dir
