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
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convrec.engine.base import Sampling
from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_server
from tests.browser.accessibility import axe_script

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


class SlateClock:
    """An app around another that notes when it sends a slate; seconds since the epoch."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.sent: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            if b'"recommendations":' in message.get("body", b"")[:100_000]:
                self.sent.append(time.time())
            await send(message)

        await self._app(scope, receive, noting)


@dataclass
class Api:
    """The API server: its engine, and whether it runs. A new start listens on the same port."""

    slot: RecommenderSlot
    engine: SlowEngine
    port: int
    clock: SlateClock | None = None
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        app = create_app(self.slot, info=ServerInfo(model="fake-lm", version="1", started=1.0))
        self.clock = SlateClock(app)
        self._server = uvicorn.Server(
            uvicorn.Config(self.clock, port=self.port, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        _wait_until_up(f"{self.url}/health")

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()


@pytest.fixture(scope="package")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    engine = SlowEngine()
    with small_server(tmp_path_factory.mktemp("page"), ROOT / "prompts", engine) as slot:
        api = Api(slot, engine, _free_port())
        api.start()
        yield api
        api.stop()


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """axe-core's script, kept in pytest's cache."""
    return axe_script(Path(request.config.cache.mkdir("axe")))


class Watched:
    """Browser sessions of a page, in which nothing may go wrong and nothing may leave for another host."""

    def __init__(self, browser: Browser, home: str) -> None:
        self._browser = browser
        self._home = home
        self._contexts: list[BrowserContext] = []
        self.faults: list[str] = []

    def open(self, **options: Any) -> BrowserContext:
        """Another session; options are of Browser.new_context."""
        context = self._browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.on("console", lambda message: self._note(message.type == "error", message.text))
        context.on("weberror", lambda error: self._note(True, str(error.error)))
        context.on("dialog", lambda dialog: (self._note(True, dialog.message), dialog.dismiss()))
        own = (self._home, "data:", "blob:")
        context.on("request", lambda request: self._note(not request.url.startswith(own), request.url))
        self._contexts.append(context)
        return context

    def close(self) -> None:
        """End all."""
        for context in self._contexts:
            context.close()

    def _note(self, fault: bool, text: str) -> None:
        if fault:
            self.faults.append(text)


@pytest.fixture(scope="package")
def sessions(browser: Browser, home: str) -> Iterator[Watched]:
    watched = Watched(browser, home)
    yield watched
    watched.close()


@pytest.fixture(scope="package")
def usual(sessions: Watched) -> BrowserContext:
    """The browser session of most tests: its cache makes pages load as they do for people who come back."""
    return sessions.open()


@pytest.fixture
def watched(sessions: Watched) -> Iterator[Watched]:
    """Sessions in which nothing goes wrong during a test."""
    sessions.faults.clear()
    yield sessions
    assert sessions.faults == []


@pytest.fixture
def context(watched: Watched, usual: BrowserContext) -> Iterator[BrowserContext]:
    """A browser without pages."""
    yield usual
    for page in usual.pages:
        page.close()


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
