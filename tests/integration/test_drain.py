"""SIGTERM in the middle of a stream: the stream ends as it should, and everybody else is told to go elsewhere."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

PROGRAM = """
import asyncio, sys
from pathlib import Path
from rich.console import Console
from convrec.cli import _page
from convrec.console import ConsoleSteps
from convrec.service import server
from convrec.service.build import Workshop
from convrec.settings import Settings
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import wine_list
from convrec.testing.retriever import HashEmbedder

class Slow(FakeEngine):
    async def generate(self, *arguments, **options):
        await asyncio.sleep(4)  # the slate is out, the prose is not
        async for piece in super().generate(*arguments, **options):
            yield piece

async def start_engine(*_, **__):
    engine = Slow()
    await engine.start()
    return engine

folder = Path(sys.argv[1])
server.start_engine = start_engine
Workshop.embedder = HashEmbedder()
workshop = Workshop(Settings(data_dir=folder, adapters_dir=folder / "adapters", model="fake", port=0))
workshop.store.upsert(list(wine_list().values()))
workshop.store.set_domain("generic")
(folder / "blend.json").write_text("{}")
page = _page() if len(sys.argv) > 2 else None
asyncio.run(server.serve(workshop, ConsoleSteps(Console(file=sys.stdout, width=200)), page))
"""
BODY = {"model": "convrec", "stream": True, "messages": [{"role": "user", "content": "a Riesling"}], "user": "ann"}


def test_sigterm_finishes_streams_and_says_draining_meanwhile(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    client = httpx.Client(verify=False)  # a context of certificates takes a second to make on a busy machine
    try:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "API  http" in line)
        url = re.search(r"http://\S+", said).group()
        assert client.get(f"{url}/ready").json()["status"] == "ready"
        chunks: list[str] = []
        begun = threading.Event()

        def listen() -> None:
            with httpx.stream("POST", f"{url}/v1/chat/completions", json=BODY, timeout=30) as answer:
                for line in answer.iter_lines():
                    if line:
                        chunks.append(line.removeprefix("data: "))
                        begun.set()

        listener = threading.Thread(target=listen)
        listener.start()
        assert begun.wait(30)
        process.send_signal(signal.SIGTERM)
        while (ready := client.get(f"{url}/ready")).json()["status"] == "ready":
            time.sleep(0.02)
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        assert "1 turns" in ready.json()["detail"]
        assert client.get(f"{url}/health").status_code == 200
        refused = client.post(f"{url}/v1/chat/completions", json=BODY)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
        assert listener.is_alive(), "all that happened while the stream was under way"
        listener.join(30)
        assert process.wait(30) == 0
    finally:
        client.close()
        process.kill()
        process.communicate()
    assert chunks[-1] == "[DONE]"
    assert json.loads(chunks[-2])["choices"][0]["finish_reason"] == "stop"


def test_a_page_that_is_open_in_a_browser_does_not_hold_the_server_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), "page"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    client = httpx.Client(verify=False, timeout=60)
    try:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "Page http" in line)
        page = re.search(r"http://\S+", said).group()
        assert page.endswith("/ui")
        for name in ("", "compare", "operator"):
            assert "gradio" in client.get(f"{page}/{name}").raise_for_status().text
        # As every open tab does, for as long as it is open.
        with client.stream("GET", f"{page}/gradio_api/heartbeat/tab") as heart:
            beats = heart.iter_lines()
            assert "ALIVE" in next(beats)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            list(beats)
        assert process.wait(30) == 0
        assert time.monotonic() - began < 10
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    finally:
        client.close()
        process.kill()
        process.communicate()
