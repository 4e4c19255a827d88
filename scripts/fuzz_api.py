"""Fuzzes the whole HTTP API by its OpenAPI document: a small server with a fake language model, over a socket.

Every route gets its share of the cases, half of them spoilt. Exit code 1 when an answer was a 5xx other than 503,
not what the document declares, or an error of another shape than OpenAI's.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path

import structlog

from convrec.service.api import create_app
from convrec.service.slot import ServerInfo
from convrec.settings import Settings
from convrec.testing.engine import FakeEngine
from convrec.testing.fuzzing import fuzz
from convrec.testing.recommender import KNOWN, small_server
from convrec.testing.server import serving


def main() -> None:
    """Parse, serve, fuzz, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=None, help="write the report there")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        small_server(Path(folder), Settings().prompts_dir, FakeEngine()) as slot,
        serving(create_app(slot, info=ServerInfo("fake", "0", 0.0))) as url,
    ):

        def tell(done: float, what: str) -> None:
            print(f"{done:4.0%} {what}", flush=True)

        report = fuzz(url, arguments.cases, arguments.seed, KNOWN, tell)
    for kind, failure in report.failures.items():
        print(f"\n{kind}\n{failure}")
    told = {
        "seed": arguments.seed,
        "seconds": round(time.monotonic() - started),
        "cases": report.cases,
        "statuses": {str(status): count for status, count in sorted(report.statuses.items())},
        "operations": dict(report.operations),
        "failures": report.failures,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n")
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(report.statuses.items()))
    print(f"{report.cases:,} cases of {len(report.operations)} routes in {told['seconds']} s; {statuses}")
    print(f"failures: {len(report.failures)}")
    raise SystemExit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
