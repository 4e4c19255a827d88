"""Owns what a trained text embedder says of itself: manifest.json in its folder. Trains and judges nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convrec.errors import SettingsError

_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class EmbedderManifest:
    """A version of an embedder.

    Args:
        base: What it was trained from.
        accepted: Whether it passed the gate.
        reasons: Of the verdict.
        weights: Of the parts of the retrieval score that its cosines were weighed against (see HybridConfig).
        metrics: Held-out figures, base and tuned.
        lineage: Data, its hash, settings, date.
    """

    base: str
    accepted: bool
    reasons: tuple[str, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)


def write_manifest(manifest: EmbedderManifest, folder: Path) -> None:
    """Into the model's folder."""
    told = {name: getattr(manifest, name) for name in manifest.__dataclass_fields__}
    (folder / _FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_manifest(model: str | Path) -> EmbedderManifest | None:
    """That of a model's folder; None where it has none, as models from elsewhere do.

    Raises:
        SettingsError: It is damaged.
    """
    file = Path(model) / _FILE
    if not file.is_file():
        return None
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return EmbedderManifest(**{**told, "reasons": tuple(told["reasons"])})
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{file} is damaged ({error!r}); train the embedder again or use another") from error
