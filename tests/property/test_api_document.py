"""The whole OpenAPI document, fuzzed: a few requests of every route. `scripts/fuzz_api.py` sends thousands."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from convrec.service.api import create_app
from convrec.service.problems import ErrorEnvelope
from convrec.service.slot import ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.fuzzing import fuzz
from convrec.testing.recommender import KNOWN, small_server
from convrec.testing.server import serving

PROMPTS = Path(__file__).parents[2] / "prompts"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def test_every_answer_is_one_that_the_document_declares(tmp_path: Path) -> None:
    with (
        small_server(tmp_path, PROMPTS, FakeEngine()) as slot,
        serving(create_app(slot, info=ServerInfo("fake", "0", 0.0))) as url,
    ):
        report = fuzz(url, 150, known=KNOWN)
    assert not report.failures, "\n\n".join(report.failures.values())
    assert report.cases >= 100
    assert report.statuses[200] > 20
    assert report.statuses[400] > 20


class Number(BaseModel):
    value: int


def test_what_is_not_declared_is_found() -> None:
    """Each route of this app breaks another rule."""
    app = FastAPI(responses={"4XX": {"model": ErrorEnvelope}, "5XX": {"model": ErrorEnvelope}})

    @app.get("/fails")
    async def fails() -> Number:
        raise RuntimeError

    @app.get("/lies", response_model=Number)
    async def lies() -> object:
        return PlainTextResponse('{"value": "none"}', media_type="application/json")

    @app.get("/mutters", response_model=Number)
    async def mutters() -> object:
        return PlainTextResponse("no", 404)

    with serving(app) as url:
        failures = " ".join(fuzz(url, 12).failures)
    for said in (
        "GET /fails 500: the server failed",
        "GET /lies 200: JsonSchemaError",
        "GET /mutters 404: not OpenAI's error",
        "GET /mutters 404: UndefinedContentType",
        "GET /lies 200: no x-request-id",
    ):
        assert said in failures
