"""A small server over ASGI, made anew for each module: catalogue, adapters and jobs can be changed."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_server

PROMPTS = Path(__file__).parents[4] / "prompts"


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecommenderSlot]:
    with small_server(tmp_path_factory.mktemp("server"), PROMPTS, FakeEngine()) as small:
        yield small


@pytest.fixture
def app(slot: RecommenderSlot) -> FastAPI:
    return create_app(slot, info=ServerInfo("fake-lm", "0", 0.0))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        yield http
