"""Owns the import of libraries that only an evaluation needs (the `evaluation` extra)."""

from __future__ import annotations

import importlib
from types import ModuleType

from convrec.errors import SettingsError


def extra(module: str) -> ModuleType:
    """A module of the `evaluation` extra.

    Raises:
        SettingsError: It is not installed; the message says how.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(
            f"{module} is needed here; run: pip install 'convrec[evaluation]' ({error})"
        ) from error
