import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from convrec.database import open_database
from convrec.errors import DataError
from convrec.ledger.ledger import Ledger
from convrec.service.exchange import export_events, import_events
from convrec.testing.ledger import EVENTS, LIKE, RATING


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    database = open_database(database_url)
    yield Ledger(database)
    database.dispose()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Ledger]:
    database = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    yield Ledger(database)
    database.dispose()


def test_every_kind_of_event_goes_out_and_comes_in_again(ledger: Ledger, other: Ledger, tmp_path: Path) -> None:
    ledger.append_many(EVENTS)
    out = tmp_path / "new" / "events.jsonl"
    assert export_events(ledger, out) == len(EVENTS)
    report = import_events(other, out)
    assert (report.read, report.new, report.errors) == (len(EVENTS), len(EVENTS), ())
    assert tuple(other.get(event.event_id) for event in EVENTS) == EVENTS
    assert list(other.everything()) == list(ledger.everything())
    again = import_events(other, out)
    assert (again.read, again.new) == (len(EVENTS), 0)
    assert [path.name for path in out.parent.iterdir()] == ["events.jsonl"]


BAD = {
    "half a line": b'{"kind": "feedback", "timest',
    "no object": b"[1, 2]",
    "no kind": b'{"timestamp": 1, "event_id": "x", "user_id": "u", "type": "like", "item_id": "i"}',
    "another kind": b'{"kind": "novelty", "timestamp": 1, "event_id": "x", "user_id": "u"}',
    "another type": b'{"kind": "feedback", "timestamp": 1, "event_id": "x", "user_id": "u", "type": "hug"}',
    "no item": b'{"kind": "feedback", "timestamp": 1, "event_id": "x", "user_id": "u", "type": "like"}',
    "a number for an id": b'{"kind": "feedback", "timestamp": 1, "event_id": 7, "user_id": "u", "type": "like"}',
    "an empty id": b'{"kind": "feedback", "timestamp": 1, "event_id": "", "user_id": "u", "type": "like"}',
    "text for a time": b'{"kind": "reply", "timestamp": "now", "event_id": "x", "user_id": "u", "text": "",'
    b' "session_id": "s", "turn_id": "t", "latency_s": 1}',
    "no finite number": b'{"kind": "reply", "timestamp": 1e999, "event_id": "x", "user_id": "u", "text": "",'
    b' "session_id": "s", "turn_id": "t", "latency_s": 1}',
    "a stranger's key": b'{"kind": "feedback", "timestamp": 1, "event_id": "x", "user_id": "u", "type": "like",'
    b' "item_id": "i", "weight": 9}',
    "a turn without an intent": b'{"kind": "turn", "timestamp": 1, "event_id": "x", "user_id": "u",'
    b' "session_id": "s", "message": "m", "intent": []}',
    "a message that is none": b'{"kind": "reply", "timestamp": 1, "event_id": "x", "user_id": "u", "text": {},'
    b' "session_id": "s", "turn_id": "t", "latency_s": 1}',
    "no text": b"\xff\xfe",
    "deep": b'{"kind": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "another event of that id": b'{"kind": "feedback", "timestamp": 1, "event_id": "like-1", "user_id": "ann",'
    b' "type": "dislike", "item_id": "i1"}',
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_told_by_its_number_and_nothing_is_lost(other: Ledger, tmp_path: Path, bad: bytes) -> None:
    other.append(LIKE)
    good = [json.dumps({"kind": "feedback", "timestamp": 5.0, **_body(n)}).encode() for n in range(4)]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([*good[:2], b"", bad, *good[2:]]))
    report = import_events(other, file)
    assert (report.read, report.new, report.error_count) == (4, 4, 1)
    assert [error.line for error in report.errors] == [4]
    assert other.counts() == {"feedback": 5}
    assert other.get("like-1") == LIKE


def _body(n: int) -> dict[str, str]:
    return {"event_id": f"good-{n}", "user_id": "bob", "type": "like", "item_id": "i1"}


def test_who_was_erased_does_not_come_back_with_a_file(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append_many([LIKE, RATING, replace(LIKE, event_id="bobs", user_id="bob")])
    export_events(ledger, tmp_path / "events.jsonl")
    ledger.erase("ann")
    report = import_events(ledger, tmp_path / "events.jsonl")
    assert (report.read, report.new) == (1, 0)
    assert [error.line for error in report.errors] == [1, 2]
    assert "erased" in report.errors[0].reason
    assert not ledger.feedback("ann")
    back = replace(LIKE, timestamp=1e11)
    assert ledger.append(back), "what they do from then on is theirs to say"


def test_files_that_cannot_be_used(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.jsonl"):
        import_events(ledger, tmp_path / "nothing.jsonl")
    with pytest.raises(DataError, match="cannot write"):
        export_events(ledger, Path("/dev/null/events.jsonl"))
