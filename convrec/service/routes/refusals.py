"""How routes declare the errors they answer with, for the OpenAPI document. Owns words and examples, no error."""

from __future__ import annotations

from typing import Any

from convrec.service.problems import ErrorEnvelope

Responses = dict[int | str, dict[str, Any]]

EVERYWHERE: Responses = {
    "4XX": {"model": ErrorEnvelope, "description": "The request cannot be answered; the message says why."},
    "5XX": {"model": ErrorEnvelope, "description": "The server cannot answer; 503 may pass."},
}
"""Beside what a route declares itself."""

TOO_LARGE = "The body is larger than 1 MiB; send it in parts."
_STARTING = "The server is starting, or a part of it is down or busy; ask again after `retry-after` seconds."


def refusals(**described: str) -> Responses:
    """Errors of one route, besides 400 (a part of the request is wrong; `param` names it) and 503.

    Args:
        described: When a status is answered, by code: `not_found="There is no such item."`.
    """
    made: Responses = {
        400: _documented(400, "invalid_value", "A part of the request is wrong; `param` names it."),
        503: _documented(503, "starting", _STARTING),
    }
    for code, description in described.items():
        status = _STATUS[code]
        made[status] = _documented(status, code, description)
    return made


_STATUS = {
    "not_yours": 403,
    "not_found": 404,
    "event_conflict": 409,
    "busy": 409,
    "rejected": 409,
    "last_item": 409,
    "request_too_large": 413,
}


def _documented(status: int, code: str, description: str) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": description.replace("`", ""), "type": kind, "param": None, "code": code}
    return {
        "model": ErrorEnvelope,
        "description": description,
        "content": {"application/json": {"example": {"error": error}}},
    }
