from pathlib import Path

import pytest

from convrec.errors import DataError
from convrec.ranking.blend import Blend
from convrec.training.base_model import base_hash, base_name, require_fit
from convrec.training.manifest import AdapterManifest

PROMPT = "rank.v1:abc"


def manifest(name: str, digest: str) -> AdapterManifest:
    return AdapterManifest("wines", 1, name, digest, PROMPT, "wines", True, (), Blend())


def test_a_model_is_known_by_name_and_weights(tmp_path: Path) -> None:
    model = tmp_path / "Tiny-1M"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"one")
    first = base_hash(model)
    assert base_name(model) == "Tiny-1M"
    assert base_name("someone/Tiny-1M") == "Tiny-1M"
    require_fit(manifest("Tiny-1M", first), model, PROMPT, "wines")
    (model / "model.safetensors").write_bytes(b"another")
    assert base_hash(model) != first
    with pytest.raises(DataError, match="convrec retrain"):
        require_fit(manifest("Tiny-1M", first), model, PROMPT, "wines")


def test_another_name_does_not_fit_and_a_hub_name_is_all_there_is_to_go_by() -> None:
    with pytest.raises(DataError, match="not for Other"):
        require_fit(manifest("Tiny-1M", "abc"), "someone/Other", PROMPT, "wines")
    assert base_hash("someone/Tiny-1M") == ""
    require_fit(manifest("Tiny-1M", "abc"), "someone/Tiny-1M", PROMPT, "wines")


def test_another_prompt_does_not_fit() -> None:
    with pytest.raises(DataError, match="trained on the prompt"):
        require_fit(manifest("Tiny-1M", "abc"), "someone/Tiny-1M", "rank.v1:other", "wines")


def test_another_kind_of_items_does_not_fit() -> None:
    with pytest.raises(DataError, match="trained on wines, not on movies"):
        require_fit(manifest("Tiny-1M", "abc"), "someone/Tiny-1M", PROMPT, "movies")
