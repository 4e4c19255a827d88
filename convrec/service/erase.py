"""Owns the erasure of a person: everything that is theirs, and what is still to be made anew without them.

ledger          rows gone, and their bytes; a mark stays, so that no old file or backup brings them back
API keys        speak for them no more
index           removed where nobody uses it; a running server builds the next within seconds (refit.py)
files           exports, backups, batches, logs in the data folder lose their lines (traces.py)
trainings       unfinished ones are removed; one under way is not published (retrain.py)
adapters        those that learned from them are named, until a training without them is done (retrain.py)
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from convrec.errors import IndexUnavailableError
from convrec.ledger.ledger import Ledger
from convrec.retrieval.index import remove_index
from convrec.service.keys import KeyStore
from convrec.service.traces import remove_traces
from convrec.settings import Settings
from convrec.training.lineage import learned_from
from convrec.training.registry import Registry


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did.

    Args:
        events: Removed from the ledger.
        files: Of the data folder, that were changed or removed.
        index: Whether the index was removed; a server that uses it builds another one without them by itself.
        adapters: Labels of the versions that learned from them and still exist.
    """

    events: int
    files: tuple[str, ...]
    index: bool
    adapters: tuple[str, ...]


def erase(user_id: str, ledger: Ledger, registry: Registry, keys: KeyStore, settings: Settings) -> Erased:
    """Remove everything of a person. A server may run; killed half-way, it is finished by erasing again.

    Raises:
        LedgerError: The database failed.
        DataError: A file of the data folder, or a manifest, cannot be read or written.
    """
    heard = bool(ledger.feedback(user_id))
    adapters = [v.label for v in registry.versions() if learned_from(v.manifest, user_id, heard=heard)]
    known = unlearned(ledger, registry)
    # Before the ledger, which cleans the files that both lie in.
    keys.forget(user_id)
    events = ledger.erase(user_id, [label for label in adapters if label not in known])
    files = [*_trainings(settings), *remove_traces(user_id, settings)] if settings.data_dir.is_dir() else []
    shown = tuple(sorted(str(path.relative_to(settings.data_dir)) for path in files))
    return Erased(events, shown, _index(settings.index_dir), tuple(adapters))


def unlearned(ledger: Ledger, registry: Registry) -> list[str]:
    """The labels of versions that learned from somebody who was erased since."""
    named = {label for event in ledger.erasures().events for label in event.adapters}
    return [version.label for version in registry.versions() if version.label in named] if named else []


def unlearned_position(ledger: Ledger, registry: Registry) -> int:
    """The position of the last erasure, where it left adapters to be made anew; else 0."""
    return ledger.erased_position() if unlearned(ledger, registry) else 0


def _trainings(settings: Settings) -> Collection[Path]:
    """Remove what unfinished trainings left; one that is under way sees the erasure by itself."""
    folder = settings.last_run_file.parent
    left = [path for path in folder.glob("*") if path.is_dir()]
    try:
        with FileLock(settings.data_dir / ".retrain.lock", timeout=0):
            for path in left:
                shutil.rmtree(path, ignore_errors=True)
    except Timeout:
        return ()
    return left


def _index(index_dir: Path) -> bool:
    try:
        return remove_index(index_dir)
    except IndexUnavailableError:
        return False
