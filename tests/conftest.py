"""Fixtures for every test: the demo data and models, fetched once into the checkout's data folder; databases."""

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


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL of these tests alone."""
    from convrec.testing.postgres import postgres_binaries, postgres_cluster

    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    with postgres_cluster(binaries) as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new database is, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return request.getfixturevalue("postgres").new_database()
