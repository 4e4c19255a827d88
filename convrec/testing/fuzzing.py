"""Requests made of an OpenAPI document, sound ones and spoilt ones, sent to a server over a socket and judged.

Owns the judgement: no answer is a 5xx but a 503, every answer is one that its route declares, in shape and content
type, every error has OpenAI's shape, and every answer a request id. Needs schemathesis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from pydantic import ValidationError
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Err, Ok

from convrec.progress import Progress, silent
from convrec.service.problems import ErrorEnvelope

_Operation = APIOperation[Any, Any, Any, Any]
_CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
_KEPT = 50
_PATIENCE_S = 30.0


@dataclass(slots=True)
class FuzzReport:
    """What was answered.

    Args:
        cases: How many requests were sent.
        statuses: How often each status was answered.
        operations: How many requests each operation got.
        failures: What was wrong, with the request; the first fifty of different kinds.
    """

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


def fuzz(
    url: str,
    cases: int,
    seed_: int = 0,
    known: Mapping[str, Sequence[str]] | None = None,
    progress: Progress = silent,
) -> FuzzReport:
    """Send about so many requests, every operation its share, half of them against the document's rules.

    Args:
        url: Of a server that may be changed.
        cases: Requests; some operations leave nothing to spoil, so it may be fewer.
        seed_: Of the generation.
        known: Name of a parameter or field -> values that mean something there; every third request has them.
    """
    report = FuzzReport()
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [_sound(result) for result in schema.get_all_operations()]
    each = ceil(cases / (2 * len(operations)))
    with requests.Session() as session:
        session.trust_env = False
        for done, operation in enumerate(operations):
            progress(done / len(operations), operation.label)
            for mode in GenerationMode:
                _fuzz_operation(operation, mode, each, seed_, known or {}, session, report)
    return report


def _fuzz_operation(
    operation: _Operation,
    mode: GenerationMode,
    cases: int,
    seed_: int,
    known: Mapping[str, Sequence[str]],
    session: requests.Session,
    report: FuzzReport,
) -> None:
    @seed(seed_)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case[Any]) -> None:
        report.cases += 1
        report.operations[operation.label] += 1
        if report.cases % 3 == 0:
            _know(case, known, report.cases)
        response = case.call(session=session, timeout=_PATIENCE_S)
        report.statuses[response.status_code] += 1
        for said in _objections(case, response):
            kind = f"{operation.label} {response.status_code}: {said.splitlines()[0][:160]}"
            if len(report.failures) < _KEPT:
                report.failures.setdefault(kind, f"{said[:2000]}\n{case.as_curl_command()[:2000]}")

    try:
        send()
    except Unsatisfiable:
        # Nothing to spoil: the operation takes no argument.
        return


def _sound(result: Ok[_Operation] | Err[InvalidSchema]) -> _Operation:
    if isinstance(result, Err):
        raise result.err()
    return result.ok()


def _know(case: Case[Any], known: Mapping[str, Sequence[str]], n: int) -> None:
    """Put values that mean something where they belong."""
    for values in (case.path_parameters, case.query, case.body):
        if isinstance(values, dict):
            for name in values.keys() & known.keys():
                values[name] = known[name][n % len(known[name])]


def _objections(case: Case[Any], response: schemathesis.Response) -> list[str]:
    """What is wrong with an answer."""
    said = []
    if response.status_code >= 500 and response.status_code != 503:
        said.append(f"the server failed: {response.text[:500]}")
    if "x-request-id" not in {name.lower() for name in response.headers}:
        said.append("no x-request-id")
    if response.status_code >= 400:
        try:
            ErrorEnvelope.model_validate_json(response.text, strict=True)
        except ValidationError as error:
            said.append(f"not OpenAI's error: {error}")
    try:
        case.validate_response(response, checks=_CHECKS)
    except (Failure, FailureGroup) as error:
        parts = error.exceptions if isinstance(error, FailureGroup) else (error,)
        said += [f"{type(part).__name__}: {part}" for part in parts]
    return said
