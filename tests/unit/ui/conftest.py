from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from convrec.service.api import create_app
from convrec.service.recommender import Recommender
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from ui.client import ApiClient

PROMPTS = Path(__file__).parents[3] / "prompts"


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory, engine: FakeEngine) -> Iterator[Recommender]:
    with small_recommender(tmp_path_factory.mktemp("ui"), PROMPTS, engine) as small:
        yield small


@pytest.fixture
async def client(recommender: Recommender) -> AsyncIterator[ApiClient]:
    """A client of the real API over a small catalogue."""
    app = create_app(RecommenderSlot(recommender), info=ServerInfo(model="fake-lm", version="1", started=1.0))
    client = ApiClient("http://api.test/", transport=httpx.ASGITransport(app))
    yield client
    await client.aclose()
