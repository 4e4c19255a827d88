"""Owns the choice of engine: what `engine = auto | vllm | transformers` means here, falling back, and none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from convrec.engine.base import Engine, Health, Tokenizer
from convrec.engine.transformers import TransformersEngine
from convrec.engine.vllm import VllmEngine, vllm_available
from convrec.engine.vllm_server import VllmServer
from convrec.errors import EngineError, EngineUnavailableError
from convrec.progress import Progress
from convrec.service.steps import Steps
from convrec.settings import Settings


async def start_engine(settings: Settings, model: str, steps: Steps, *, one_shot: bool = False) -> Engine:
    """Start the engine that the settings ask for.

    Args:
        model: Folder or hub name.
        one_shot: The process answers once: `auto` then takes the engine that starts fastest.

    Raises:
        EngineUnavailableError: It cannot start and nothing may stand in for it.
    """
    if settings.vllm_urls:
        with steps.step(f"Connecting to vLLM at {', '.join(settings.vllm_urls)}"):
            return await _started(_vllm(settings, model))
    missing = vllm_available()
    if settings.engine == "vllm" and missing:
        raise EngineUnavailableError(f"{missing}; set engine = transformers, or install it")
    if settings.engine == "vllm" or (settings.engine == "auto" and not missing and not one_shot):
        try:
            with steps.step("Starting vLLM") as progress:
                return await _started(_vllm(settings, model, _child(settings, model, progress)))
        except EngineUnavailableError as error:
            if settings.engine == "vllm":
                raise
            missing = str(error)
    if missing and not one_shot:
        steps.note(f"{missing}: the transformers engine serves instead")
    with steps.step("Loading the language model"):
        return await _started(
            TransformersEngine(
                model,
                dtype=settings.dtype,
                score_timeout_s=settings.queue_timeout_s,
                reply_timeout_s=settings.reply_timeout_s,
            )
        )


@asynccontextmanager
async def engine_or_none(settings: Settings, model: str | None, steps: Steps) -> AsyncIterator[Engine | None]:
    """The engine that starts fastest, or None where it cannot start, which is noted; closed at the end.

    Args:
        model: Folder or hub name; None wants no engine.
    """
    engine: Engine | None = None
    if model is not None:
        try:
            engine = await start_engine(settings, model, steps, one_shot=True)
        except EngineUnavailableError as error:
            steps.note(f"{error}; going on without the language model")
    try:
        yield engine
    finally:
        if engine is not None:
            await engine.close()


class NoEngine:
    """Stands where no language model is wanted: it refuses to be asked, so retrieval alone makes slates."""

    name = "none"

    @property
    def tokenizer(self) -> Tokenizer:
        """There is none."""
        raise _left_out()

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to let go of."""

    async def score(self, *_: object, **__: object) -> list[float]:
        """Refuses."""
        raise _left_out()

    def generate(self, *_: object, **__: object) -> AsyncIterator[str]:
        """Refuses."""
        raise _left_out()

    async def load_adapter(self, *_: object, **__: object) -> None:
        """Refuses."""
        raise _left_out()

    async def unload_adapter(self, *_: object, **__: object) -> None:
        """Refuses."""
        raise _left_out()

    async def health(self) -> Health:
        """Never ready."""
        return Health(False, "left out")


def _left_out() -> EngineError:
    return EngineError("the language model was left out; start without --no-llm to ask it")


async def _started(engine: Engine) -> Engine:
    try:
        await engine.start()
    except BaseException:
        await engine.close()
        raise
    return engine


def _vllm(settings: Settings, model: str, server: VllmServer | None = None) -> VllmEngine:
    """The servers of the settings, or the child server."""
    return VllmEngine(
        model,
        urls=() if server else settings.vllm_urls,
        server=server,
        score_timeout_s=settings.queue_timeout_s,
        reply_timeout_s=settings.reply_timeout_s,
    )


def _child(settings: Settings, model: str, progress: Progress) -> VllmServer:
    return VllmServer(
        model, logs_dir=settings.logs_dir, dtype=settings.dtype, port=settings.vllm_port, progress=progress
    )
