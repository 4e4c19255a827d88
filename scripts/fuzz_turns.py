"""Sends fuzzed messages to a running server and checks every turn: ids in the catalogue, titles in the slate.

Start `convrec demo` or `convrec serve` first, with the same data folder. Exit code 1 when any turn was unsound.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import httpx
from rich.progress import track

from convrec.retrieval.index import index_holder
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.testing.messages import assert_sound, fuzzed_messages


def main() -> None:
    """Parse, send, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, default=None, help="the running server's data folder [.convrec]")
    arguments = parser.parse_args()
    workshop = Workshop(load_settings(data_dir=arguments.data_dir))
    holder = index_holder(workshop.settings.index_dir)
    if holder is None or holder.url is None:
        raise SystemExit("no server runs on this data folder; start it: convrec demo")
    catalogue = workshop.catalogue()
    unsound, degraded, started = 0, 0, time.monotonic()
    for message in track(list(fuzzed_messages(catalogue, arguments.messages, arguments.seed)), "fuzzing"):
        body = {"model": "convrec", "messages": [{"role": "user", "content": message}], "user": "fuzz"}
        answer = httpx.post(f"{holder.url}/v1/chat/completions", json=body, timeout=120, trust_env=False)
        try:
            assert answer.status_code == 200, answer.text
            said = answer.json()["choices"][0]["message"]
            degraded += said["convrec"]["degraded"]
            assert_sound([e["item_id"] for e in said["convrec"]["recommendations"]], said["content"], catalogue)
        except AssertionError as error:
            unsound += 1
            print(f"unsound: {message[:200]!r}: {error}")
    took = time.monotonic() - started
    print(f"{arguments.messages} messages, {unsound} unsound, {degraded} degraded, {took:.0f} s")
    raise SystemExit(1 if unsound else 0)


if __name__ == "__main__":
    main()
