"""A server whose pages are on its own port, in a process of its own, and a Chromium that looks at them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[3]
LEFT = re.compile("AbortError: signal is aborted|Unexpected error Connection errored out")
"""What Gradio says of an event that went on when its page was left."""


@dataclass(frozen=True)
class Operated:
    """The server.

    Args:
        admin, page: The keys of the operator, and of the pages.
    """

    url: str
    admin: str
    page: str

    @property
    def pages(self) -> str:
        """Where the pages are."""
        return f"{self.url}/ui/"

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """The API's answer to the operator."""
        headers = {"authorization": f"Bearer {self.admin}"}
        url = f"{self.url}{path}"
        answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=30, **request)
        return answer.raise_for_status().json()


@pytest.fixture(scope="package")
def operated(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Operated]:
    command = (sys.executable, "-m", "tests.browser.mounted.server", str(tmp_path_factory.mktemp("operated")))
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        told = next(line for line in process.stdout if line.startswith('{"url"'))
        yield Operated(**json.loads(told))
        process.stdin.close()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def tab(browser: Browser, operated: Operated) -> Iterator[Page]:
    """A tab in a browser session of its own; nothing may go wrong in it, and nothing leave for another host."""
    faults: list[str] = []

    def note(fault: bool, text: str) -> None:
        if fault:
            faults.append(text)

    session = browser.new_context(viewport={"width": 1280, "height": 900})
    session.on("console", lambda said: note(said.type == "error" and not LEFT.match(said.text), said.text))
    session.on("weberror", lambda error: note(True, str(error.error)))
    session.on("dialog", lambda dialog: (note(True, dialog.message), dialog.dismiss()))
    own = (operated.url, "data:", "blob:")
    session.on("request", lambda request: note(not request.url.startswith(own), request.url))
    yield session.new_page()
    session.close()
    assert faults == []
