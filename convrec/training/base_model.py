"""Owns what an adapter belongs to: its base model, by name and hash of the weights, its prompt, its domain."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from convrec.errors import DataError
from convrec.training.manifest import AdapterManifest


def base_name(model: str | Path) -> str:
    """What a manifest calls a model: the last part of its folder or hub name."""
    return Path(model).name


def base_hash(model: str | Path) -> str:
    """sha256 (hex) over a model's weights; "" where they are not in a folder of this machine (a hub's name)."""
    folder = Path(model)
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return _hash(tuple((str(file), file.stat().st_mtime_ns) for file in files)) if files else ""


def require_fit(manifest: AdapterManifest, model: str | Path, prompt: str, domain: str) -> None:
    """Refuse an adapter of another model, another prompt or another kind of items.

    Args:
        model: Folder or hub name of what serves.
        prompt: Name and hash of the ranking prompt that serves.
        domain: Of the catalogue that is served.

    Raises:
        DataError: The message names both.
    """
    if manifest.prompt != prompt:
        raise DataError(
            f"adapter {manifest.name}/{manifest.version} was trained on the prompt {manifest.prompt}, not on "
            f"{prompt}; train one for this prompt: convrec retrain"
        )
    if manifest.domain != domain:
        raise DataError(
            f"adapter {manifest.name}/{manifest.version} was trained on {manifest.domain}, not on {domain}; train "
            "one on this catalogue: convrec retrain"
        )
    name, own = base_name(model), base_hash(model)
    if manifest.base_model != name or (own and manifest.base_hash and own != manifest.base_hash):
        raise DataError(
            f"adapter {manifest.name}/{manifest.version} was trained for {manifest.base_model} "
            f"({manifest.base_hash[:12]}), not for {name} ({own[:12] or 'weights not on this machine'}); "
            "train one for this model: convrec retrain"
        )


@lru_cache(maxsize=4)
def _hash(files: tuple[tuple[str, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _changed in files:
        with Path(name).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
