"""Owns the life of a server: brings the recommender up behind an open port, serves it, takes all of it down.

The port answers from the first second (/ready says what is being done), so that a supervisor or a person sees
progress. A web page may share the port; it is a client like any other, and who starts the server brings it.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from convrec.data.catalogue import Catalogue
from convrec.data.sources import EMBEDDER
from convrec.engine.base import Engine
from convrec.errors import SettingsError
from convrec.progress import Progress
from convrec.retrieval.index import Index, open_index
from convrec.service.access import require_loopback
from convrec.service.api import create_app
from convrec.service.build import Workshop
from convrec.service.engines import start_engine
from convrec.service.erase import unlearned_position
from convrec.service.experiment import Experiment
from convrec.service.front import PATH, Front, Page, is_for_others
from convrec.service.gate import Access
from convrec.service.http11 import http_config
from convrec.service.jobs import Jobs, retrain_command
from convrec.service.logs import log_to
from convrec.service.recommender import Recommender
from convrec.service.refit import Refit
from convrec.service.schedule import Schedule
from convrec.service.shelf import Shelf
from convrec.service.slot import Office, RecommenderSlot, ServerInfo
from convrec.service.steps import Steps
from convrec.service.swap import Swap
from convrec.service.versions import Versions
from convrec.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_OPEN = (
    "There are no API keys, so everybody on this machine may do everything, and nobody else anything; "
    "convrec keys create makes one"
)


async def serve(workshop: Workshop, steps: Steps, page: Page | None = None) -> None:
    """Serve until SIGINT or SIGTERM; on return every child process has ended and the index is free.

    Turns under way are finished first, while /ready says draining; a second signal does not wait for them.

    Args:
        page: Is shown on the same port (front.py).

    Raises:
        ConvRecError: It cannot come up; the message says why.
    """
    settings = workshop.settings
    access = _access(workshop, steps)
    info = ServerInfo(
        model=Path(workshop.model).name,
        version=version("convrec"),
        started=time.time(),
        embedder=Path(settings.embedder or EMBEDDER).name,
    )
    log = log_to(settings.logs_dir)
    steps.note(f"Log  {log}")
    slot = RecommenderSlot(detail="loading")
    stop, now = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: (now if stop.is_set() else stop).set())
    async with AsyncExitStack() as stack:
        tracer = stack.enter_context(_tracer(settings))
        api = create_app(
            slot,
            info=info,
            max_turns=settings.max_turns,
            access=access,
            log_messages=settings.log_messages,
            tracer=tracer,
        )
        key = workshop.keys.find(settings.bearer) if settings.bearer else None
        front = Front(api, page, local=not is_for_others(key)) if page else None
        url = await stack.enter_async_context(_listening(front or api, settings))
        work = asyncio.create_task(_work(stack, workshop, slot, steps, url, front))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
        stopped.cancel()
        if not work.cancelled():
            work.result()
        if not stop.is_set():
            await stop.wait()
        if slot.turns.under_way:
            steps.note(f"Finishing {slot.turns.under_way} turns; once more to stop at once")
        # Before anything is closed that a turn may need.
        await drain(slot, now, _grace_s(workshop))


async def drain(slot: RecommenderSlot, now: asyncio.Event, grace_s: float) -> None:
    """Let no more turns in, and those that are in finish.

    Args:
        now: Set by who will not wait.
        grace_s: Seconds that a turn may take.
    """
    slot.turns.drain()
    waits = [asyncio.create_task(slot.turns.done()), asyncio.create_task(now.wait())]
    await asyncio.wait(waits, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()


def _access(workshop: Workshop, steps: Steps) -> Access:
    """Who may do what.

    Raises:
        SettingsError: Nobody has a key, and others than this machine could reach the host.
    """
    settings = workshop.settings
    if not workshop.keys.exist():
        require_loopback(settings.host)
        steps.note(_OPEN)
    return Access(
        workshop.keys,
        workshop.ledger.session_owner,
        key_rate=settings.key_rate,
        user_rate=settings.user_rate,
        origins=settings.cors_origins,
    )


async def _work(
    stack: AsyncExitStack,
    workshop: Workshop,
    slot: RecommenderSlot,
    steps: Steps,
    url: str,
    front: Front | None,
) -> None:
    """Bring everything up, cheapest first; what was opened is closed by the stack."""
    told = _Told(steps, slot)
    settings = workshop.settings
    catalogue = await asyncio.to_thread(workshop.catalogue)
    with told.step("Loading the text embedder"):
        slot.embedder = await asyncio.to_thread(lambda: workshop.embedder)
    index = await asyncio.to_thread(workshop.open_index, catalogue, told, url)
    # Whoever holds the index last closes it: from here on this is the refit, once it is there.
    opened = stack.enter_context(ExitStack())
    opened.callback(index.close)
    engine = await start_engine(settings, workshop.model, told)
    stack.push_async_callback(engine.close)
    if not settings.blend_file.exists():
        await fit_blend(workshop, catalogue, engine, told)
    version = await workshop.active_version(engine, steps)
    versions = slot.versions = Versions(
        workshop.registry,
        workshop.require_fit,
        partial(workshop.version, engine),
        engine.unload_adapter,
        active=version.adapter,
    )
    slot.prompts = workshop.prompts
    slot.experiment = Experiment(settings.ab, workshop.registry.has)
    for trouble in await slot.experiment.begin(versions):
        steps.note(trouble)
    slot.fill(workshop.recommender(catalogue, index, engine, version))
    opened.pop_all()
    shelf = _shelf(workshop, slot, index, engine)
    await stack.enter_async_context(_refit(workshop, slot, shelf, index, url))
    await stack.enter_async_context(
        Swap(workshop.registry, versions.hold, versions.release, slot, grace_s=_grace_s(workshop))
    )
    command = partial(retrain_command, settings.data_dir)
    jobs = await stack.enter_async_context(Jobs(settings.jobs_dir, command, settings.logs_dir / "retrain.log"))
    await stack.enter_async_context(
        Schedule(
            jobs,
            settings.last_run_file,
            workshop.ledger.position,
            settings.retrain_events,
            settings.retrain_hours,
            erased=lambda: unlearned_position(workshop.ledger, workshop.registry),
        )
    )
    slot.open(Office(shelf, workshop.registry, jobs, workshop.erase))
    steps.note(f"API  {url}")
    # It reads all feedback, and only metrics tell it.
    slot.left_out = await asyncio.to_thread(workshop.left_out)
    if front is not None:
        with told.step("Starting the page"):
            await stack.enter_async_context(front.showing(url, settings.bearer))
        steps.note(f"Page {url}{PATH}" + (" (this machine only: it has no log-in)" if front.local else ""))


def _shelf(workshop: Workshop, slot: RecommenderSlot, index: Index, engine: Engine) -> Shelf:
    """Serves what operators change of the catalogue."""

    def make(opened: Index, catalogue: Catalogue, before: Recommender) -> Recommender:
        return workshop.recommender(catalogue, opened, engine, before.version, before.breaker)

    return Shelf(slot, workshop.store, workshop.catalogue, make, index)


def _refit(workshop: Workshop, slot: RecommenderSlot, shelf: Shelf, index: Index, url: str) -> Refit:
    """Keeps what is served up with catalogue and ledger."""
    settings = workshop.settings

    def rebuild(earlier: Index) -> Index:
        slot.left_out = workshop.left_out()
        workshop.index(workshop.catalogue(), earlier=earlier)
        return open_index(settings.index_dir, workshop.embedder, url)

    return Refit(
        shelf,
        index,
        workshop.ledger.position,
        rebuild,
        events=settings.refit_events,
        grace_s=_grace_s(workshop),
        erased=workshop.ledger.erased_position,
    )


def _grace_s(workshop: Workshop) -> float:
    """How long a turn may take."""
    return 2 * workshop.settings.score_timeout_s + workshop.settings.reply_timeout_s


async def fit_blend(workshop: Workshop, catalogue: Catalogue, engine: Engine, steps: Steps) -> None:
    """Fit and store the blend as a step of its own."""
    with steps.step("Fitting the blend on held-out interactions") as progress:
        blend = await workshop.fit_blend(catalogue, engine, progress)
    steps.note(f"weight of retrieval {blend.w_retrieval:.2f}, of the language model {blend.w_interest:.2f}")


class _Told:
    """Steps that the open port tells too."""

    def __init__(self, steps: Steps, slot: RecommenderSlot) -> None:
        self._steps = steps
        self._slot = slot

    @contextmanager
    def step(self, title: str) -> Iterator[Progress]:
        self._slot.detail = title
        with self._steps.step(title) as progress:
            yield progress

    def note(self, text: str) -> None:
        self._steps.note(text)


class _Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers: it would end the process before the engine is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _listening(app: ASGIApp, settings: Settings) -> AsyncIterator[str]:
    """An app on an open port; yields its URL. On exit requests under way are finished first."""
    host, port = settings.host, settings.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    server = _Uvicorn(http_config(app))
    serving = asyncio.create_task(server.serve(sockets=[opened]))
    try:
        yield _url(host, opened.getsockname()[1])
    finally:
        server.should_exit = True
        await serving


@contextmanager
def _tracer(settings: Settings) -> Iterator[Tracer | None]:
    """What makes spans, where OpenTelemetry's variables say where they go; on exit they are sent."""
    if not settings.traced:
        yield None
        return
    try:
        from convrec.service.tracing import otlp_provider
    except ImportError as error:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set and OpenTelemetry is not installed; install convrec[otel]"
        ) from error
    provider = otlp_provider()
    try:
        yield provider.get_tracer("convrec")
    finally:
        provider.shutdown()


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
