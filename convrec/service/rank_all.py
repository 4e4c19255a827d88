"""Owns the offline batch: the best items for many people, by the code that serves slates, in one file.

    OUT          JSONL or Parquet, a row per user and rank (see COLUMNS); there in one rename, when all are ranked
    OUT.part     while it runs: what the rows depend on, then a line per user, on disk before the next is written

A run that was killed goes on where OUT.part ends; until it is done, OUT is what an earlier run made of it. The
ledger is read and not written: nobody is shown anything.
"""

from __future__ import annotations

import asyncio
import glob
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import polars
from polars.exceptions import PolarsError

from convrec.durable import fsync, publish
from convrec.errors import DataError
from convrec.evaluation.rows import Row, RowsFile
from convrec.progress import Progress
from convrec.service.engines import NoEngine
from convrec.service.recommender import Recommender
from convrec.service.requests import RecommendRequest
from convrec.settings import Settings
from convrec.types import Slate

_ENTRY = {
    "rank": polars.Int64(),
    "item_id": polars.String(),
    "title": polars.String(),
    "score": polars.Float64(),
    "match": polars.Float64(),
    "interest": polars.Float64(),
    "retrieval": polars.Float64(),
}
_LINE = {
    "user_id": polars.String(),
    "adapter": polars.String(),
    "degraded": polars.Boolean(),
    "slate": polars.List(polars.Struct(_ENTRY)),
}
COLUMNS = ("user_id", *_ENTRY, "adapter", "degraded")
"""Of the output. `interest` is null where the language model did not score, `adapter` where the base model did."""


@dataclass(frozen=True, slots=True)
class RankAllConfig:
    """Whom to rank for, and where to.

    Args:
        out: FILE.jsonl or FILE.parquet; its folder is made where it is missing.
        k: Items per user.
        users: At least one user_id, each once; unknown ones get the slate of a new person. None is everybody with
            feedback in the ledger.
        concurrency: Users in flight at once; the only argument that another life of a run may change.

    Raises:
        DataError: `out` cannot be written.
    """

    out: Path
    k: int
    users: Sequence[str] | None = None
    concurrency: int = 4

    def __post_init__(self) -> None:
        if self.out.suffix not in (".jsonl", ".parquet"):
            raise DataError(f"{self.out}: unknown ending {self.out.suffix!r}; name a FILE.jsonl or FILE.parquet")
        if self.out.is_dir():
            raise DataError(f"{self.out} is a folder; name a file")


@dataclass(frozen=True, slots=True)
class RankAllReport:
    """What is in the file: users, rows, and how many of the users the language model failed for."""

    users: int
    rows: int
    degraded: int


def read_user_ids(path: Path) -> tuple[str, ...]:
    """The user_ids of a file, one a line, each once, in its order; blank lines are passed over.

    Raises:
        DataError: The file cannot be read, or names nobody.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            found = tuple(dict.fromkeys(user_id for line in stream if (user_id := line.strip())))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; name a file of user_ids, one a line") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}); write it again") from error
    if not found:
        raise DataError(f"{path} names nobody; it needs user_ids, one a line")
    return found


def unhurried(settings: Settings, concurrency: int) -> Settings:
    """Settings under which users in flight may wait for one another, as nobody waits for them."""
    return settings.model_copy(update={"score_timeout_s": concurrency * settings.score_timeout_s})


async def rank_all(recommender: Recommender, config: RankAllConfig, progress: Progress) -> RankAllReport:
    """Rank for everybody who is left, then write the output.

    Args:
        recommender: Ranks; with NoEngine by retrieval alone, which is not called degraded then.
        config: Whom and where to.
        progress: Called with the fraction of the users, in [0, 1].

    Raises:
        DataError: There is nobody to rank for, another run to this output is half done, or it cannot be written.
        LedgerError: A profile cannot be read.
        IndexUnavailableError: Retrieval is impossible.
    """
    user_ids = config.users if config.users is not None else await asyncio.to_thread(_everybody, recommender)
    part = config.out.with_name(f"{config.out.name}.part")
    with _disk(config.out):
        file = RowsFile(part, _header(recommender, config))
    try:
        ranked = {row["user_id"] for row in file.rows()}
        left = [user_id for user_id in user_ids if user_id not in ranked]
        asked = not isinstance(recommender.engine, NoEngine)
        async with aclosing(_slates(recommender, left, config)) as slates:
            done = len(user_ids) - len(left)
            progress(done / len(user_ids), _said(done, user_ids))
            async for user_id, slate in slates:
                with _disk(config.out):
                    file.append(_line(user_id, slate, degraded=slate.degraded and asked))
                    fsync(part)
                done += 1
                progress(done / len(user_ids), _said(done, user_ids))
    finally:
        file.close()
    with _disk(config.out):
        return await asyncio.to_thread(_publish, part, config.out, user_ids)


def _everybody(recommender: Recommender) -> Sequence[str]:
    found = sorted(user_id for user_id, _ in recommender.ledger.users(limit=None))
    if not found:
        raise DataError("the ledger knows nobody; run: convrec ingest --interactions FILE, or give --users FILE")
    return found


def _header(recommender: Recommender, config: RankAllConfig) -> Row:
    """What the rows depend on, but for what ledger and index learn while the run is dead: it goes on with that."""
    users = "everybody" if config.users is None else hashlib.sha256("\n".join(config.users).encode()).hexdigest()
    return {
        "users": users,
        "k": config.k,
        "candidates": recommender.candidates,
        "engine": recommender.engine.name,
        "adapter": recommender.version.adapter,
        "blend": asdict(recommender.version.blend),
        "catalogue": recommender.catalogue.fingerprint,
    }


async def _slates(
    recommender: Recommender, user_ids: Sequence[str], config: RankAllConfig
) -> AsyncGenerator[tuple[str, Slate], None]:
    """Users and their slates in the order given, while those of the next users are being made."""
    flying: deque[tuple[str, asyncio.Task[Slate]]] = deque()
    try:
        for user_id in user_ids:
            request = RecommendRequest(user_id, config.k)
            flying.append((user_id, asyncio.create_task(recommender.rank(request))))
            if len(flying) == config.concurrency:
                first, task = flying[0]
                yield first, await task
                flying.popleft()
        for last, task in flying:
            yield last, await task
    finally:
        for _, task in flying:
            task.cancel()
        await asyncio.gather(*(task for _, task in flying), return_exceptions=True)


def _line(user_id: str, slate: Slate, *, degraded: bool) -> Row:
    entries = [
        {
            "rank": r.rank,
            "item_id": r.item.item_id,
            "title": r.item.title,
            "score": r.score,
            "match": r.match,
            "interest": r.interest,
            "retrieval": r.retrieval,
        }
        for r in slate.recommendations
    ]
    return {"user_id": user_id, "adapter": slate.adapter, "degraded": degraded, "slate": entries}


def _publish(part: Path, out: Path, user_ids: Sequence[str]) -> RankAllReport:
    """Make the output of a complete part, then remove the part; killed in between, it is done again."""
    # Escaped: Polars takes a name with brackets or asterisks for many files.
    lines = polars.scan_ndjson(glob.escape(str(part)), schema=_LINE)
    # Neither the header nor somebody who was erased from the ledger in the meantime.
    lines = lines.filter(polars.col("user_id").is_in(user_ids))
    counted = lines.select(
        polars.len(), polars.col("slate").list.len().sum(), polars.col("degraded").sum()
    ).collect(engine="streaming")
    rows = lines.filter(polars.col("slate").list.len() > 0).explode("slate").unnest("slate").select(COLUMNS)
    staging = out.with_name(f"{out.name}.staging")
    if out.suffix == ".parquet":
        rows.sink_parquet(staging)
    else:
        rows.sink_ndjson(staging, check_extension=False)
    publish(staging, out)
    part.unlink()
    return RankAllReport(*counted.row(0))


def _said(done: int, user_ids: Sequence[str]) -> str:
    return f"{done:,} of {len(user_ids):,} users"


@contextmanager
def _disk(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, PolarsError) as error:
        raise DataError(f"cannot write {out}: {error}; see to that and start again, it goes on") from error
