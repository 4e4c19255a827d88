"""Owns how fitted signals lie in an index's folder. Large arrays are memory-mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convrec.retrieval.behaviour import Behaviour
from convrec.retrieval.popularity import Popularity
from convrec.retrieval.signals import Signals
from convrec.retrieval.transitions import Transitions


def save_signals(signals: Signals, folder: Path) -> None:
    """Write signals into a new folder."""
    folder.mkdir()
    behaviour = signals.behaviour
    np.save(folder / "left.npy", behaviour.left_N_F)
    np.save(folder / "right.npy", behaviour.right_N_F)
    if behaviour.exact_N_N is not None:
        np.save(folder / "exact.npy", behaviour.exact_N_N)
    np.savez(folder / "popularity.npz", keys=signals.popularity.keys_E, origin=signals.popularity.origin)
    for name, transitions in signals.transitions.items():
        indptr_N1, indices_Z, data_Z = transitions.arrays
        np.save(folder / f"{name}.indptr.npy", indptr_N1)
        np.save(folder / f"{name}.indices.npy", indices_Z)
        np.save(folder / f"{name}.data.npy", data_Z)


def load_signals(folder: Path, items: int) -> Signals:
    """Read what `save_signals` wrote.

    Args:
        folder: Whole and undamaged: the index has checked it.
        items: N.
    """
    exact = folder / "exact.npy"
    popularity = np.load(folder / "popularity.npz")
    names = sorted(path.name.removesuffix(".indptr.npy") for path in folder.glob("*.indptr.npy"))
    return Signals(
        Behaviour(
            np.load(folder / "left.npy"),
            np.load(folder / "right.npy"),
            np.load(exact, mmap_mode="r") if exact.exists() else None,
        ),
        {
            name: Transitions(
                np.load(folder / f"{name}.indptr.npy"),
                np.load(folder / f"{name}.indices.npy", mmap_mode="r"),
                np.load(folder / f"{name}.data.npy", mmap_mode="r"),
            )
            for name in names
        },
        Popularity(popularity["keys"], float(popularity["origin"]), items),
    )
