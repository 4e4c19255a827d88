from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import polars
import pytest

from convrec.data.tables import Row, RowError, count_lines, read_rows
from convrec.errors import DataError

REQUIRED = (("item_id",), ("title", "name"))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path) -> list[Row | RowError]:
    return list(read_rows(path, REQUIRED))


def lines_and_ids(path: Path) -> list[tuple[int, str]]:
    return [(row.line, row.text("item_id")) for row in read(path) if isinstance(row, Row)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["a.csv", "a.TSV"])
def test_csv_finds_its_delimiter(tmp_path: Path, delimiter: str, name: str) -> None:
    text = "item_id,title\n1,Alien\n".replace(",", delimiter)
    [row] = read(write(tmp_path / name, text))
    assert isinstance(row, Row)
    assert (row.text("item_id"), row.text("title")) == ("1", "Alien")


def test_csv_delimiter_is_the_one_that_finds_the_required_columns(tmp_path: Path) -> None:
    [row] = read(write(tmp_path / "a.csv", 'item_id;title;"a,b,c,d"\n1;Alien;x\n'))
    assert isinstance(row, Row)
    assert row.attribute("a,b,c,d") == "x"


def test_csv_takes_a_byte_order_mark_quotes_and_windows_line_ends(tmp_path: Path) -> None:
    [row] = read(write(tmp_path / "a.csv", '\ufeffitem_id,title\r\n1,"Good, Bad ""Ugly"""\r\n'))
    assert isinstance(row, Row)
    assert row.text("title") == 'Good, Bad "Ugly"'


def test_csv_rows_are_named_by_the_line_they_start_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'item_id,title\n1,"two\nlines"\n\n2,one\n')
    assert lines_and_ids(path) == [(2, "1"), (5, "2")]


def test_csv_bad_rows_become_errors_and_good_rows_stay(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        b"item_id,title\n1,A\n2\n3,C,D\n4,\xff\xfe\n5,E\n6,\x00\n7," + b"x" * 200_000 + b"\n8,H\n",
    )
    rows = read(path)
    assert lines_and_ids(path) == [(2, "1"), (6, "5"), (9, "8")]
    errors = {row.line: row.reason for row in rows if isinstance(row, RowError)}
    assert sorted(errors) == [3, 4, 5, 7, 8]
    assert errors[3] == "1 columns where the header has 2"
    assert errors[5] == errors[7] == "not UTF-8 text"
    assert "quote" in errors[8]


def test_jsonl_bad_rows_become_errors_and_good_rows_stay(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        b'\xef\xbb\xbf{"item_id": 1, "title": "A"}\n{"item_id": \n\n[1]\n{"item_id": "\xff"}\n'
        + b"[" * 100_000
        + b'\n{"item_id": '
        + b"9" * 5_000
        + b'}\n{"item_id": "2", "title": "B"}',
    )
    assert lines_and_ids(path) == [(1, "1"), (8, "2")]
    assert [row.line for row in read(path) if isinstance(row, RowError)] == [2, 4, 5, 6, 7]


def test_a_jsonl_file_of_one_malformed_line_is_a_row_error(tmp_path: Path) -> None:
    [row] = read(write(tmp_path / "a.ndjson", "{oops\n"))
    assert isinstance(row, RowError)
    assert str(row).startswith("a.ndjson, line 1: not a JSON object")


def test_parquet_rows_are_numbered_from_one_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a[1].parquet"
    n = 70_000
    polars.DataFrame({"item_id": range(n), "title": ["x"] * n}).write_parquet(path)
    assert lines_and_ids(path) == [(i + 1, str(i)) for i in range(n)]
    assert count_lines(path) == n


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "\n1,2\n", "title or name"),
        ("a.csv", "item_id,other\n1,2\n", "title or name"),
        ("a.csv", "item_id,title,title\n", "name of its own"),
        ("a.csv", "item_id,title,\n", "name of its own"),
        ("a.csv", "item_id,title" + "x" * 200_000, "header"),
        ("a.csv", "item_id,title\n".encode("utf-16"), "title or name"),
        ("a.jsonl", '{"item_id": 1}\n{"item_id": 2}\n', "title or name"),
        ("a.parquet", "PAR1 but not really", "Parquet"),
        ("a.xlsx", "x", ".parquet"),
    ],
)
def test_unusable_files_are_named_with_what_they_need(
    tmp_path: Path, name: str, content: str | bytes, word: str
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert word in str(caught.value)


def test_parquet_without_a_required_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    polars.DataFrame({"item_id": [1]}).write_parquet(path)
    with pytest.raises(DataError, match="title or name"):
        read(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path / "none.parquet", tmp_path):
        with pytest.raises(DataError, match="cannot read"):
            read_rows(path, REQUIRED)
        with pytest.raises(DataError, match="cannot read"):
            count_lines(path)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (" Acme ", "Acme"),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("007", "007"),
        ("4006381333931123456", "4006381333931123456"),
        ("1_000", "1_000"),
        ("+49123", "+49123"),
        ("Drama|War | ", ("Drama", "War")),
        ("|", None),
    ],
)
def test_csv_text_is_read_as_numbers_and_lists(cell: str, value: object) -> None:
    result = Row(1, {"a": cell}, typed=False).attribute("a")
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", "12"),
        ("a|b", "a|b"),
        (" ", None),
        (None, None),
        (True, True),
        (12, 12),
        (0.5, 0.5),
        (Decimal("1.25"), 1.25),
        (["a ", 1, ""], ("a", "1")),
        ([], None),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3), "2024-01-02T03:00:00"),
    ],
)
def test_typed_cells_keep_their_type(cell: object, value: object) -> None:
    result = Row(1, {"a": cell}, typed=True).attribute("a")
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("cell", "typed"),
    [
        ("nan", False),
        ("-Infinity", False),
        ("1e999", False),
        (float("nan"), True),
        (2**63, True),
        ({"nested": 1}, True),
        (["a", ["b"]], True),
        (["a", None], True),
        (b"bytes", True),
        ("\ud800", True),
        ("a\0b", True),
    ],
)
def test_cells_that_are_no_attribute(cell: object, typed: bool) -> None:
    with pytest.raises(DataError, match="price"):
        Row(1, {"price": cell}, typed).attribute("price")


@pytest.mark.parametrize("name", ["", "a\0", "\udfff"])
def test_an_attribute_needs_a_usable_name(name: str) -> None:
    with pytest.raises(DataError, match="attribute name"):
        Row(1, {name: "x"}, typed=True).attribute(name)


@pytest.mark.parametrize("cell", ["", "  ", None, "x" * 513, 1.0, True, "\0", ["1"]])
def test_cells_that_are_no_identifier(cell: object) -> None:
    with pytest.raises(DataError, match="user_id"):
        Row(1, {"user_id": cell}, typed=True).identifier("user_id")


def test_an_identifier_of_512_characters_fits() -> None:
    assert Row(1, {"user_id": " " + "x" * 512}, typed=True).identifier("user_id") == "x" * 512


@pytest.mark.parametrize("cell", ["x", "nan", "inf", "1_0", "1,5", True, [], float("inf"), 10**400])
def test_cells_that_are_no_number(cell: object) -> None:
    with pytest.raises(DataError, match="rating must be a"):
        Row(1, {"rating": cell}, typed=True).number("rating")


def test_an_absent_or_empty_number_is_none() -> None:
    assert Row(1, {"rating": " "}, typed=False).number("rating") is None
    assert Row(1, {}, typed=False).number("rating") is None


def test_lines_are_counted_as_line_ends(tmp_path: Path) -> None:
    assert count_lines(write(tmp_path / "a.csv", "a\nb\nc")) == 2
