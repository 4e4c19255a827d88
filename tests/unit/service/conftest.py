from collections.abc import Iterator

import openai
import pytest


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    """The openai package's client of the server that a file's own fixture `url` names."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk
