"""A real API over a small catalogue, the chat page in a process of its own, and a Chromium that looks at it."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from convrec.engine.base import Sampling
from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LAUNCH = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
START_S = 90.0


class SlowEngine(FakeEngine):
    """Writes what the grammar allows first, and takes `pause` seconds for every piece of it."""

    def __init__(self) -> None:
        super().__init__(lambda _prompt, sampling: _first_text(sampling))
        self.pause = 0.0

    async def generate(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> AsyncIterator[str]:
        async for piece in super().generate(prompt, sampling, adapter, salt):
            await asyncio.sleep(self.pause)
            yield piece


@dataclass
class Api:
    """The API server: its engine, and whether it runs. A new start listens on the same port."""

    slot: RecommenderSlot
    engine: SlowEngine
    port: int
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        app = create_app(self.slot, info=ServerInfo(model="fake-lm", version="1", started=1.0))
        self._server = uvicorn.Server(
            uvicorn.Config(app, port=self.port, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        _wait_until_up(f"{self.url}/health")

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    engine = SlowEngine()
    with small_recommender(tmp_path_factory.mktemp("page"), ROOT / "prompts", engine) as recommender:
        api = Api(RecommenderSlot(recommender), engine, _free_port())
        api.start()
        yield api
        api.stop()


@pytest.fixture(scope="module")
def home(api: Api) -> Iterator[str]:
    """The address of the chat page, started as an operator starts it."""
    port = _free_port()
    command = (sys.executable, "-m", "ui.app", "--api", api.url, "--port", str(port))
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


# Of these tests alone: while playwright is there, its event loop runs, and no other can.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=LAUNCH)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, home: str) -> Iterator[BrowserContext]:
    """A browser session of its own, in which nothing may go wrong and nothing may leave for another host."""
    faults: list[str] = []

    def note(fault: bool, text: str) -> None:
        if fault:
            faults.append(text)

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.on("console", lambda message: note(message.type == "error", message.text))
    context.on("weberror", lambda error: note(True, str(error.error)))
    context.on("dialog", lambda dialog: (note(True, dialog.message), dialog.dismiss()))
    context.on("request", lambda request: note(not request.url.startswith((home, "data:", "blob:")), request.url))
    yield context
    context.close()
    assert faults == []


@pytest.fixture
def page(context: BrowserContext, home: str) -> Page:
    """The page, ready to talk."""
    page = context.new_page()
    page.goto(home)
    page.get_by_role("button", name="Recommend some wines").wait_for()
    return page


def _first_text(sampling: Sampling) -> str:
    """The first alternative of each of the reply grammar's slots."""
    slots = re.findall(r'^s\d+ ::= ("(?:[^"\\]|\\.)*")', sampling.grammar or "", re.MULTILINE)
    return " ".join(json.loads(literal) for literal in slots)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(url: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"{url} does not answer within {START_S:.0f} s")
