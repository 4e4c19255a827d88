"""The whole loop with the real models on MovieLens-100K, served as a person would: `convrec demo`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest

from convrec.data.catalogue import Catalogue, CatalogueStore
from convrec.database import open_database
from convrec.prompting import load_domain
from convrec.settings import Settings
from convrec.testing.messages import assert_sound, fuzzed_messages

pytestmark = pytest.mark.model
_USER = "405"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Demo:
    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]

    def catalogue(self) -> Catalogue:
        store = CatalogueStore(open_database(f"sqlite:///{self.data_dir / 'ledger.db'}"))
        return store.load(load_domain(Settings().prompts_dir, "movies"))


def start_demo(data_dir: Path, log: Path) -> Demo:
    port = free_port()
    command = [sys.executable, "-m", "convrec.cli", "demo", "--no-ui", "--engine", "transformers"]
    command += ["--data-dir", str(data_dir), "--port", str(port)]
    with log.open("ab") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 500
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/ready", timeout=5).status_code == 200:
                return Demo(url, data_dir, process)
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    process.kill()
    raise AssertionError(log.read_text())


def data_folder(folder: Path, demo_data_dir: Path) -> Path:
    """A data folder of its own that borrows the fetched models and data set."""
    folder.mkdir(exist_ok=True)
    for name in ("models", "movielens-100k"):
        (folder / name).symlink_to(demo_data_dir / name)
    return folder


@pytest.fixture(scope="module")
def demo(demo_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = data_folder(tmp_path_factory.mktemp("demo") / "data", demo_data_dir)
    # What is tested here is not the fitting of the blend (test_calibration.py): an unfitted one is stored.
    (folder / "blend.json").write_text("{}")
    running = start_demo(folder, folder.parent / "demo.log")
    yield running
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=40) == 0


def say(demo: Demo, message: str, user: str = _USER, session: str = "s1") -> tuple[dict, str]:
    """One streamed turn through the openai client: the slate of the first chunk, and the text."""
    client = openai.OpenAI(base_url=f"{demo.url}/v1", api_key="none", max_retries=0)
    slate, text = None, ""
    for chunk in client.chat.completions.create(
        model="convrec",
        messages=[{"role": "user", "content": message}],
        stream=True,
        extra_body={"convrec": {"user_id": user, "session_id": session}},
    ):
        delta = chunk.choices[0].delta
        if slate is None:
            slate = delta.model_extra["convrec"]
            assert not text, "the slate comes before any text"
        text += delta.content or ""
    assert slate is not None
    return slate, text


def check(slate: dict, text: str, catalogue: Catalogue) -> list[str]:
    """The slate's ids, once the turn was found sound."""
    ids = [entry["item_id"] for entry in slate["recommendations"]]
    assert_sound(ids, text, catalogue)
    return ids


def test_dislike_moves_the_next_slate_through_the_openai_client(demo: Demo) -> None:
    catalogue = demo.catalogue()
    slate, text = say(demo, "something like Alien but funnier")
    before = check(slate, text, catalogue)
    assert len(before) == 5
    assert not slate["degraded"]
    assert any(catalogue[item_id].title in text for item_id in before)
    event = {"user_id": _USER, "item_id": before[0], "type": "dislike", "impression_id": slate["impression_id"]}
    assert httpx.post(f"{demo.url}/v1/feedback", json=event).json()["stored"] is True
    slate, text = say(demo, "something like Alien but funnier")
    after = check(slate, text, catalogue)
    assert before[0] not in after
    assert after[:4] != before[1:], "the dislike moved nothing but its own item"


def test_the_same_without_streaming(demo: Demo) -> None:
    client = openai.OpenAI(base_url=f"{demo.url}/v1", api_key="none", max_retries=0)
    answer = client.chat.completions.create(
        model="convrec",
        messages=[{"role": "user", "content": "a comedy from the 90s"}],
        user=_USER,
    )
    message = answer.choices[0].message
    catalogue = demo.catalogue()
    ids = check(message.model_extra["convrec"], message.content or "", catalogue)
    assert all("Comedy" in catalogue[i].values("genre") for i in ids)
    assert all(1990 <= catalogue[i].values("year")[0] <= 1999 for i in ids)
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_recommend_on_the_command_line_asks_the_running_server(demo: Demo) -> None:
    command = [sys.executable, "-m", "convrec.cli", "recommend", "--user", _USER, "--k", "7", "--json"]
    done = subprocess.run(
        [*command, "--data-dir", str(demo.data_dir)], capture_output=True, check=True, timeout=120
    )
    slate = json.loads(done.stdout)
    assert len(slate["recommendations"]) == 7
    body = {"user_id": _USER, "k": 7}
    served = httpx.post(f"{demo.url}/v1/recommendations", json=body, timeout=60).json()
    assert [e["item_id"] for e in served["recommendations"]] == [e["item_id"] for e in slate["recommendations"]]


@pytest.mark.timeout(1800)
def test_fuzzed_messages_get_sound_turns(demo: Demo) -> None:
    catalogue = demo.catalogue()
    for message in fuzzed_messages(catalogue, 200):
        body = {"model": "convrec", "messages": [{"role": "user", "content": message}], "user": "fuzz"}
        answer = httpx.post(f"{demo.url}/v1/chat/completions", json=body, timeout=120)
        assert answer.status_code == 200, (message, answer.text)
        said = answer.json()["choices"][0]["message"]
        assert_sound([e["item_id"] for e in said["convrec"]["recommendations"]], said["content"], catalogue)
