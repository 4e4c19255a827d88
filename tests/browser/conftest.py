"""A real API over a small catalogue, the chat page in a process of its own, and a Chromium that looks at it."""

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Request, sync_playwright

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
    """A FakeEngine that takes `pause` seconds for every piece of text."""

    pause = 0.0

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling, adapter: str | None = None
    ) -> AsyncIterator[str]:
        async for piece in super().generate(prompt, sampling, adapter):
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


@dataclass
class Watched:
    """A page, and what happened in it that must not."""

    page: Page
    home: str
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", lambda message: self._note(message.type == "error", message.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("dialog", lambda dialog: (self._note(True, dialog.message), dialog.dismiss()))
        self.page.on("request", self._check)

    def _check(self, request: Request) -> None:
        self._note(not request.url.startswith((self.home, "data:", "blob:")), f"request to {request.url}")

    def _note(self, fault: bool, text: str) -> None:
        if fault:
            self.faults.append(text)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    engine = SlowEngine("Every one of these is worth a glass.")
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=LAUNCH)
        yield browser
        browser.close()


@pytest.fixture
def watched(browser: Browser, api: Api, home: str) -> Iterator[Watched]:
    """A fresh browser session on the page; at the end nothing must have gone wrong in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watched = Watched(context.new_page(), home)
    watched.watch()
    watched.page.goto(home)
    yield watched
    context.close()
    assert watched.faults == []


@pytest.fixture
def page(watched: Watched) -> Page:
    """The page, ready to talk."""
    watched.page.get_by_role("button", name="Recommend some wines").wait_for()
    return watched.page


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
