"""How a file is made to outlast kill -9 and power loss: synced, and replaced in one rename. Owns no file."""

from __future__ import annotations

import os
from pathlib import Path


def fsync(path: Path) -> None:
    """Put a file, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(staging: Path, file: Path) -> None:
    """Give a finished file its name: a reader sees the old file or this one, whatever dies when."""
    fsync(staging)
    staging.replace(file)
    fsync(file.parent)


def replace_text(file: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, never half, whatever dies when."""
    staging = file.with_name(f"{file.name}.staging")
    staging.write_text(text, encoding="utf-8")
    publish(staging, file)
