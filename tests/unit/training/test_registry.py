import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from convrec.errors import DataError, NotFoundError
from convrec.ranking.blend import Blend
from convrec.testing.adapters import publish_adapter, write_adapter
from convrec.training.manifest import AdapterManifest, check_servable
from convrec.training.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "adapters")


def test_an_empty_registry_serves_the_base_model(registry: Registry) -> None:
    assert registry.versions() == []
    assert registry.active() is None
    with pytest.raises(DataError, match="nothing to go back to"):
        registry.rollback()
    with pytest.raises(NotFoundError, match="there are: none"):
        registry.get("wines/1")
    assert not registry.root.exists() or registry.versions() == []


def test_versions_are_numbered_and_read_back(registry: Registry) -> None:
    first = publish_adapter(registry, blend=Blend(w_interest=0.25), metrics={"ndcg@10": 0.5}, reasons=("rises",))
    second = publish_adapter(registry)
    assert [v.label for v in registry.versions()] == ["wines/1", "wines/2"]
    assert registry.get("wines/1") == first
    assert first.manifest.blend.w_interest == 0.25
    assert first.manifest.reasons == ("rises",)
    assert second.ref.name == "wines@2"
    assert second.ref.path.is_dir()


def test_promotion_and_rollback_move_one_pointer(registry: Registry) -> None:
    for _ in range(3):
        publish_adapter(registry)
    for number in (1, 3, 2):
        assert registry.promote(f"wines/{number}").manifest.version == number
    assert registry.promote("wines/2").label == "wines/2"
    assert [v.label if (v := registry.rollback()) else None for _ in range(3)] == ["wines/3", "wines/1", None]
    assert registry.active() is None


def test_what_the_gate_rejected_is_not_promoted(registry: Registry) -> None:
    publish_adapter(registry, accepted=False, reasons=("NDCG@10 falls",))
    with pytest.raises(DataError, match="NDCG@10 falls"):
        registry.promote("wines/1")
    assert registry.active() is None


def test_a_number_is_never_given_out_again(registry: Registry) -> None:
    for _ in range(4):
        publish_adapter(registry)
    registry.promote("wines/1")
    registry.promote("wines/2")
    assert registry.prune(keep=1) == ["wines/3"]
    assert registry.prune(keep=0) == ["wines/4"]
    assert publish_adapter(registry).label == "wines/5"
    with pytest.raises(RuntimeError), registry.stage("wines"):
        raise RuntimeError("training failed")
    assert publish_adapter(registry).label == "wines/7"
    assert registry.rollback() == registry.get("wines/1")


def test_a_version_that_was_left_half_made_is_not_seen(registry: Registry) -> None:
    publish_adapter(registry)
    left = registry.root / "wines" / "2.staging"
    left.mkdir()
    assert [v.label for v in registry.versions()] == ["wines/1"]
    assert publish_adapter(registry).label == "wines/3"


@pytest.mark.parametrize("name", ["", "Wines", "../x", "a/b", "x" * 64, ".hidden", "a_b", "-a"])
def test_names_are_plain(registry: Registry, name: str) -> None:
    with pytest.raises(DataError, match="no name of an adapter"), registry.stage(name):
        pass
    with pytest.raises(NotFoundError):
        registry.get(f"{name}/1")


@pytest.mark.parametrize("label", ["wines", "wines/", "wines/x", "wines/1/..", "wines/-1", "wines/9"])
def test_labels_that_name_nothing(registry: Registry, label: str) -> None:
    publish_adapter(registry)
    with pytest.raises(NotFoundError, match="there are: wines/1"):
        registry.get(label)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"lora_bias": True}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "saved modules"),
        ({"trainable_token_indices": [1]}, "trained tokens"),
        ({"init_lora_weights": "pissa_niter_4"}, "PiSSA"),
        ({"init_lora_weights": "olora"}, "OLoRA"),
        ({"peft_type": "IA3"}, "no LoRA"),
    ],
)
def test_what_vllm_cannot_serve_is_refused(tmp_path: Path, config: dict[str, object], told: str) -> None:
    write_adapter(tmp_path, **config)
    with pytest.raises(DataError, match=told):
        check_servable(tmp_path)


def test_weights_that_are_no_numbers_or_pickles_are_refused(tmp_path: Path, registry: Registry) -> None:
    write_adapter(tmp_path)
    check_servable(tmp_path)
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(DataError, match="only safetensors"):
        check_servable(tmp_path)
    with registry.stage("wines") as (folder, number):
        write_adapter(folder, value=float("nan"))
        manifest = AdapterManifest("wines", number, "fake", "0", "rank.v1:0", "generic", True, (), Blend())
        with pytest.raises(DataError, match="no numbers"):
            registry.publish(folder, manifest)
    assert registry.versions() == []


def _publish_promote_rollback(registry: Registry, told: Callable[[], object] = lambda: None) -> None:
    """Calls `told` after each of the three changes of what is active."""
    registry.promote(publish_adapter(registry).label)
    told()
    registry.promote("wines/1")
    told()
    registry.rollback()
    told()


def test_after_kill_9_at_any_moment_of_a_promotion_the_active_adapter_loads(registry: Registry) -> None:
    """50 kills of a process that publishes, promotes and rolls back as fast as it can."""
    publish_adapter(registry)
    registry.promote("wines/1")
    dice = random.Random(7)
    promoted = set()
    began = time.monotonic()
    _publish_promote_rollback(registry)
    round_s = time.monotonic() - began
    for _ in range(50):
        started, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                while True:
                    _publish_promote_rollback(registry, lambda tell=tell: os.write(tell, b"1"))
            finally:
                os._exit(1)
        os.close(tell)
        for _ in range(dice.randrange(6)):  # at the child's own pace: the machine may be busy
            os.read(started, 1)
        time.sleep(dice.uniform(0.0, round_s))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(started)
        assert os.WTERMSIG(status) == signal.SIGKILL, "the child must not have ended by itself"
        active = Registry(registry.root).active()
        assert active is not None
        check_servable(active.path)
        promoted.add(active.label)
    assert len(promoted) > 3, "the kills must have hit promotions"
    numbers = [version.manifest.version for version in registry.versions()]
    assert len(numbers) == len(set(numbers))
