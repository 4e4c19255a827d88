from pathlib import Path

import pytest

from convrec.errors import SettingsError
from convrec.retrieval.hybrid import HybridConfig, hybrid_config
from convrec.retrieval.manifest import EmbedderManifest, read_manifest, write_manifest


def test_what_is_written_is_read(tmp_path: Path) -> None:
    manifest = EmbedderManifest("base", True, ("NDCG@10 +0.01",), {"text": 5.0}, {"n": 1}, {"data": "redial"})
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path) == manifest
    assert read_manifest(tmp_path / "elsewhere") is None


def test_a_version_serves_under_the_weights_it_was_judged_with(tmp_path: Path) -> None:
    assert hybrid_config(None) == hybrid_config(str(tmp_path)) == HybridConfig()
    write_manifest(EmbedderManifest("base", True, (), {"text": 5.0, "popularity": 2.0}), tmp_path)
    assert hybrid_config(str(tmp_path)) == HybridConfig(text=5.0, popularity=2.0)


def test_a_version_that_did_not_pass_is_refused(tmp_path: Path) -> None:
    write_manifest(EmbedderManifest("base", False, ("no figure rises for sure",)), tmp_path)
    with pytest.raises(SettingsError, match=r"did not pass its gate .no figure rises"):
        hybrid_config(str(tmp_path))


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"manifest\.json is damaged"):
        read_manifest(tmp_path)
