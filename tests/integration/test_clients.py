"""Other people's clients of OpenAI's API against our server, each where it is installed (the group `clients`)."""

import asyncio
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.retriever import HashEmbedder
from convrec.testing.server import serving

# Their imports and clean-up warn of things that are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

PROMPTS = Path(__file__).parents[2] / "prompts"


def _needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed (group clients)")


class Wine(BaseModel):
    """One wine."""

    item_id: str
    title: str
    occasion: Literal["lunch", "dinner"]


class Wines(BaseModel):
    """Wines for somebody."""

    wines: list[Wine]


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with small_recommender(tmp_path_factory.mktemp("clients"), PROMPTS, FakeEngine()) as small:
        slot = RecommenderSlot(small, embedder=HashEmbedder(8))
        with serving(create_app(slot, info=ServerInfo("fake-lm", "0", 0.0, "hash"))) as url:
            yield f"{url}/v1"


@_needs("langchain_openai")
class TestLangChain:
    def test_chat_stream_and_structured_output(self, v1: str) -> None:
        langchain = import_module("langchain_openai")
        model = langchain.ChatOpenAI(model="convrec", base_url=v1, api_key="none", max_retries=0)
        whole = model.invoke([("system", "Be brief."), ("user", "a Syrah")])
        assert "Syrah" in whole.content
        assert whole.usage_metadata["output_tokens"] > 0
        pieces = [piece.content for piece in model.stream("a Syrah")]
        assert len(pieces) > 1
        assert "Syrah" in "".join(pieces)
        assert "Syrah" in asyncio.run(model.ainvoke("a Syrah")).content
        for method in ("json_schema", "function_calling"):
            wines = model.with_structured_output(Wines, method=method).invoke("a Syrah")
            assert len(wines.wines) == 5

    def test_extra_body_says_who_asks(self, v1: str) -> None:
        langchain = import_module("langchain_openai")
        model = langchain.ChatOpenAI(
            model="convrec", base_url=v1, api_key="none", extra_body={"convrec": {"user_id": "ann", "k": 1}}
        )
        assert "Syrah" in model.invoke("a Syrah").content

    def test_responses(self, v1: str) -> None:
        langchain = import_module("langchain_openai")
        model = langchain.ChatOpenAI(
            model="convrec", base_url=v1, api_key="none", use_responses_api=True, max_retries=0
        )
        assert "Syrah" in model.invoke("a Syrah").text
        assert "Syrah" in "".join(piece.text for piece in model.stream("a Syrah"))

    def test_embeddings(self, v1: str) -> None:
        langchain = import_module("langchain_openai")
        embeddings = langchain.OpenAIEmbeddings(
            model="convrec-embedding", base_url=v1, api_key="none", check_embedding_ctx_length=False
        )
        assert [len(vector) for vector in embeddings.embed_documents(["a", "b"])] == [8, 8]


@_needs("litellm")
class TestLiteLLM:
    @pytest.fixture(autouse=True)
    def _offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")

    def test_chat_and_stream(self, v1: str) -> None:
        litellm = import_module("litellm")
        asked = {
            "model": "openai/convrec",
            "api_base": v1,
            "api_key": "none",
            "messages": [{"role": "user", "content": "a Syrah"}],
        }
        whole = litellm.completion(**asked, extra_body={"convrec": {"user_id": "ann", "k": 2}})
        assert "Syrah" in whole.choices[0].message.content
        assert whole.usage.total_tokens > 0
        pieces = [chunk.choices[0].delta.content or "" for chunk in litellm.completion(**asked, stream=True)]
        assert "Syrah" in "".join(pieces)
        parsed = litellm.completion(**asked, response_format=Wines).choices[0].message.content
        assert len(Wines.model_validate_json(parsed).wines) == 5

    def test_embeddings(self, v1: str) -> None:
        litellm = import_module("litellm")
        answer = litellm.embedding(model="openai/convrec-embedding", api_base=v1, api_key="none", input=["a", "b"])
        assert [len(entry["embedding"]) for entry in answer.data] == [8, 8]


@_needs("llama_index")
class TestLlamaIndex:
    def test_chat_and_stream(self, v1: str) -> None:
        openai_like = import_module("llama_index.llms.openai_like")
        message = import_module("llama_index.core.llms").ChatMessage

        model = openai_like.OpenAILike(model="convrec", api_base=v1, api_key="none", is_chat_model=True)
        asked = [message(role="system", content="Be brief."), message(role="user", content="a Syrah")]
        assert "Syrah" in str(model.chat(asked).message.content)
        assert "Syrah" in "".join(piece.delta or "" for piece in model.stream_chat(asked))
        assert "Syrah" in model.complete("a Syrah").text


@_needs("llm")
class TestLlm:
    def test_prompt_and_stream(self, v1: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
        llm = import_module("llm")
        configured = f"- model_id: convrec\n  model_name: convrec\n  api_base: {v1}\n"
        (tmp_path / "extra-openai-models.yaml").write_text(configured)
        model = llm.get_model("convrec")
        model.key = "none"
        assert "Syrah" in model.prompt("a Syrah", stream=False).text()
        pieces = list(model.prompt("a Syrah", stream=True))
        assert len(pieces) > 1
        assert "Syrah" in "".join(pieces)
        talk = model.conversation()
        talk.prompt("a Syrah").text()
        assert "Syrah" in talk.prompt("under 20").text()
