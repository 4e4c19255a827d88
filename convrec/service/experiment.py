"""Owns which adapter version ranks for whom while versions are compared; the active one ranks for the rest.

A salted hash of the user_id decides: the same person always gets the same version, on every server and after every
start, and the people of each are a random sample. The salt is the experiment itself, the names of its versions, so
that another experiment draws anew; giving the first of them more people keeps those that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b, sha256

from convrec.errors import ConvRecError
from convrec.evaluation.online import BASE
from convrec.ranking.ranker import RankingVersion
from convrec.service.versions import Versions

_BYTES = 8


class Experiment:
    """Versions that rank for a share of the people.

    Args:
        shares: Label of a version ("films/3") -> its share of the people, in (0, 1]; 1 at most together.
        exists: Whether a version is still there, by its label: one that was removed ranks for nobody.
    """

    def __init__(self, shares: Mapping[str, float], exists: Callable[[str], bool] = lambda _: True) -> None:
        self.shares = dict(shares)
        self._exists = exists
        self._key = sha256("\n".join(sorted(shares)).encode()).digest()
        self._loaded: dict[str, RankingVersion] = {}

    async def begin(self, versions: Versions) -> list[str]:
        """Load the versions; they stay loaded.

        Returns:
            What hindered those that cannot be; the active version ranks for their people.
        """
        troubles = []
        for label in self.shares:
            try:
                self._loaded[label] = await versions.hold(versions.find(label))
            except ConvRecError as error:
                troubles.append(f"{label} is not compared: {error}; the active version ranks for its people")
        return troubles

    def label(self, user_id: str) -> str | None:
        """The version that a person was drawn for; None is the active one."""
        digest = blake2b(user_id.encode("utf-8", "surrogatepass"), key=self._key, digest_size=_BYTES).digest()
        place = int.from_bytes(digest) / 2 ** (8 * _BYTES)
        for label, part in self.shares.items():
            if place < part:
                return label
            place -= part
        return None

    def people(self, active: str | None) -> dict[str, float]:
        """The names of the versions that rank, each with its share of the people.

        Args:
            active: Name of the active version; None is the base model.
        """
        ranking = {label: version for label, version in self._loaded.items() if self._exists(label)}
        shares = {active or BASE: 1.0 - sum(self.shares[label] for label in ranking)}
        for label, version in ranking.items():
            name = version.adapter or BASE
            shares[name] = shares.get(name, 0.0) + self.shares[label]
        return shares

    def version(self, user_id: str) -> RankingVersion | None:
        """What ranks for a person, loaded; None is the active version. Reads a file."""
        label = self.label(user_id)
        return self._loaded.get(label) if label is not None and self._exists(label) else None
