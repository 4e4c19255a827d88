"""Owns the adapter versions on disk and which of them is active. Trains, judges and loads none.

    adapters/ ACTIVE                       name/version, and those that were active before it
              <name>/ LAST                 the highest version number ever given out
                      <version>/           adapter_model.safetensors, adapter_config.json, manifest.json
                      <version>.staging/   being made

A version is complete and on disk before it bears its name, and never changes; its number is never given out again.
ACTIVE is replaced in one rename. So kill -9 at any moment leaves the old active adapter or the new one, whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from convrec.durable import fsync, replace_text
from convrec.engine.base import AdapterRef
from convrec.errors import DataError, NotFoundError
from convrec.training.manifest import AdapterManifest, check_servable, read_manifest, write_manifest

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LOCK_S = 10.0


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """A version in the registry.

    Args:
        path: Its folder.
        manifest: What it says of itself.
    """

    path: Path
    manifest: AdapterManifest

    @property
    def label(self) -> str:
        """name/version, as commands take it."""
        return f"{self.manifest.name}/{self.manifest.version}"

    @property
    def ref(self) -> AdapterRef:
        """As engines take it."""
        return AdapterRef(f"{self.manifest.name}@{self.manifest.version}", self.path)


class Registry:
    """The versions in a folder; any number of processes may use it at once.

    Args:
        root: Made where it is missing, with the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def versions(self) -> list[AdapterVersion]:
        """Every whole version, by name and number.

        Raises:
            DataError: The manifest of one is damaged.
        """
        return [self.get(label) for label in self.labels()]

    def labels(self) -> list[str]:
        """The labels of all versions, damaged ones too, by name and number."""
        found = [
            (folder.parent.name, int(folder.name))
            for folder in self.root.glob("*/*")
            if folder.name.isdigit() and _NAME.fullmatch(folder.parent.name)
        ]
        return [f"{name}/{number}" for name, number in sorted(found)]

    def has(self, label: str) -> bool:
        """Whether there is a whole version of this label."""
        try:
            self.get(label)
        except (NotFoundError, DataError):
            return False
        return True

    def get(self, label: str) -> AdapterVersion:
        """A version by its label, name/version.

        Raises:
            NotFoundError: There is none; the message lists those that exist.
            DataError: Its manifest is damaged.
        """
        name, _, number = label.partition("/")
        folder = self.root / name / number
        if not (_NAME.fullmatch(name) and number.isdigit() and folder.is_dir()):
            known = ", ".join(version.label for version in self.versions()) or "none"
            raise NotFoundError(f"there is no adapter {label!r}; there are: {known}")
        return AdapterVersion(folder, read_manifest(folder))

    @property
    def untouched(self) -> bool:
        """Whether nothing was ever promoted here."""
        return not (self.root / "ACTIVE").exists()

    def active(self) -> AdapterVersion | None:
        """The active version; None where the base model serves.

        Raises:
            NotFoundError, DataError: What is active is not there, or damaged.
        """
        label = self.active_label
        return self.get(label) if label else None

    @property
    def active_label(self) -> str | None:
        """The label of what was promoted last, whether or not it is still whole; None where the base model serves.

        Raises:
            DataError: The pointer is damaged.
        """
        labels = self._active()
        return labels[-1] if labels else None

    @contextmanager
    def stage(self, name: str) -> Iterator[tuple[Path, int]]:
        """A folder to put a new version's files in, and its number; what was not published is removed.

        Raises:
            DataError: The name is not lower case letters, digits and hyphens.
        """
        if not _NAME.fullmatch(name):
            raise DataError(f"{name!r} is no name of an adapter: use a-z, 0-9 and -, at most 63, e.g. movies")
        with self._lock():
            number = self._next(name)
            folder = self.root / name / f"{number}.staging"
            folder.mkdir()
        try:
            yield folder, number
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, staging: Path, manifest: AdapterManifest) -> AdapterVersion:
        """Make a staged folder a version.

        Raises:
            DataError: It cannot be served.
        """
        check_servable(staging)
        write_manifest(manifest, staging)
        for file in [*staging.iterdir(), staging]:
            fsync(file)
        target = staging.with_name(str(manifest.version))
        staging.rename(target)
        fsync(target.parent)
        return AdapterVersion(target, manifest)

    def promote(self, label: str) -> AdapterVersion:
        """Make a version the active one.

        Raises:
            NotFoundError: There is none of that label.
            DataError: The gate rejected it, or it cannot be served.
        """
        version = self.get(label)
        if not version.manifest.accepted:
            raise DataError(f"the gate rejected {label}: {'; '.join(version.manifest.reasons)}")
        check_servable(version.path)
        with self._lock():
            try:
                labels = self._active()
            except DataError:  # damaged: what was active before is lost, what is active now is being said
                labels = []
            if not labels or labels[-1] != label:
                self._point([*labels, label])
        return version

    def rollback(self) -> AdapterVersion | None:
        """Make active what was active before; None is the base model.

        Raises:
            DataError: Nothing was active.
        """
        with self._lock():
            labels = self._active()
            if not labels:
                raise DataError("no adapter was ever promoted: there is nothing to go back to")
            earlier = [label for label in labels[:-1] if self.has(label)]
            self._point(earlier)
        return self.active()

    def prune(self, keep: int) -> list[str]:
        """Remove all but the newest `keep` versions of each name; the active one and the one before it stay.

        A running server may still use a version for a request: prune when it has moved on.

        Returns:
            The labels removed.
        """
        removed = []
        with self._lock():
            spared = set(self._active()[-2:])
            by_name: dict[str, list[AdapterVersion]] = {}
            for version in self.versions():
                by_name.setdefault(version.manifest.name, []).append(version)
            for own in by_name.values():
                for version in own[: max(len(own) - keep, 0)]:
                    if version.label not in spared:
                        _remove(version)
                        removed.append(version.label)
        return removed

    def forget(self, labels: Collection[str]) -> list[str]:
        """Remove versions for good, active or not; what was active before, and is not among them, is active then.

        Returns:
            The labels removed: those that were there.
        """
        with self._lock():
            there = [version for version in self.versions() if version.label in labels]
            active = self._active()
            if not set(active).isdisjoint(labels):
                self._point([label for label in active if label not in labels])
            for version in there:
                _remove(version)
        return [version.label for version in there]

    def _active(self) -> list[str]:
        """Labels in the order of their promotion; the last is active."""
        file = self.root / "ACTIVE"
        if not file.is_file():
            return []
        try:
            labels = json.loads(file.read_text(encoding="utf-8"))
            return [str(label) for label in labels]
        except (ValueError, TypeError) as error:
            raise DataError(f"{file} is damaged ({error}); run: convrec adapters promote NAME/VERSION") from error

    def _point(self, labels: list[str]) -> None:
        replace_text(self.root / "ACTIVE", json.dumps(labels))

    def _next(self, name: str) -> int:
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        last = folder / "LAST"
        given = int(last.read_text()) if last.is_file() else 0
        there = [int(path.name.partition(".")[0]) for path in folder.iterdir() if path.name[0].isdigit()]
        number = max([given, *there]) + 1
        replace_text(last, str(number))
        return number

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.root / ".lock", timeout=_LOCK_S):
                yield
        except Timeout as error:
            raise DataError(f"another process holds {self.root}; try again when it is done") from error


def _remove(version: AdapterVersion) -> None:
    # Renamed first: half a version must not be found.
    doomed = version.path.with_name(f"{version.path.name}.pruned")
    version.path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
