"""Owns the index on disk: how it is built, flipped to, opened and checked. It decides nothing about ranking.

    index_dir/ CURRENT                    name of the generation that counts
               .lock, holder.json         who holds the index (see lock.py)
               <generation>/ chroma/      text and behaviour vectors
                             words.npz    the items' words (lexical.py)
                             expectation.npz  what people are expected to think of them (expectation.py)
                             signals/     what behaviour says (signal_files.py)
                             meta.json    what it was built from; item_ids.json, digests.npy, probe.npy
                             checksums.json  of the others

A generation is complete and on disk before CURRENT names it, and never changes afterwards; whatever CURRENT does
not name is left over. So kill -9 at any moment leaves the old index or the new one.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convrec.data.catalogue import Catalogue
from convrec.durable import fsync, replace_text
from convrec.errors import DataError, IndexUnavailableError
from convrec.progress import Progress, silent
from convrec.retrieval.base import Embedder, Floats
from convrec.retrieval.behaviour import BehaviourConfig
from convrec.retrieval.chroma import ChromaStore
from convrec.retrieval.expectation import Expectation, fit_expectation, load_expectation
from convrec.retrieval.fusion import Fusion, FusionConfig, fit_fusion
from convrec.retrieval.lexical import Lexical, fit_lexical, load_lexical
from convrec.retrieval.lock import Holder as Holder
from convrec.retrieval.lock import IndexLock
from convrec.retrieval.lock import index_holder as index_holder
from convrec.retrieval.sequences import Sequences, read_histories, sequences_of
from convrec.retrieval.signal_files import load_signals, save_signals
from convrec.retrieval.signals import Signals, fit_signals
from convrec.retrieval.transitions import TransitionConfig
from convrec.types import FeedbackEvent

_BATCH = 256
_SAME_EMBEDDER = 0.99
_PROBE = "a sentence that tells one embedder from another"
_LEAST_HISTORY = 3
"""Choices a user must keep for their later ones to be held out when the combination is learned."""


@dataclass(frozen=True, slots=True)
class IndexMeta:
    """What an index was built from.

    Args:
        catalogue_fingerprint: Of the catalogue, see Catalogue.fingerprint.
        ledger_position: Of the ledger when its events were read.
        items, users, interactions: Counts; interactions are distinct (user, item) pairs.
        text_dimension, behaviour_dimension: Of the vectors.
        config: How behaviour was modelled.
        fusion: How its signals combine.
        built_at: Seconds since the epoch.
    """

    catalogue_fingerprint: str
    ledger_position: int
    items: int
    users: int
    interactions: int
    text_dimension: int
    behaviour_dimension: int
    config: BehaviourConfig
    fusion: Fusion
    built_at: float


class Index:
    """An open generation; holds the index's lock until it is closed. Made by `open_index`.

    Attributes:
        meta: What it was built from.
        item_ids: N; a position is the row of the arrays.
        digests_N: Of the items as they were, see Catalogue.digests.
        signals: What behaviour says; the right factors are the vectors of `behaviour`.
        lexical: The items' words.
        expectation: What people are expected to think of the items.
        store: The vectors.
        text_N_D: Those of `text`, read once: Chroma takes 20 ms to give those of 1,000 candidates.
        newer_texts: Description -> vector_D of items that are newer than it, kept for texts.py.
    """

    def __init__(self, index_dir: Path, lock: IndexLock, embedder: Embedder) -> None:
        self._index_dir, self._lock, self._open = index_dir, lock, True
        self._folder = _current(index_dir)
        _verify(self._folder)
        self.meta = _read_meta(self._folder)
        try:
            self.item_ids: tuple[str, ...] = tuple(json.loads((self._folder / "item_ids.json").read_text()))
            self.signals: Signals = load_signals(self._folder / "signals", len(self.item_ids))
            self.lexical: Lexical = load_lexical(self._folder)
            self.expectation: Expectation = load_expectation(self._folder)
            self.digests_N: NDArray[np.uint64] = np.load(self._folder / "digests.npy")
            probe_D: Floats = np.load(self._folder / "probe.npy")
        except (OSError, KeyError, ValueError) as error:  # whole, as its checksums say
            raise IndexUnavailableError("the index is of an earlier version; run: convrec index") from error
        own_D = embedder.embed([_PROBE])[0]
        if own_D.shape != probe_D.shape or float(own_D @ probe_D) < _SAME_EMBEDDER:
            raise IndexUnavailableError("the index was built with another embedder; run: convrec index")
        self.newer_texts: Mapping[str, Floats] = {}
        self.store = ChromaStore(self._folder / "chroma")
        try:
            self.text_N_D = self._read_texts()
            self.store.count("behaviour")
        except IndexUnavailableError:
            self.store.close()
            raise

    def close(self) -> None:
        """Let go of files and lock; removes a generation that was replaced in the meantime. Idempotent."""
        if not self._open:
            return
        self._open = False
        self.store.close()
        if _named(self._index_dir) != self._folder.name:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.release()

    def _read_texts(self) -> Floats:
        text_N_D = np.empty((self.meta.items, self.meta.text_dimension), np.float32)
        for start in range(0, self.meta.items, _BATCH):
            ids = self.item_ids[start : start + _BATCH]
            vectors = self.store.vectors("text", ids)
            if len(vectors) < len(ids):
                raise IndexUnavailableError("the index is damaged (vectors are missing); run: convrec index")
            text_N_D[start : start + _BATCH] = [vectors[item_id] for item_id in ids]
        return text_N_D

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_index(index_dir: Path, embedder: Embedder, url: str | None = None) -> Index:
    """Open the current generation and take the index's lock.

    Args:
        index_dir: Where `build_index` built it.
        embedder: The one it was built with.
        url: Where this process serves; other processes read it with `index_holder`.

    Raises:
        IndexUnavailableError: It is missing, damaged, of another embedder, or held by another process.
    """
    _current(index_dir)
    lock = IndexLock(index_dir)
    lock.acquire(url)
    try:
        return Index(index_dir, lock, embedder)
    except BaseException:
        lock.release()
        raise


def index_status(index_dir: Path) -> IndexMeta:
    """What the current generation was built from, read without the lock.

    Raises:
        IndexUnavailableError: There is none.
    """
    return _read_meta(_current(index_dir))


def remove_index(index_dir: Path) -> bool:
    """Remove the index, whose next opening finds none. One that this process has open stays.

    Returns:
        Whether it was there and is gone.

    Raises:
        IndexUnavailableError: Another process holds it.
    """
    if _named(index_dir) is None:
        return False
    lock = IndexLock(index_dir)
    lock.acquire()
    try:
        if not lock.sole:
            return False
        (index_dir / "CURRENT").unlink(missing_ok=True)
        _sweep(index_dir)
    finally:
        lock.release()
    return True


def build_index(
    index_dir: Path,
    catalogue: Catalogue,
    events: Iterable[FeedbackEvent],
    embedder: Embedder,
    config: BehaviourConfig | None = None,
    progress: Progress = silent,
    ledger_position: int = 0,
    earlier: Index | None = None,
) -> IndexMeta:
    """Build a new generation beside the current one and flip to it.

    A process that has the index open may rebuild it; it goes on with the old generation until it opens the new.

    Args:
        index_dir: Made where it is missing.
        catalogue: Its items, all of them.
        events: Of all users. Retracted events, dislikes and comments do not count; a rating does, whatever it is.
            Equal timestamps keep the order given.
        embedder: Turns the items' descriptions into vectors.
        config: How behaviour is modelled; the defaults when None.
        progress: Called with the fraction done, in [0, 1], and what is being done.
        ledger_position: Of the ledger when the events were read, kept in the meta data.
        earlier: An open index by the same embedder; its vectors of items that are as they were are taken.

    Raises:
        DataError: The catalogue is empty.
        IndexUnavailableError: Another process holds the index, or Chroma cannot write.
    """
    if not catalogue:
        raise DataError("the catalogue is empty; run: convrec ingest")
    index_dir.mkdir(parents=True, exist_ok=True)
    lock = IndexLock(index_dir)
    lock.acquire()
    try:
        if lock.sole:
            _sweep(index_dir)
        # Never a name that was used before: Chroma keeps what it opened by path.
        folder = index_dir / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        try:
            meta = _build(
                folder,
                catalogue,
                events,
                embedder,
                config or BehaviourConfig(),
                progress,
                ledger_position,
                earlier,
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for path in [*folder.rglob("*"), folder]:
            fsync(path)
        replace_text(index_dir / "CURRENT", folder.name)
        if lock.sole:
            _sweep(index_dir)
        return meta
    finally:
        lock.release()


def _build(
    folder: Path,
    catalogue: Catalogue,
    events: Iterable[FeedbackEvent],
    embedder: Embedder,
    config: BehaviourConfig,
    progress: Progress,
    ledger_position: int,
    earlier: Index | None,
) -> IndexMeta:
    ids = catalogue.ids
    text_N_D = _embed(catalogue, embedder, earlier, lambda done: progress(0.5 * done, "embedding descriptions"))
    row = {item_id: idx for idx, item_id in enumerate(ids)}
    histories = read_histories(events, catalogue.domain.rating_scale)
    sequences = sequences_of(histories, row)
    fusion = _learn(sequences, len(ids), config, lambda done, what: progress(0.5 + 0.2 * done, what))
    progress(0.7, "fitting behaviour")
    signals = fit_signals(sequences, len(ids), config, TransitionConfig())
    right_N_F = signals.behaviour.right_N_F
    store = ChromaStore(folder / "chroma")
    try:
        store.write("text", ids, text_N_D, lambda n: progress(0.8 + 0.1 * n / len(ids), "storing vectors"))
        store.write("behaviour", ids, right_N_F, lambda n: progress(0.9 + 0.1 * n / len(ids), "storing vectors"))
    finally:
        store.close()
    save_signals(signals, folder / "signals")
    fit_lexical(catalogue.values()).save(folder)
    fit_expectation(histories, row, len(ids)).save(folder)
    np.save(folder / "digests.npy", np.array(catalogue.digests, np.uint64))
    np.save(folder / "probe.npy", embedder.embed([_PROBE])[0])
    (folder / "item_ids.json").write_text(json.dumps(ids))
    meta = IndexMeta(
        catalogue_fingerprint=catalogue.fingerprint,
        ledger_position=ledger_position,
        items=len(ids),
        users=sequences.users,
        interactions=len(sequences.items_E),
        text_dimension=embedder.dimension,
        behaviour_dimension=right_N_F.shape[1],
        config=config,
        fusion=fusion,
        built_at=time.time(),
    )
    (folder / "meta.json").write_text(json.dumps(asdict(meta), indent=1))
    (folder / "checksums.json").write_text(json.dumps(_checksums(folder)))
    progress(1.0, "done")
    return meta


def _learn(sequences: Sequences, items: int, config: BehaviourConfig, progress: Progress) -> Fusion:
    """How the signals combine, learned on the last choices of every user with signals that lack them."""
    learning = FusionConfig()
    before = sequences.before_last(learning.held_out, _LEAST_HISTORY)
    if len(before.items_E) == len(sequences.items_E):
        return Fusion()
    progress(0.0, "fitting behaviour to learn how its signals combine")
    earlier = fit_signals(before, items, config, TransitionConfig())
    return fit_fusion(earlier, sequences, before, config, learning, progress)


def _embed(
    catalogue: Catalogue, embedder: Embedder, earlier: Index | None, progress: Callable[[float], None]
) -> Floats:
    """text_N_D; what an earlier index knows of an item that is as it was is not embedded again."""
    text_N_D = np.empty((len(catalogue), embedder.dimension), np.float32)
    described = {n: catalogue.passage(catalogue[item_id]) for n, item_id in enumerate(catalogue.ids)}
    if earlier is not None:
        built = zip(earlier.item_ids, earlier.digests_N.tolist(), earlier.text_N_D, strict=True)
        known = {item_id: (digest, vector_D) for item_id, digest, vector_D in built}
        for n, (item_id, digest) in enumerate(zip(catalogue.ids, catalogue.digests, strict=True)):
            told, vector_D = known.get(item_id, (None, None))
            if told != digest:
                vector_D = earlier.newer_texts.get(described[n])
            if vector_D is not None:
                text_N_D[n] = vector_D
                del described[n]
    places = list(described)
    for start in range(0, len(places), _BATCH):
        batch = places[start : start + _BATCH]
        text_N_D[batch] = embedder.embed([described[n] for n in batch])
        progress(min(start + _BATCH, len(places)) / len(places))
    return text_N_D


def _named(index_dir: Path) -> str | None:
    pointer = index_dir / "CURRENT"
    return pointer.read_text() if pointer.is_file() else None


def _current(index_dir: Path) -> Path:
    name = _named(index_dir)
    if not name:
        raise IndexUnavailableError(f"there is no index in {index_dir}; run: convrec index")
    return index_dir / name


def _read_meta(folder: Path) -> IndexMeta:
    try:
        fields: dict[str, Any] = json.loads((folder / "meta.json").read_text())
        fusion = Fusion(**{**fields["fusion"], "weights": tuple(fields["fusion"]["weights"])})
        return IndexMeta(**{**fields, "config": BehaviourConfig(**fields["config"]), "fusion": fusion})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IndexUnavailableError(f"the index {folder} is damaged ({error}); run: convrec index") from error


def _checksums(folder: Path) -> dict[str, int]:
    """Of our own files and the graphs that Chroma has written out; to its other files it writes when it likes."""
    graphs = [path.parent for path in folder.glob("chroma/*/index_metadata.pickle")]
    files = [path for place in (folder, folder / "signals", *graphs) for path in place.iterdir() if path.is_file()]
    return {str(path.relative_to(folder)): _crc32(path) for path in files}


def _verify(folder: Path) -> None:
    """A damaged HNSW file would not raise but end the process."""
    try:
        expected = json.loads((folder / "checksums.json").read_text())
        damaged = [name for name, crc in expected.items() if _crc32(folder / name) != crc]
    except (OSError, ValueError) as error:
        raise IndexUnavailableError(f"the index is damaged ({error}); run: convrec index") from error
    if damaged:
        raise IndexUnavailableError(f"the index is damaged ({folder / damaged[0]}); run: convrec index")


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return crc


def _sweep(index_dir: Path) -> None:
    """Remove generations that CURRENT does not name: older ones, and what a killed build left."""
    keep = _named(index_dir)
    for path in index_dir.iterdir():
        if path.is_dir() and path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
