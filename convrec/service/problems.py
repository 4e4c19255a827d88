"""Errors as HTTP answers in OpenAI's shape: one table from the error tree to statuses. Owns no route and no log.

{"error": {"message", "type", "param", "code"}}
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from convrec.errors import (
    BusyError,
    ConvRecError,
    DataError,
    EngineTimeoutError,
    EngineUnavailableError,
    EventConflictError,
    ForbiddenError,
    IndexUnavailableError,
    LedgerError,
    NotFoundError,
)

CLIENT_GONE = 499  # nginx's number for it; nobody reads this answer, logs and metrics do

_KINDS = {429: "requests"}  # OpenAI's word for what was exceeded
_PARAM_CHARS = 200


class ErrorBody(BaseModel):
    """What went wrong, as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorEnvelope(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorBody = Field(
        examples=[{"message": "no item '42'", "type": "invalid_request_error", "param": None, "code": "not_found"}]
    )


class Problem(HTTPException):
    """An answer that is an error.

    Args:
        status: HTTP status.
        message: What is wrong and what to do next.
        code: A word for programs.
        param: The part of the request it is about.
        headers: Headers that the status asks for.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code
        self.param = param

    def envelope(self) -> ErrorEnvelope:
        """The body of the answer."""
        kind = _KINDS.get(self.status_code, "invalid_request_error" if self.status_code < 500 else "server_error")
        return ErrorEnvelope(error=ErrorBody(message=self.detail, type=kind, param=self.param, code=self.code))

    def response(self) -> JSONResponse:
        """The whole answer."""
        return JSONResponse(self.envelope().model_dump(), self.status_code, self.headers)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    code: str


# Looked up along the error's bases, so a new subclass answers like its parent.
_ANSWERS: dict[type[BaseException], _Answer] = {
    NotFoundError: _Answer(404, "not_found"),
    EventConflictError: _Answer(409, "event_conflict"),
    ForbiddenError: _Answer(403, "not_yours"),
    BusyError: _Answer(409, "busy"),
    DataError: _Answer(400, "invalid_value"),
    LedgerError: _Answer(503, "ledger_unavailable"),
    IndexUnavailableError: _Answer(503, "index_unavailable"),
    EngineUnavailableError: _Answer(503, "engine_unavailable"),
    EngineTimeoutError: _Answer(504, "engine_timeout"),
}


def problem_of(error: BaseException) -> Problem:
    """The answer to an error; one that is not in the table tells nothing of the server's inside."""
    if isinstance(error, Problem):
        return error
    for base in type(error).__mro__:
        if answer := _ANSWERS.get(base):
            return Problem(answer.status, str(error), code=answer.code)
    return Problem(500, "internal error; the server's log has it under this x-request-id", code="internal_error")


def traceback_of(error: BaseException, *, words: bool = False) -> str:
    """Where an error happened, for the log: frames and types, no local variables, which hold what people said.

    Args:
        words: With the errors' own words, which may hold it too.
    """
    if words:
        return "".join(traceback.format_exception(error))
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        kind = type(seen)
        part = [*traceback.format_tb(seen.__traceback__), f"{kind.__module__}.{kind.__qualname__}\n"]
        lines = [*part, "\nthen:\n\n", *lines] if lines else part
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "".join(lines)


async def answer_convrec_error(_request: Request, error: ConvRecError) -> JSONResponse:
    """Handler of the error tree."""
    if (problem := problem_of(error)).status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error  # for the transport to log with its traceback
    return problem.response()


async def answer_http_error(request: Request, error: HTTPException) -> JSONResponse:
    """Handler of Problem and of the framework's own answers (unknown route, wrong method, unreadable body)."""
    if isinstance(error, Problem):
        return error.response()
    headers = dict(error.headers) if error.headers else {}
    allowed = next((value for name, value in headers.items() if name.casefold() == "allow"), "another method")
    message, code = {
        400: (
            "the body cannot be read; send JSON in UTF-8, neither nested deeply nor with endless numbers",
            "invalid_json",
        ),
        404: (
            f"there is no route {request.method} {request.url.path[:80]}; GET /openapi.json lists them",
            "not_found",
        ),
        405: (f"this route does not take {request.method}; it takes {allowed}", "method_not_allowed"),
    }.get(error.status_code, (error.detail, HTTPStatus(error.status_code).name.lower()))
    return Problem(error.status_code, message, code=code, headers=headers or None).response()


async def answer_invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Handler of what pydantic refused: 400 with the first part that is wrong."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return Problem(400, f"the body is not JSON: {first['ctx']['error']}", code="invalid_json").response()
    # A part can be as long as the body: the client's own keys are among them.
    param = ".".join(str(part) for part in first["loc"][1:])[:_PARAM_CHARS]
    if not param:
        message = "the body must be a JSON object, sent as content-type application/json"
        return Problem(400, message, code="invalid_body").response()
    return Problem(400, f"{param}: {first['msg']}", code="invalid_value", param=param).response()


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    ConvRecError: answer_convrec_error,
    HTTPException: answer_http_error,
    RequestValidationError: answer_invalid_request,
}
