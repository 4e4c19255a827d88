"""Owns the command line's way to a server that already runs: it holds the index, so it must be asked instead."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx

from convrec.errors import ConvRecError
from convrec.service.views import SlateView

_TIMEOUT = httpx.Timeout(120.0, connect=5.0)


class Remote:
    """A running convrec server.

    Args:
        url: Its root, "http://127.0.0.1:8000".
        key: The API key to present; None where it asks for none.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = url
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}

    def recommend(self, user_id: str, k: int | None, query: str) -> SlateView:
        """POST /v1/recommendations.

        Raises:
            ConvRecError: It refused or cannot be reached; the message is the server's.
        """
        body = {"user_id": user_id, "query": query} | ({} if k is None else {"k": k})
        try:
            answer = httpx.post(
                f"{self._url}/v1/recommendations",
                json=body,
                headers=self._headers,
                timeout=_TIMEOUT,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        _check(answer)
        return SlateView.model_validate(answer.json())

    def chat(self, user_id: str, session_id: str, message: str) -> Iterator[SlateView | str]:
        """POST /v1/chat/completions, streamed: the slate, then pieces of the reply.

        Raises: as `recommend`.
        """
        body = {
            "model": "convrec",
            "stream": True,
            "messages": [{"role": "user", "content": message}],
            "convrec": {"user_id": user_id, "session_id": session_id},
        }
        path = f"{self._url}/v1/chat/completions"
        try:
            with httpx.stream(
                "POST", path, json=body, headers=self._headers, timeout=_TIMEOUT, trust_env=False
            ) as answer:
                if answer.is_error:
                    answer.read()
                _check(answer)
                for line in answer.iter_lines():
                    if not line.startswith("data: ") or line == "data: [DONE]":
                        continue
                    chunk = json.loads(line.removeprefix("data: "))
                    if "error" in chunk:
                        raise ConvRecError(chunk["error"]["message"])
                    for choice in chunk["choices"]:
                        if "convrec" in choice["delta"]:
                            yield SlateView.model_validate(choice["delta"]["convrec"])
                        if choice["delta"].get("content"):
                            yield choice["delta"]["content"]
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.HTTPError) -> ConvRecError:
        return ConvRecError(f"the server at {self._url} does not answer ({error}); is it starting or stuck?")


def _check(answer: httpx.Response) -> None:
    if answer.is_error:
        try:
            message = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = f"the server answered {answer.status_code}"
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            message = f"{message} (this command sends the key in CONVREC_API_KEY)"
        raise ConvRecError(message)
