"""The openai package's embeddings client against our server."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest

from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.retriever import HashEmbedder
from convrec.testing.server import serving

PROMPTS = Path(__file__).parents[3] / "prompts"
MODEL = "convrec-embedding"
EMBEDDER = HashEmbedder(8)


@dataclass
class Served:
    url: str
    slot: RecommenderSlot


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with small_recommender(tmp_path_factory.mktemp("embeddings"), PROMPTS, FakeEngine()) as small:
        slot = RecommenderSlot(small, embedder=EMBEDDER)
        with serving(create_app(slot, info=ServerInfo("fake-lm", "0", 0.0))) as url:
            yield Served(url, slot)


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def _ask(served: Served, **body: object) -> httpx.Response:
    return httpx.post(f"{served.url}/v1/embeddings", json={"model": MODEL, **body}, trust_env=False)


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_vectors_are_the_embedder_s_in_order(served: Served, client: openai.OpenAI, encoding: str) -> None:
    texts = [f"text {n}" for n in range(40)]
    answer = _ask(served, input=texts, encoding_format=encoding).json()
    assert isinstance(answer["data"][0]["embedding"], str) == (encoding == "base64")
    read = client.embeddings.create(model=MODEL, input=texts)  # base64 on the wire
    assert [entry.index for entry in read.data] == list(range(40))
    assert np.allclose([entry.embedding for entry in read.data], EMBEDDER.embed(texts))
    if encoding == "float":
        assert np.allclose([entry["embedding"] for entry in answer["data"]], EMBEDDER.embed(texts))
    assert read.usage.prompt_tokens == read.usage.total_tokens == 80


def test_one_text(client: openai.OpenAI) -> None:
    (entry,) = client.embeddings.create(model=MODEL, input="a Syrah", dimensions=8).data
    assert np.allclose(entry.embedding, EMBEDDER.embed(["a Syrah"])[0])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": "x" * 20_001}, "input"),
        ({"input": ["a"] * 2_049}, "input"),
        ({"input": "a", "dimensions": 4}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_bad_requests(served: Served, body: dict[str, object], param: str) -> None:
    answer = _ask(served, **body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_token_ids_are_refused_with_the_way_out(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length"):
        client.embeddings.create(model=MODEL, input=[[1, 2, 3]])


@pytest.mark.parametrize("model", ["convrec", "text-embedding-3-small"])
def test_another_model(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError, match=MODEL):
        client.embeddings.create(model=model, input="a")


def test_an_embedder_that_is_still_loading(served: Served, client: openai.OpenAI) -> None:
    served.slot.embedder = None
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            client.embeddings.create(model=MODEL, input="a")
    finally:
        served.slot.embedder = EMBEDDER
    assert caught.value.status_code == 503
