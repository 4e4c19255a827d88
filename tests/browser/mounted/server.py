"""A server as an operator runs it, with keys, adapters, trainings, and its pages under /ui on the same port.

Run as a program: it prints its address and keys as a line of JSON, and serves until its standard input ends.
"""

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path

import uvicorn

from convrec.database import open_database
from convrec.ranking.blend import Blend
from convrec.service.api import create_app
from convrec.service.front import Front, is_for_others
from convrec.service.gate import Access
from convrec.service.http11 import http_config
from convrec.service.jobs import TrainingRequest
from convrec.service.keys import EVERYBODY, KeyStore, Scope
from convrec.service.slot import ServerInfo
from convrec.testing.adapters import publish_adapter
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_server
from ui.app import mounted

PROMPTS = Path(__file__).parents[3] / "prompts"
TRAINING = """
import json, pathlib, sys, time
said, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def say(**told):
    with said.open("a") as lines: lines.write(json.dumps(told) + "\\n")
step = 0
while step < 12 or name == "forever":
    figures = {"step": step, "loss": 0.7 / (1 + step)}
    say(step="Training on <b>12</b> examples", fraction=min(step / 12, 1), what="loss 0.4", figures=figures)
    step += 1
    time.sleep(0.25)
say(result={"version": name + "/1", "promoted": False, "accepted": False, "reasons": ["no <i>gain</i>"]})
"""
METRICS = {
    "ndcg@10": {"offers: adapter - retrieval": {"difference": 0.0027, "low": 0.0012, "high": 0.0043, "p": 0.01}},
    "examples": 1260,
}


def training(request: TrainingRequest, events: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", TRAINING, str(events), request.name)


async def serve(folder: Path) -> None:
    with ExitStack() as stack:
        database = open_database(f"sqlite:///{folder / 'keys.db'}")
        stack.callback(database.dispose)
        keys = KeyStore(database)
        _, admin = keys.create([Scope.CHAT, Scope.FEEDBACK, Scope.ADMIN], [EVERYBODY])
        key, page = keys.create([Scope.CHAT, Scope.FEEDBACK], ["person-*"])
        slot = stack.enter_context(small_server(folder, PROMPTS, FakeEngine(), training))
        # One that follows the language model, one that turns its order around, and one that the gate rejected.
        for weight in (3.0, -3.0):
            blend = Blend(w_retrieval=0.1, w_interest=weight)
            publish_adapter(slot.office.registry, blend=blend, metrics=METRICS, reasons=("+0.0027",))
        publish_adapter(slot.office.registry, accepted=False, reasons=("it is <i>worse</i>",), metrics=METRICS)
        access = Access(keys, slot.get().ledger.session_owner)
        api = create_app(slot, info=ServerInfo("fake-lm", "1", 1.0), access=access)
        front = Front(api, mounted, local=not is_for_others(key))
        config = http_config(front)
        config.port = 0
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.05)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with slot.office.jobs, front.showing(url, page):
            sys.stdout.write(json.dumps({"url": url, "admin": admin, "page": page}) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
