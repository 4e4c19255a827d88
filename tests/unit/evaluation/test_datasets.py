import json
from pathlib import Path

import pytest

from convrec.errors import DataError
from convrec.evaluation.datasets.files import read_files
from convrec.evaluation.datasets.movielens import read_movielens_100k, read_movielens_latest
from convrec.evaluation.datasets.redial import read_redial
from convrec.prompting import load_domain
from convrec.types import Domain

PROMPTS = Path(__file__).parents[3] / "prompts"


@pytest.fixture(scope="module")
def movies() -> Domain:
    return load_domain(PROMPTS, "movies")


def test_movielens_100k_as_grouplens_ships_it(tmp_path: Path, movies: Domain) -> None:
    flags = ["0", "1", *["0"] * 16, "1"]
    item = ["1", "Misérables, Les (1995)", "01-Jan-1995", "", "http://x", *flags]
    (tmp_path / "u.item").write_text("|".join(item) + "\n", encoding="latin-1")
    (tmp_path / "u.data").write_text("196\t1\t3\t881250949\n7\t1\t5\t881250950\n")
    data = read_movielens_100k(tmp_path, tmp_path, movies)
    assert data.catalogue["1"].title == "Les Misérables"
    assert data.catalogue["1"].attributes == {"year": 1995, "genre": ("Action", "Western")}
    assert [(e.user_id, e.item_id, e.rating, e.timestamp) for e in data.events] == [
        ("196", "1", 3.0, 881250949.0),
        ("7", "1", 5.0, 881250950.0),
    ]
    assert "GroupLens" in data.source


def test_movielens_latest_small_as_grouplens_ships_it(tmp_path: Path, movies: Domain) -> None:
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n1,"American President, The (1995)",Comedy|Drama\n2,Odd One,(no genres listed)\n'
        '3,"Series (2006–2007)",Drama\n'
    )
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,0.5,964982703\n")
    data = read_movielens_latest(tmp_path, movies)
    assert data.catalogue["1"].title == "The American President"
    assert data.catalogue["1"].values("genre") == ("Comedy", "Drama")
    assert data.catalogue["2"].attributes == {}
    assert data.catalogue["3"].attributes["year"] == 2006
    assert data.catalogue.domain.rating_scale == (0.5, 5.0)
    assert data.events[0].rating == 0.5


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ("userId,movieId,rating,timestamp\n1,1,2\n", "line 2: 3 fields"),
        ("userId,movieId,rating,timestamp\n1,7,2,3\n", "item 7 is not among"),
        ("userId,movieId,rating,timestamp\n1,1,two,3\n", "could not convert"),
    ],
)
def test_what_is_not_as_shipped_is_named(tmp_path: Path, movies: Domain, ratings: str, message: str) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,A (1990),Drama\n")
    with pytest.raises(DataError, match=r"ratings\.csv is missing"):
        read_movielens_latest(tmp_path, movies)
    (tmp_path / "ratings.csv").write_text(ratings)
    with pytest.raises(DataError, match=message):
        read_movielens_latest(tmp_path, movies)


def test_text_that_is_not_utf8_is_named(tmp_path: Path, movies: Domain) -> None:
    (tmp_path / "movies.csv").write_bytes("movieId,title,genres\n1,Amélie (2001),Comedy\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"movies\.csv is not as GroupLens ships it"):
        read_movielens_latest(tmp_path, movies)


@pytest.fixture
def redial(tmp_path: Path) -> Path:
    told = {
        "11": {
            "name": "Alien (1979)",
            "genre": ["horror"],
            "plot": "In space.",
            "director": ["R. Scott"],
            "star": [],
        },
        "12": {"name": "Heat (1995)", "genre": None, "plot": "", "director": [], "star": ["A. Pacino"]},
        "13": {"name": "Alien (1979)", "genre": ["drama"], "plot": "", "director": [], "star": []},
    }
    (tmp_path / "id2info.json").write_text(json.dumps(told))
    (tmp_path / "evaluation").mkdir()
    turns = [
        {
            "dialog_id": "5",
            "turn_id": 1,
            "context": ["", "Hi", "I liked Heat (1995)"],
            "entity": ["Heat (1995)", "horror"],
            "rec": ["Alien (1979)", "Heat (1995)", "Nobody Knows It (2001)"],
        }
    ]
    for part in ("valid", "test"):
        lines = "\n".join(json.dumps(turn) for turn in turns)
        (tmp_path / "evaluation" / f"{part}_data_processed.jsonl").write_text(lines + "\n")
    return tmp_path


def test_redial_as_released(redial: Path, movies: Domain) -> None:
    data = read_redial(redial, movies)
    assert data.catalogue.ids == ("11", "12")
    assert data.catalogue["11"].attributes["year"] == 1979
    assert data.catalogue.describe(data.catalogue["11"]) == "Alien (1979) (horror; R. Scott)"
    (turn,) = data.test
    assert (turn.dialog_id, turn.utterances) == ("5", ("Hi", "I liked Heat (1995)"))
    assert (turn.named, turn.recommended) == (("12",), ("11",))
    assert "3 descriptions, 2 names" in data.notes
    assert "3 recommendations, 1 of no described film or twice, 1 named before, 1 targets" in data.notes[2]


def test_a_line_of_redial_may_hold_a_unicode_line_separator(redial: Path, movies: Domain) -> None:
    turn = {"dialog_id": "6", "context": ["One\u2028two\x85three"], "entity": [], "rec": ["Alien (1979)"]}
    file = redial / "evaluation" / "test_data_processed.jsonl"
    file.write_text(json.dumps(turn, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_redial(redial, movies).test[0].utterances == ("One\u2028two\x85three",)


def test_a_damaged_redial_is_named(redial: Path, movies: Domain) -> None:
    (redial / "evaluation" / "test_data_processed.jsonl").write_text('{"dialog_id": 1}\n')
    with pytest.raises(DataError, match="line 1"):
        read_redial(redial, movies)
    (redial / "id2info.json").write_text('{"11": {"plot": "In space."}}')
    with pytest.raises(DataError, match=r"id2info\.json does not hold films"):
        read_redial(redial, movies)
    (redial / "id2info.json").write_bytes(b'{"11": "\xff"}')
    with pytest.raises(DataError, match=r"cannot read .*id2info\.json"):
        read_redial(redial, movies)
    (redial / "id2info.json").unlink()
    with pytest.raises(DataError, match=r"id2info\.json is missing"):
        read_redial(redial, movies)


def test_files_of_your_own(tmp_path: Path) -> None:
    domain = load_domain(PROMPTS, "generic")
    catalogue, interactions = tmp_path / "items.csv", tmp_path / "events.csv"
    catalogue.write_text("item_id,title\na,A\nb,B\n,C\n")
    interactions.write_text("user_id,item_id,type\nu,a,like\nu,nowhere,like\n")
    data = read_files(catalogue, interactions, domain)
    assert (data.name, data.catalogue.ids, len(data.events)) == ("files", ("a", "b"), 1)
    assert [note.split(",")[0] for note in data.notes] == [
        "1 bad rows of items.csv left out",
        "1 bad rows of events.csv left out",
    ]
    interactions.write_text("user_id,item_id,type,timestamp\nu,a,like,1\nu,b,like,2\nu,b,like,2\nu,a,like,1\n")
    again = read_files(catalogue, interactions, domain)
    assert [event.item_id for event in again.events] == ["a", "b"]
    assert again.notes[-1] == "2 rows of events.csv repeat an event and count once"
    interactions.write_text("user_id,item_id,type\nu,nowhere,like\n")
    with pytest.raises(DataError, match="no sound row"):
        read_files(catalogue, interactions, domain)
