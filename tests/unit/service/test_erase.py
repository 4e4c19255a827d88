import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars
import pytest
from filelock import FileLock
from sqlalchemy import text

from convrec.database import open_database
from convrec.errors import DataError, LedgerError
from convrec.ledger.ledger import Ledger
from convrec.progress import silent
from convrec.retrieval.index import IndexMeta, index_status, open_index
from convrec.service.backup import backup, restore
from convrec.service.build import Workshop
from convrec.service.erase import erase, unlearned, unlearned_position
from convrec.service.exchange import export_events
from convrec.service.keys import Scope
from convrec.settings import Settings
from convrec.testing.adapters import publish_adapter
from convrec.testing.ledger import COMMENT, IMPRESSION, LIKE, RATING, REPLY, TURN
from convrec.testing.recommender import wine_list
from convrec.testing.retriever import HashEmbedder
from convrec.training.lineage import lineage
from convrec.types import Event, FeedbackEvent, FeedbackType

ANN = "ann-7f3a-who-wants-to-be-forgotten"
BOB = "bob-who-stays"
ÉVA = 'éva "quoted" <eva@example.org>'
WINES = wine_list()


def life(user_id: str, turns: int = 40) -> Iterator[Event]:
    """Everything that can be stored of a person, much of it: deleted bytes must not survive on any page."""
    for n in range(turns):
        own = {"user_id": user_id, "session_id": f"{user_id}/s{n}"}
        item = WINES.ids[n % len(WINES)]
        yield replace(LIKE, event_id=f"{user_id}/like{n}", item_id=item, impression_id=None, timestamp=n, **own)
        yield replace(RATING, event_id=f"{user_id}/rating{n}", item_id=item, timestamp=n, **own)
        yield replace(TURN, event_id=f"{user_id}/turn{n}", message=f"I am {user_id}", timestamp=n, **own)
        yield replace(IMPRESSION, event_id=f"{user_id}/imp{n}", turn_id=f"{user_id}/turn{n}", **own)
        yield replace(REPLY, event_id=f"{user_id}/rep{n}", turn_id=f"{user_id}/turn{n}", **own)


@pytest.fixture
def workshop(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    url = None if database_url.startswith("sqlite") else database_url
    monkeypatch.setattr(Workshop, "embedder", HashEmbedder())
    made = Workshop(
        Settings(data_dir=tmp_path / "data", adapters_dir=tmp_path / "data/adapters", database_url=url)
    )
    made.store.upsert(list(WINES.values()))
    made.store.set_domain("generic")
    events = [event for lives in zip(life(ANN), life(BOB), life(ÉVA), strict=True) for event in lives]
    made.ledger.append_many([*events, COMMENT])
    yield made
    made.database.dispose()


def forget(workshop: Workshop, user_id: str = ANN):  # type: ignore[no-untyped-def]
    return erase(user_id, workshop.ledger, workshop.registry, workshop.keys, workshop.settings)


def holding(folder: Path, *user_ids: str) -> set[str]:
    """The files that hold an id, as text or as JSON spells it; whatever kind of file it is."""
    wanted = {form for user_id in user_ids for form in (user_id.encode(), json.dumps(user_id)[1:-1].encode())}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)) for path in files if any(form in path.read_bytes() for form in wanted)}


def leave_traces(workshop: Workshop) -> None:
    """All that convrec writes into a data folder, and then some."""
    data = workshop.settings.data_dir
    workshop.index(workshop.catalogue(), silent)
    export_events(workshop.ledger, data / "out" / "events.jsonl")
    backup(workshop.database, data / "backups" / "monday.db")
    rows = [{"user_id": user_id, "rank": 1, "item_id": "w00"} for user_id in (ANN, BOB, ÉVA)]
    polars.DataFrame(rows).write_parquet(data / "slates.parquet")
    polars.DataFrame(rows).write_csv(data / "slates.csv")
    (data / "slates.jsonl.part").write_text("".join(json.dumps(row) + "\n" for row in [{"users": "all"}, *rows]))
    workshop.settings.logs_dir.mkdir()
    (workshop.settings.logs_dir / "convrec.log").write_text(
        "".join(json.dumps({"event": "odd", "said": f"user {who}: no"}) + "\n" for who in (ANN, BOB, ÉVA))
    )
    for name in ("default@1234/checkpoint-3", "default@5678"):
        (data / "training" / name).mkdir(parents=True)
        (data / "training" / name / "metrics.jsonl").write_text(ANN)
    (data / "training" / "last.json").write_text("{}")


def test_afterwards_the_id_is_in_no_file(workshop: Workshop) -> None:
    leave_traces(workshop)
    data = workshop.settings.data_dir
    publish_adapter(workshop.registry, data=lineage(workshop.ledger.feedback()))
    _, secret = workshop.keys.create((Scope.CHAT,), (ANN, BOB))
    before = holding(data, ANN)
    assert before >= {"out/events.jsonl", "backups/monday.db", "slates.parquet", "logs/convrec.log"}
    done = forget(workshop)
    assert done.events == 200
    assert holding(data, ANN) == set()
    told = {*done.files, "ledger.db", "ledger.db-wal"}
    assert all(file in told or file.split("/metrics")[0].split("/checkpoint")[0] in told for file in before)
    kept = holding(data, BOB)
    assert kept >= {"out/events.jsonl", "backups/monday.db", "slates.csv", "slates.jsonl.part", "logs/convrec.log"}
    assert polars.read_parquet(data / "slates.parquet")["user_id"].to_list() == [BOB, ÉVA]
    assert len((data / "slates.jsonl.part").read_text().splitlines()) == 3
    key = workshop.keys.find(secret)
    assert key is not None
    assert key.users == {BOB}
    assert len(workshop.ledger.feedback(BOB)) == 80
    assert workshop.ledger.get(COMMENT.event_id) == COMMENT
    assert [path.name for path in (data / "training").iterdir()] == ["last.json"]
    with_quotes = forget(workshop, ÉVA)
    assert with_quotes.events == 200
    assert holding(data, ANN, ÉVA) == set()
    again = forget(workshop)
    assert (again.events, again.files) == (0, ())


def test_a_backup_that_lost_somebody_is_still_a_backup(workshop: Workshop) -> None:
    leave_traces(workshop)
    forget(workshop)
    file = workshop.settings.data_dir / "backups" / "monday.db"
    assert [path.name for path in file.parent.iterdir()] == ["monday.db"]
    restore(workshop.database, file, replace=True)
    assert not workshop.ledger.feedback(ANN)
    assert len(workshop.ledger.feedback(BOB)) == 80


def test_a_short_id_takes_nothing_of_others_along(workshop: Workshop) -> None:
    data = workshop.settings.data_dir
    workshop.ledger.append(replace(LIKE, event_id="of-4", user_id="4"))
    workshop.settings.logs_dir.mkdir(parents=True)
    log = workshop.settings.logs_dir / "convrec.log"
    log.write_text('{"event": "user 4 gone", "latency_ms": 4.4, "id": "a-4", "status": 404}\n')
    (data / "slates.csv").write_text("user_id,item_id,rank\n4,44,1\n44,4,4\n")
    export_events(workshop.ledger, data / "events.jsonl")
    lines = (data / "events.jsonl").read_text().splitlines()
    assert forget(workshop, "4").events == 1
    assert (data / "slates.csv").read_text().split() == ["user_id,item_id,rank", "44,4,4"]
    assert (data / "events.jsonl").read_text().splitlines() == lines[:-1]
    assert '"user * gone"' in log.read_text()
    assert '"id": "a-4", "status": 404' in log.read_text()


def test_the_index_goes_and_a_server_that_holds_it_is_told(workshop: Workshop) -> None:
    workshop.index(workshop.catalogue(), silent)
    assert workshop.index_is_current(workshop.catalogue())
    with open_index(workshop.settings.index_dir, HashEmbedder()):
        before = index_status(workshop.settings.index_dir)
        assert not forget(workshop).index
        assert index_status(workshop.settings.index_dir) == before
        assert workshop.ledger.erased_position() > before.ledger_position
    assert not workshop.index_is_current(workshop.catalogue())
    assert workshop.index(workshop.catalogue(), silent) == _current(workshop)
    assert workshop.index_is_current(workshop.catalogue())
    assert forget(workshop, BOB).index
    assert not list(workshop.settings.index_dir.glob("2*"))


def _current(workshop: Workshop) -> IndexMeta:
    return index_status(workshop.settings.index_dir)


def test_adapters_that_learned_from_them_are_named_until_they_are_gone(workshop: Workshop) -> None:
    registry, ledger = workshop.registry, workshop.ledger
    all_of_it = ledger.feedback()
    without = [event for event in all_of_it if event.user_id != ANN]
    publish_adapter(registry, data=lineage(all_of_it))
    publish_adapter(registry, data=lineage(without))
    publish_adapter(registry, "old", data={"events": 9, "first_event": "x"})
    publish_adapter(registry, "shipped", data={"events": 9, "task": "choices"})
    registry.promote("wines/2")
    registry.promote("wines/1")
    assert unlearned_position(ledger, registry) == 0
    done = forget(workshop)
    assert done.adapters == ("old/1", "wines/1"), "what cannot tell is taken to have learned from them"
    assert unlearned(ledger, registry) == ["old/1", "wines/1"]
    assert unlearned_position(ledger, registry) == ledger.erased_position()
    position = ledger.position()
    assert forget(workshop).adapters == ("wines/1",), "it is still there"
    assert ledger.position() == position, "but it is noted already"
    assert registry.forget(unlearned(ledger, registry)) == ["old/1", "wines/1"]
    assert unlearned(ledger, registry) == []
    active = registry.active()
    assert active is not None
    assert active.label == "wines/2"
    assert forget(workshop, "nobody").adapters == ()
    assert registry.forget(["wines/2"]) == ["wines/2"]
    assert registry.active() is None


def test_a_training_under_way_keeps_its_folder(workshop: Workshop) -> None:
    folder = workshop.settings.data_dir / "training" / "default@1"
    folder.mkdir(parents=True)
    with FileLock(workshop.settings.data_dir / ".retrain.lock"):
        forget(workshop)
        assert folder.is_dir()
    forget(workshop)
    assert not folder.exists()


def test_what_cannot_be_cleaned_is_named(workshop: Workshop) -> None:
    data = workshop.settings.data_dir
    data.mkdir(exist_ok=True)
    (data / "slates.parquet").write_text("half a file")
    with pytest.raises(DataError, match=r"slates\.parquet may still name them"):
        forget(workshop)
    assert not workshop.ledger.feedback(ANN)
    (data / "slates.parquet").unlink()
    assert forget(workshop).events == 0


def test_bytes_of_a_long_read_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convrec.database._PATIENCE_S", 0.3)
    database = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger = Ledger(database)
    ledger.append(FeedbackEvent("e", ANN, FeedbackType.LIKE, 1.0, "w00"))
    reading = ledger.everything()
    next(reading)
    ledger.append(replace(LIKE, user_id=ANN))
    with pytest.raises(LedgerError, match="end long reads"):
        ledger.erase(ANN)
    reading.close()
    assert ledger.erase(ANN) == 0
    assert holding(tmp_path, ANN) == set()
    with database.connect() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    database.dispose()
