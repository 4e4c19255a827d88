import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars
import pytest

from convrec.errors import DataError, LedgerError
from convrec.progress import silent
from convrec.service.engines import NoEngine
from convrec.service.rank_all import COLUMNS, RankAllConfig, RankAllReport, rank_all, read_user_ids, unhurried
from convrec.service.recommender import Recommender
from convrec.service.requests import RecommendRequest
from convrec.settings import Settings
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.types import FeedbackEvent, FeedbackType

PROMPTS = Settings().prompts_dir
DRINKERS = tuple(f"drinker{n}" for n in range(6))
STRANGERS = tuple(f"stranger{n:02}" for n in range(24))

Row = dict[str, object]


class CountingEngine(FakeEngine):
    """Counts whom it is asked about, and can fail or stop from some call on."""

    def __init__(self, fails_from: int = 10**9, stops_at: int = 10**9, takes_s: float = 0.002) -> None:
        super().__init__()
        self.takes_s = takes_s
        self.asked, self.under_way, self.most = 0, 0, 0
        self.fails_from, self.stops_at = fails_from, stops_at

    async def score(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        self.asked += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.takes_s)
            if self.asked >= self.stops_at:
                raise LedgerError("the disk is gone; bring it back")
            self.fail = self.asked >= self.fails_from
            return await super().score(*args, **kwargs)
        finally:
            self.under_way -= 1


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def recommender(tmp_path: Path, engine: FakeEngine) -> Iterator[Recommender]:
    with small_recommender(tmp_path, PROMPTS, engine) as made:
        yield made


def read(out: Path) -> list[Row]:
    with out.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def users_of(rows: list[Row]) -> list[object]:
    """In their order, a user for every first rank."""
    assert len({(row["user_id"], row["rank"]) for row in rows}) == len(rows)
    return [row["user_id"] for row in rows if row["rank"] == 1]


async def test_everybody_gets_the_slate_that_would_be_shown_and_nothing_is_written_to_the_ledger(
    recommender: Recommender, tmp_path: Path
) -> None:
    before = recommender.ledger.counts(), recommender.ledger.position()
    report = await rank_all(recommender, RankAllConfig(tmp_path / "new" / "slates.jsonl", 4), silent)
    assert (recommender.ledger.counts(), recommender.ledger.position()) == before
    assert report == RankAllReport(users=6, rows=24, degraded=0)
    rows = read(tmp_path / "new" / "slates.jsonl")
    assert users_of(rows) == list(DRINKERS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["slates.jsonl"]
    for user_id in DRINKERS:
        shown = (await recommender.recommend(RecommendRequest(user_id, 4))).slate
        own = [row for row in rows if row["user_id"] == user_id]
        assert all(tuple(row) == COLUMNS for row in own)
        for row, entry in zip(own, shown.recommendations, strict=True):
            assert (row["rank"], row["item_id"], row["title"]) == (
                entry.rank,
                entry.item.item_id,
                entry.item.title,
            )
            assert [row["score"], row["match"], row["interest"], row["retrieval"]] == pytest.approx(
                [entry.score, entry.match, entry.interest, entry.retrieval], abs=1e-4
            )
            assert (row["adapter"], row["degraded"]) == (None, False)


async def test_parquet_holds_what_jsonl_holds(recommender: Recommender, tmp_path: Path) -> None:
    lines, table = tmp_path / "slates.jsonl", tmp_path / "a[1]*.parquet"
    await rank_all(recommender, RankAllConfig(lines, 5), silent)
    await rank_all(recommender, RankAllConfig(table, 5), silent)
    read_back = polars.read_parquet(table, glob=False)
    assert tuple(read_back.columns) == COLUMNS
    assert read_back.schema["interest"] == read_back.schema["score"] == polars.Float64
    assert read_back.schema["adapter"] == polars.String
    names = ("user_id", "rank", "item_id", "title", "interest")
    assert read_back.select(names).rows() == [tuple(row[name] for name in names) for row in read(lines)]


async def test_users_of_a_file_come_in_its_order_and_unknown_ones_are_new_people(
    recommender: Recommender, tmp_path: Path
) -> None:
    (tmp_path / "users.txt").write_text(
        "\ufeffnobody\n\n drinker3 \nBjörn\u2028\r\nnobody\ndrinker3", encoding="utf-8"
    )
    users = read_user_ids(tmp_path / "users.txt")
    assert users == ("nobody", "drinker3", "Björn")
    await rank_all(recommender, RankAllConfig(tmp_path / "slates.jsonl", 5, users), silent)
    rows = read(tmp_path / "slates.jsonl")
    assert users_of(rows) == list(users)
    nobody, drinker, other = ([row["item_id"] for row in rows if row["user_id"] == user] for user in users)
    assert nobody == other != drinker


async def test_a_run_that_died_goes_on_with_those_who_are_left(tmp_path: Path) -> None:
    engine = CountingEngine(stops_at=12)
    with small_recommender(tmp_path, PROMPTS, engine) as recommender:
        config = RankAllConfig(tmp_path / "slates.parquet", 3, STRANGERS, concurrency=2)
        with pytest.raises(LedgerError, match="bring it back"):
            await rank_all(recommender, config, silent)
        assert not config.out.exists()
        assert not engine.under_way
        engine.asked, engine.stops_at = 0, 10**9
        told: list[tuple[float, str]] = []
        report = await rank_all(
            recommender, replace(config, concurrency=5), lambda done, what: told.append((done, what))
        )
    assert report == RankAllReport(users=24, rows=72, degraded=0)
    assert 10 <= 24 - engine.asked <= 11
    assert users_of(polars.read_parquet(config.out).to_dicts()) == list(STRANGERS)
    assert told[0] == ((24 - engine.asked) / 24, f"{24 - engine.asked} of 24 users")
    assert told[-1] == (1.0, "24 of 24 users")


async def test_cancelled_it_leaves_no_turn_behind_and_goes_on(tmp_path: Path) -> None:
    engine = CountingEngine()
    with small_recommender(tmp_path, PROMPTS, engine) as recommender:
        config = RankAllConfig(tmp_path / "slates.jsonl", 3, STRANGERS)
        running = asyncio.create_task(rank_all(recommender, config, silent))
        while engine.asked < 9:
            await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        asked = engine.asked
        await asyncio.sleep(0.02)
        assert engine.asked == asked
        await rank_all(recommender, config, silent)
    assert users_of(read(config.out)) == list(STRANGERS)


async def test_a_torn_line_is_ranked_again(recommender: Recommender, tmp_path: Path) -> None:
    config = RankAllConfig(tmp_path / "slates.jsonl", 3, STRANGERS)
    part = await half_done(recommender, config)
    whole = part.read_bytes()
    for torn in (whole[:-1], whole[:-40], whole[: whole.index(b"\n") // 2]):
        part.write_bytes(torn)
        assert (await rank_all(recommender, config, silent)).rows == 72
        assert users_of(read(config.out)) == list(STRANGERS)


async def test_killed_while_it_wrote_the_output_it_writes_it_again(
    recommender: Recommender, tmp_path: Path
) -> None:
    config = RankAllConfig(tmp_path / "slates.jsonl", 3, DRINKERS)
    part = await half_done(recommender, config, users=6)
    ranked = part.read_bytes()
    await rank_all(recommender, config, silent)
    first = config.out.read_bytes()
    part.write_bytes(ranked)
    config.out.with_name("slates.jsonl.staging").write_text('{"user_id": "dr')
    assert await rank_all(recommender, config, silent) == RankAllReport(6, 18, 0)
    assert len(config.out.read_bytes().splitlines()) == len(first.splitlines())
    assert not part.exists()
    assert not config.out.with_name("slates.jsonl.staging").exists()


async def test_a_run_with_other_arguments_over_a_half_done_output_is_refused(
    recommender: Recommender, tmp_path: Path
) -> None:
    config = RankAllConfig(tmp_path / "slates.jsonl", 3, STRANGERS)
    part = await half_done(recommender, config)
    kept = part.read_bytes()
    for other, named in (
        (replace(config, k=4), "its k differ"),
        (replace(config, users=STRANGERS[:-1]), "its users differ"),
        (replace(config, users=None, k=4), "its k, users differ"),
    ):
        with pytest.raises(DataError, match=rf"slates\.jsonl\.part .*{named}.*delete the file") as refused:
            await rank_all(recommender, other, silent)
        assert "another --out" in str(refused.value)
    recommender.engine = NoEngine()
    with pytest.raises(DataError, match="its engine differ"):
        await rank_all(recommender, config, silent)
    assert part.read_bytes() == kept


async def test_an_output_that_is_complete_is_replaced_by_the_next_run(
    recommender: Recommender, tmp_path: Path
) -> None:
    config = RankAllConfig(tmp_path / "slates.jsonl", 3)
    await rank_all(recommender, config, silent)
    assert await rank_all(recommender, replace(config, k=2), silent) == RankAllReport(6, 12, 0)
    assert len(read(config.out)) == 12


async def test_an_engine_that_fails_half_way_degrades_those_after_it_and_they_are_counted(tmp_path: Path) -> None:
    engine = CountingEngine(fails_from=9)
    with small_recommender(tmp_path, PROMPTS, engine) as recommender:
        config = RankAllConfig(tmp_path / "slates.jsonl", 3, STRANGERS, concurrency=1)
        report = await rank_all(recommender, config, silent)
        assert report == RankAllReport(users=24, rows=72, degraded=16)
    rows = read(config.out)
    assert [row["degraded"] for row in rows] == [False] * 24 + [True] * 48
    assert all((row["interest"] is None) == row["degraded"] for row in rows)


async def test_those_who_degraded_in_an_earlier_life_are_counted_too(
    recommender: Recommender, engine: FakeEngine, tmp_path: Path
) -> None:
    config = RankAllConfig(tmp_path / "slates.jsonl", 3, STRANGERS)
    engine.fail = True
    await half_done(recommender, config)
    engine.fail = False
    with small_recommender(fresh(tmp_path), PROMPTS, engine) as restarted:
        assert (await rank_all(restarted, config, silent)).degraded == 8


async def test_without_a_language_model_the_order_is_retrievals_and_that_is_not_degraded(tmp_path: Path) -> None:
    with small_recommender(tmp_path, PROMPTS, NoEngine()) as recommender:
        config = RankAllConfig(tmp_path / "slates.jsonl", 5)
        assert await rank_all(recommender, config, silent) == RankAllReport(6, 30, 0)
    rows = read(config.out)
    assert {(row["interest"], row["adapter"], row["degraded"]) for row in rows} == {(None, None, False)}
    for user_id in DRINKERS:
        scores = [row["retrieval"] for row in rows if row["user_id"] == user_id]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("concurrency", [1, 5])
async def test_as_many_users_are_in_flight_as_told_and_they_come_in_order(
    tmp_path: Path, concurrency: int
) -> None:
    engine = CountingEngine(takes_s=0.25)
    with small_recommender(tmp_path, PROMPTS, engine) as recommender:
        config = RankAllConfig(tmp_path / "slates.jsonl", 3, STRANGERS[:12], concurrency)
        await rank_all(recommender, config, silent)
    assert engine.most == concurrency
    assert users_of(read(config.out)) == list(STRANGERS[:12])


async def test_who_was_erased_while_the_run_was_dead_is_not_in_the_output(
    recommender: Recommender, tmp_path: Path
) -> None:
    config = RankAllConfig(tmp_path / "slates.jsonl", 3)
    await half_done(recommender, config, users=4)
    recommender.ledger.erase("drinker1")
    assert await rank_all(recommender, config, silent) == RankAllReport(5, 15, 0)
    assert users_of(read(config.out)) == [user for user in DRINKERS if user != "drinker1"]


async def test_who_knows_every_item_has_no_rows(recommender: Recommender, tmp_path: Path) -> None:
    recommender.ledger.append_many(
        [FeedbackEvent(f"all-{i}", "connoisseur", FeedbackType.SEEN, 1.0, i) for i in recommender.catalogue]
    )
    config = RankAllConfig(tmp_path / "slates.jsonl", 3, ("connoisseur", "drinker1"))
    assert await rank_all(recommender, config, silent) == RankAllReport(2, 3, 0)
    assert users_of(read(config.out)) == ["drinker1"]


async def test_more_items_than_there_are_give_all_there_are(recommender: Recommender, tmp_path: Path) -> None:
    config = RankAllConfig(tmp_path / "slates.jsonl", 99, ("nobody",))
    assert await rank_all(recommender, config, silent) == RankAllReport(1, 30, 0)


@pytest.mark.parametrize("name", ["slates.csv", "slates", ".jsonl", "folder.jsonl"])
def test_an_output_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(DataError, match="name a"):
        RankAllConfig(tmp_path / name, 5)


async def test_a_folder_that_cannot_be_made_is_one_clear_error(recommender: Recommender, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        await rank_all(recommender, RankAllConfig(tmp_path / "file" / "slates.jsonl", 5), silent)


async def test_an_empty_ledger_says_what_to_do(recommender: Recommender, tmp_path: Path) -> None:
    for user_id in DRINKERS:
        recommender.ledger.erase(user_id)
    with pytest.raises(DataError, match="--users FILE"):
        await rank_all(recommender, RankAllConfig(tmp_path / "slates.jsonl", 5), silent)


@pytest.mark.parametrize(
    ("content", "said"), [(b"\n \n", "names nobody"), (b"ann\n\xff\n", "not UTF-8"), (None, "cannot read")]
)
def test_a_file_of_users_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "users.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"users\.txt.*{said}|{said}.*users\.txt"):
        read_user_ids(tmp_path / "users.txt")


def test_users_in_flight_may_wait_for_one_another() -> None:
    assert unhurried(Settings(score_timeout_s=20.0), 4).score_timeout_s == 80.0


CHILD = """
import asyncio, sys
from pathlib import Path
from convrec.progress import silent
from convrec.service.rank_all import RankAllConfig, rank_all, read_user_ids
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender

folder, prompts, out = map(Path, sys.argv[1:])
with small_recommender(folder, prompts, FakeEngine()) as recommender:
    config = RankAllConfig(out, 3, read_user_ids(folder / "users.txt"))
    asyncio.run(rank_all(recommender, config, silent))
"""


def test_killed_at_any_moment_and_started_again_it_ranks_everybody_once(tmp_path: Path) -> None:
    dice = random.Random(7)
    users = [f"user{n:03}" for n in range(400)]
    (tmp_path / "users.txt").write_text("\n".join(users))
    out, part = tmp_path / "slates.parquet", tmp_path / "slates.parquet.part"

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(PROMPTS), str(out)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    sizes = [0]
    for _ in range(3):
        process = start()
        until = sizes[-1] + dice.randrange(2_000, 40_000)
        while process.poll() is None and size(part) < until:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it must not have ended by itself"
        assert not out.exists()
        sizes.append(size(part))
        assert sizes[-1] > sizes[-2], "it must go on where it was"
    assert start().wait() == 0
    assert not part.exists()
    rows = polars.read_parquet(out).to_dicts()
    assert users_of(rows) == users
    assert len(rows) == 3 * len(users)


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def half_done(recommender: Recommender, config: RankAllConfig, users: int = 8) -> Path:
    """Stop a run when so many users are ranked; the part that it leaves."""

    class StopError(Exception):
        pass

    def stop(_: float, what: str) -> None:
        if what.startswith(f"{users} of "):
            raise StopError

    with pytest.raises(StopError):
        await rank_all(recommender, config, stop)
    return config.out.with_name(f"{config.out.name}.part")


def fresh(tmp_path: Path) -> Path:
    folder = tmp_path / "fresh"
    folder.mkdir()
    return folder
