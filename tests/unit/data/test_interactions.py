from datetime import UTC, date, datetime
from pathlib import Path

import polars
import pytest

from convrec.data.interactions import Interaction, leave_last_out, read_interactions
from convrec.data.tables import RowError
from convrec.errors import DataError
from convrec.types import Domain, FeedbackEvent, FeedbackType

DOMAIN = Domain("things", "thing", "things", "try", "tried", shown=(), facets=(), rating_scale=(1, 5))
KNOWN = {"1", "2", "3"}


def read(path: Path, content: str) -> list[Interaction | RowError]:
    path.write_text(content)
    return list(read_interactions(path, DOMAIN, KNOWN))


def events(rows: list[Interaction | RowError]) -> list[FeedbackEvent]:
    assert all(isinstance(row, Interaction) for row in rows), rows
    return [row.event for row in rows if isinstance(row, Interaction)]


def reasons(rows: list[Interaction | RowError]) -> dict[int, str]:
    return {row.line: row.reason for row in rows if isinstance(row, RowError)}


def test_ratings_become_feedback_events(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", "user_id,item_id,rating,timestamp\n u ,1,4.5,881250949\nu,2,1,\n")
    first, second = events(rows)
    assert (first.user_id, first.item_id, first.type) == ("u", "1", FeedbackType.RATING)
    assert (first.rating, first.timestamp) == (4.5, 881250949.0)
    assert (second.rating, second.timestamp) == (1.0, 0.0)
    assert [row.line for row in rows] == [2, 3]
    assert first.event_id.startswith("imp-")


def test_types_text_and_event_ids_are_taken(tmp_path: Path) -> None:
    rows = events(
        read(
            tmp_path / "a.jsonl",
            '{"user_id": "u", "item_id": 1, "type": "Purchase", "event_id": "e1", "text": "not of a comment"}\n'
            '{"user_id": "u", "item_id": 1, "type": "comment", "text": " lovely ", "event_id": 2}\n'
            '{"user_id": "u", "item_id": 1, "type": "not_interested", "event_id": " "}\n'
            '{"user_id": "u", "item_id": 1, "type": "rating", "rating": 3}\n',
        )
    )
    assert rows[0] == FeedbackEvent("e1", "u", FeedbackType.PURCHASE, 0.0, item_id="1")
    assert rows[1] == FeedbackEvent("2", "u", FeedbackType.COMMENT, 0.0, item_id="1", text="lovely")
    assert rows[2].event_id.startswith("imp-")
    assert rows[3].rating == 3.0


def test_bad_rows_say_what_is_wrong(tmp_path: Path) -> None:
    bad = {
        '{"item_id": 1, "rating": 3}': "user_id is empty",
        '{"user_id": "u", "item_id": "", "rating": 3}': "item_id is empty",
        '{"user_id": "u", "item_id": "9", "rating": 3}': "'9' is not in the catalogue",
        '{"user_id": "u", "item_id": 1, "rating": 6}': "6 is not within 1 to 5",
        '{"user_id": "u", "item_id": 1, "rating": NaN}': "finite",
        '{"user_id": "u", "item_id": 1, "rating": "good"}': "must be a number",
        '{"user_id": "u", "item_id": 1}': "a rating needs a number",
        '{"user_id": "u", "item_id": 1, "type": "rating"}': "a rating needs a number",
        '{"user_id": "u", "item_id": 1, "type": "click", "rating": 3}': "a click carries no rating",
        '{"user_id": "u", "item_id": 1, "type": "comment"}': "a comment needs text",
        '{"user_id": "u", "item_id": 1, "type": "retraction"}': "'retraction' is not one of click, like",
        '{"user_id": "u", "item_id": 1, "type": "loved"}': "'loved' is not one of",
        '{"user_id": "u", "item_id": 1, "type": "like", "timestamp": "soon"}': "nor ISO 8601",
        '{"user_id": "u", "item_id": 1, "type": "like", "timestamp": "nan"}': "nor ISO 8601",
        '{"user_id": "u", "item_id": 1, "type": "like", "timestamp": true}': "text or a whole number",
        '{"user_id": "u", "item_id": 1, "type": "like", "timestamp": 1700000000000}': "milliseconds",
        '{"user_id": "u", "item_id": 1, "type": "like", "event_id": [1]}': "event_id must be text",
    }
    found = reasons(read(tmp_path / "a.jsonl", "\n".join(bad)))
    assert sorted(found) == list(range(1, len(bad) + 1))
    for line, reason in enumerate(bad.values(), 1):
        assert reason in found[line]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1700000000", 1_700_000_000.0),
        ("1.7e9", 1_700_000_000.0),
        ("-86400", -86_400.0),
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000.5),
        ("2023-11-14 22:13:20", 1_700_000_000.0),
        ("1970-01-02", 86_400.0),
        ("", 0.0),
    ],
)
def test_timestamps_are_seconds_or_iso_8601(tmp_path: Path, written: str, seconds: float) -> None:
    [event] = events(read(tmp_path / "a.csv", f"user_id,item_id,type,timestamp\nu,1,like,{written}\n"))
    assert event.timestamp == seconds


MOMENT = datetime(2023, 11, 14, 22, 13, 20)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (MOMENT, 1_700_000_000.0),
        (MOMENT.replace(tzinfo=UTC), 1_700_000_000.0),
        (date(1970, 1, 2), 86_400.0),
        (5, 5.0),
        (None, 0.0),
    ],
)
def test_parquet_timestamps_may_be_of_any_type(tmp_path: Path, written: object, seconds: float) -> None:
    path = tmp_path / "a.parquet"
    columns = {"user_id": [7], "item_id": ["1"], "type": ["like"], "timestamp": [written]}
    polars.DataFrame(columns).write_parquet(path)
    [event] = events(list(read_interactions(path, DOMAIN, KNOWN)))
    assert (event.user_id, event.timestamp) == ("7", seconds)


def test_parquet_rows_without_a_finite_rating_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    ratings = [4.0, float("nan"), None]
    polars.DataFrame({"user_id": ["u"] * 3, "item_id": ["1"] * 3, "rating": ratings}).write_parquet(path)
    assert reasons(list(read_interactions(path, DOMAIN, KNOWN))) == {
        2: "rating must be a finite number, not nan",
        3: "a rating needs a number",
    }


def test_derived_ids_follow_the_content_and_not_the_file(tmp_path: Path) -> None:
    [written] = events(read(tmp_path / "a.csv", "item_id;user_id;rating;timestamp;note\n1;u;4;100;hello\n"))
    [again] = events(read(tmp_path / "b.jsonl", '{"user_id":"u","item_id":1,"rating":4.0,"timestamp":100}\n'))
    assert written == again
    others = events(
        read(
            tmp_path / "c.csv",
            "user_id,item_id,rating,timestamp,type,text\nu,1,5,100,,\nu,2,4,100,,\nv,1,4,100,,\nu,1,4,101,,\n"
            "u,1,,100,like,\nu,1,,100,comment,a\nu,1,,100,comment,b\n",
        )
    )
    assert len({event.event_id for event in [written, *others]}) == 8


def test_a_file_without_ratings_or_types_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rating or type"):
        read(tmp_path / "a.csv", "user_id,item_id\nu,1\n")


def happened(user_id: str, *timestamps: float) -> list[FeedbackEvent]:
    return [
        FeedbackEvent(f"{user_id}{n}", user_id, FeedbackType.LIKE, timestamp, item_id="1")
        for n, timestamp in enumerate(timestamps)
    ]


def test_the_last_events_are_held_out_ties_in_the_order_given() -> None:
    train, held = leave_last_out(happened("u", 3, 1, 3, 2))
    assert [event.event_id for event in train["u"]] == ["u1", "u3", "u0"]
    assert [event.event_id for event in held["u"]] == ["u2"]


def test_users_with_no_more_than_is_held_are_for_training_only() -> None:
    train, held = leave_last_out([*happened("u", 1, 2), *happened("v", 1, 2, 3)], hold=2)
    assert {user: len(own) for user, own in train.items()} == {"u": 2, "v": 1}
    assert {user: len(own) for user, own in held.items()} == {"v": 2}
