"""Chat completions over HTTP as tests ask for them and read them. Owns no server: see server.py."""

from __future__ import annotations

import httpx


def chat(url: str, **body: object) -> httpx.Response:
    """Ask the server at a URL for a completion."""
    return httpx.post(f"{url}/v1/chat/completions", json={"model": "convrec", **body}, trust_env=False)


def spoken(*texts: str) -> list[dict[str, str]]:
    """Messages of a person."""
    return [{"role": "user", "content": text} for text in texts]


def item_ids(slate: dict[str, list[dict[str, str]]]) -> list[str]:
    """What a slate in an answer shows."""
    return [recommendation["item_id"] for recommendation in slate["recommendations"]]
