"""VllmClient: requests to one or many vLLM servers: which one, failover, adapters. Owns no process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from convrec.engine.base import AdapterRef, Tokenizer
from convrec.errors import EngineError, EngineUnavailableError, NotFoundError

_PERSON_TOKENS = 96
"""Past the words that all prompts share, within what a person's turns have in common."""
_ILL_S = 5.0
_PROBE = "Which tokenizer is this? <3 naïve 東京 1999"


@dataclass(frozen=True, slots=True)
class _Served:
    """The name of a server's base model, and how many tokens of prompt and answer it reads."""

    name: str
    max_tokens: int


class VllmClient:
    """One connection pool for all servers of a model.

    A request goes to the server that the beginning of its prompt picks, so that a person meets the prefix cache
    that knows them, and to the next one when that fails: each beginning has an order of its own, so that the share
    of a server that is down is spread over all others (rendezvous hashing, Thaler & Ravishankar 1998). A server
    that failed is asked last for a while. One that lost an adapter in a restart is given it again.

    Args:
        urls: Where the servers are now.
        tokenizer: Of the model they serve.
    """

    def __init__(self, urls: Callable[[], Sequence[str]], tokenizer: Tokenizer) -> None:
        self._urls = urls
        self._tokenizer = tokenizer
        # Not through a proxy: the child server listens on loopback, others are named by the operator.
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=2.0), trust_env=False)
        self._served: dict[str, _Served] = {}
        self._adapters: dict[str, AdapterRef] = {}
        self._failed_at: dict[str, float] = {}

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def connect(self) -> None:
        """Reach at least one server and see that it serves our model.

        Raises:
            EngineUnavailableError: None does.
        """
        failures: list[EngineUnavailableError] = []
        for url in self._urls():
            try:
                await self._find_served(url)
            except EngineUnavailableError as error:
                failures.append(error)
        if not self._served:
            raise failures[-1]

    async def open(
        self, path: str, body: dict[str, Any], prompt: Sequence[int], tokens: int, adapter: str | None
    ) -> httpx.Response:
        """The streaming response, status 200, of the first server that gives one; the caller closes it.

        Args:
            path: Of the route.
            body: Without `model`.
            prompt: Token ids; the first of them pick the order in which servers are tried.
            tokens: Length of the longest prompt in the body with its first answer token.
            adapter: Name of a loaded adapter, None for the base model.

        Raises:
            EngineError: The request is refused.
            EngineUnavailableError: No server can take it.
            NotFoundError: The adapter is not loaded.
        """
        ref = None if adapter is None else self._find(adapter)
        failures: list[EngineUnavailableError] = []
        for url in self._order(prompt):
            try:
                served = await self._find_served(url)
                if tokens > served.max_tokens:
                    # Scoring would cut the prompt's end off, and with it every difference between items.
                    raise EngineError(
                        f"a prompt of {tokens} tokens was refused: {url} reads {served.max_tokens}; shorten what "
                        "prompts show or start vLLM with a larger --max-model-len"
                    )
                model = ref.name if ref is not None else served.name
                response = await self._post(url, path, {"model": model, **body})
                if response.status_code == httpx.codes.NOT_FOUND and ref is not None:
                    await response.aclose()
                    await self._load(url, ref)
                    response = await self._post(url, path, {"model": model, **body})
                if response.status_code == httpx.codes.OK:
                    return response
                await _refused(response, f"the request to {url}")
            except EngineUnavailableError as error:
                self._failed_at[url] = time.monotonic()
                failures.append(error)
        raise failures[-1]

    async def load_adapter(self, ref: AdapterRef) -> None:
        """Load an adapter on every server that is up; the others get it when they are asked for it.

        Raises:
            EngineError: It does not fit, or the name stands for another path.
            EngineUnavailableError: No server is up.
        """
        known = self._adapters.get(ref.name)
        if known is not None:
            if known.path.resolve() != ref.path.resolve():
                raise EngineError(f"adapter {ref.name} is already loaded from {known.path}; names are used once")
            return
        failures: list[EngineUnavailableError] = []
        for url in self._urls():
            try:
                await self._load(url, ref)
            except EngineUnavailableError as error:
                failures.append(error)
        if len(failures) == len(self._urls()):
            raise failures[-1]
        self._adapters[ref.name] = ref

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter on every server; one that is down has forgotten it already.

        Raises:
            NotFoundError: It is not loaded.
        """
        del self._adapters[self._find(name).name]
        for url in self._urls():
            try:
                response = await self._post(url, "/v1/unload_lora_adapter", {"lora_name": name})
                await response.aclose()
            except EngineUnavailableError:
                continue

    async def ready(self) -> int:
        """How many servers are healthy; never raises."""
        return sum(await asyncio.gather(*(self._healthy(url) for url in self._urls())))

    def _order(self, prompt: Sequence[int]) -> list[str]:
        """The servers, the one that the prompt's beginning picks first, those that failed of late last."""
        person = str(list(prompt[:_PERSON_TOKENS])).encode()
        now = time.monotonic()

        def place(url: str) -> tuple[bool, bytes]:
            ill = now - self._failed_at.get(url, -_ILL_S) < _ILL_S
            return ill, blake2b(person + url.encode(), digest_size=8).digest()

        return sorted(self._urls(), key=place)

    async def prefix_cache(self) -> tuple[float, float]:
        """Tokens that prompts had since the servers' starts, and how many of them were in a cache.

        vLLM's counters vllm:prefix_cache_queries and vllm:prefix_cache_hits, over all servers that are up.
        """
        asked = found = 0.0
        for url in self._urls():
            try:
                text = (await self._http.get(f"{url}/metrics")).text
            except httpx.TransportError:
                continue
            for family in text_string_to_metric_families(text):
                total = sum(sample.value for sample in family.samples if sample.name.endswith("_total"))
                asked += total if family.name == "vllm:prefix_cache_queries" else 0.0
                found += total if family.name == "vllm:prefix_cache_hits" else 0.0
        return asked, found

    async def _healthy(self, url: str) -> bool:
        try:
            return (await self._http.get(f"{url}/health", timeout=2.0)).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _find(self, name: str) -> AdapterRef:
        try:
            return self._adapters[name]
        except KeyError:
            raise NotFoundError(f"adapter {name} is not loaded; load it first") from None

    async def _find_served(self, url: str) -> _Served:
        """What a server serves, once its token ids are known to be ours."""
        if url not in self._served:
            card = (await self._json("GET", f"{url}/v1/models"))["data"][0]
            name = str(card["id"])
            probe = {"model": name, "prompt": _PROBE, "add_special_tokens": False}
            answer = await self._json("POST", f"{url}/tokenize", probe)
            if answer["tokens"] != self._tokenizer.encode(_PROBE):
                raise EngineUnavailableError(
                    f"the server at {url} serves {name}, which has another tokenizer than the model that is set; "
                    "set CONVREC_MODEL to what it serves"
                )
            self._served[url] = _Served(name, int(card["max_model_len"]))
        return self._served[url]

    async def _load(self, url: str, ref: AdapterRef) -> None:
        body = {"lora_name": ref.name, "lora_path": str(ref.path.resolve())}
        response = await self._post(url, "/v1/load_lora_adapter", body)
        text = (await response.aread()).decode(errors="replace")
        if response.status_code != httpx.codes.OK and "already been loaded" not in text:
            # Also for a 500, with which vLLM answers to weights that do not fit: the server itself is fine.
            raise EngineError(f"{url} cannot load adapter {ref.name} from {ref.path}: {error_message(text)}")

    async def _post(self, url: str, path: str, body: dict[str, Any]) -> httpx.Response:
        try:
            return await self._http.send(self._http.build_request("POST", url + path, json=body), stream=True)
        except httpx.TransportError as error:
            raise unreachable(url, error) from error

    async def _json(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = await self._http.request(method, url, json=body)
        except httpx.TransportError as error:
            raise unreachable(url, error) from error
        if response.status_code != httpx.codes.OK:
            raise EngineUnavailableError(f"{url} answered {response.status_code}; is it a vLLM server?")
        answer: dict[str, Any] = response.json()
        return answer


async def _refused(response: httpx.Response, what: str) -> None:
    """Raise what a response means that is not 200: the request is wrong, or the server is down or full."""
    text = error_message((await response.aread()).decode(errors="replace"))
    busy = response.status_code == httpx.codes.TOO_MANY_REQUESTS
    if busy or response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise EngineUnavailableError(f"{what} failed with {response.status_code}: {text}; see vLLM's log")
    raise EngineError(f"{what} was refused with {response.status_code}: {text}")


def unreachable(url: str, error: httpx.TransportError) -> EngineUnavailableError:
    """What a broken connection means to an engine's caller."""
    return EngineUnavailableError(f"cannot reach vLLM at {url} ({type(error).__name__} {error}); is it running?")


def error_message(text: str) -> str:
    """The message in vLLM's error body, or the body's beginning."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
