"""Text that no encoding takes, in every place where text is sent: refused or stored as it is, never a failure."""

import json
from typing import Any

import httpx
import pytest

WISH = {"facet": "grape", "op": "include", "value": "@"}
LIKE = {"user_id": "u", "type": "like", "item_id": "w01"}
TEXTS = {"half": "\ud800", "long": "x" * 300_000, "nul": "\0", "markup": "<script>alert(1)</script>\u2028"}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/recommendations", {"user_id": "@"}),
        ("POST", "/v1/recommendations", {"user_id": "u", "query": "@"}),
        ("POST", "/v1/recommendations", {"user_id": "u", "candidates": ["@"]}),
        ("POST", "/v1/recommendations", {"user_id": "u", "exclude": ["@"]}),
        ("POST", "/v1/recommendations", {"user_id": "u", "filters": [{"facet": "@", "op": ">", "value": 1}]}),
        ("POST", "/v1/recommendations", {"user_id": "u", "filters": [WISH]}),
        ("POST", "/v1/feedback", {"user_id": "u", "type": "comment", "text": "@"}),
        ("POST", "/v1/feedback/batch", {"events": [{**LIKE, "event_id": "@"}]}),
        ("POST", "/v1/feedback/batch", {"events": [{"user_id": "u", "type": "like", "item_id": "@"}]}),
        ("POST", "/v1/users/u/history", {"rows": [{"item_id": "@", "rating": 3}]}),
        ("POST", "/v1/users/u/history", {"rows": [{"item_id": "w01", "type": "@"}]}),
        ("POST", "/v1/users/u/history", {"rows": [{"item_id": "w01", "rating": "@", "timestamp": "@"}]}),
        ("POST", "/v1/users/u/history", {"rows": [{"item_id": "w01", "type": "comment", "text": "@"}]}),
        ("POST", "/v1/users/u/history", {"rows": [{"item_id": "w01", "rating": 2, "event_id": "@"}]}),
        ("PUT", "/v1/items/hostile", {"title": "@"}),
        ("PUT", "/v1/items/hostile", {"title": "t", "attributes": {"@": 1}}),
        ("PUT", "/v1/items/hostile", {"title": "t", "attributes": {"a": "@"}}),
        ("PUT", "/v1/items/hostile", {"title": "t", "attributes": {"a": ["@"]}}),
        ("POST", "/v1/items/bulk", {"upsert": [{"item_id": "@", "title": "t"}]}),
        ("POST", "/v1/items/bulk", {"delete": ["@"]}),
        ("PATCH", "/v1/sessions/s?user_id=u", {"title": "@"}),
        ("POST", "/v1/sessions/s/constraints/drop?user_id=u", {"facet": "@", "op": "include", "value": "@"}),
        ("POST", "/v1/jobs", {"kind": "retrain", "name": "@"}),
        ("POST", "/v1/jobs", {"kind": "@"}),
        ("POST", "/v1/feedback", {"user_id": "u", "type": "click", "item_id": "w01", "@": 1}),
    ],
    ids=str,
)  # fmt: skip
async def test_text_that_is_no_text(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], text: str
) -> None:
    content, kind = json.dumps(_with(body, text)), {"content-type": "application/json"}
    answer = await client.request(method, path, content=content, headers=kind)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert len(answer.text) < 2_000


def _with(body: Any, text: str) -> Any:
    if isinstance(body, dict):
        return {key.replace("@", text): _with(value, text) for key, value in body.items()}
    if isinstance(body, list):
        return [_with(value, text) for value in body]
    return text if body == "@" else body
