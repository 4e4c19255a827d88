from pathlib import Path

import pytest

from ui.person.history import MAX_ROWS, HistoryError, read_history


def _file(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "h.csv"
    file.write_bytes(content)
    return file


def test_rows_keep_what_the_api_takes(tmp_path: Path) -> None:
    content = '\ufeffitem_id,title,rating,type\n1,"A, b",4,\n2,C,,like\n,,5,\n'.encode()
    assert read_history(_file(tmp_path, content)) == [
        {"item_id": "1", "rating": "4"},
        {"item_id": "2", "type": "like"},
        {"item_id": "", "rating": "5"},
    ]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "no_rows"),
        (b"item_id,rating\n", "no_rows"),
        (b"id,rating\n1,2\n", "no_rows"),
        (b"\xff\xfe\x00", "unreadable"),
        (b"item_id\n" + b"1\n" * (MAX_ROWS + 1), "too_many"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, content: bytes, key: str) -> None:
    with pytest.raises(HistoryError) as error:
        read_history(_file(tmp_path, content))
    assert error.value.key == f"person.{key}"
