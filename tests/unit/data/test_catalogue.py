from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars
import pytest
from sqlalchemy import text

from convrec.data.catalogue import Catalogue, CatalogueStore, read_items
from convrec.data.tables import RowError
from convrec.database import open_database
from convrec.errors import DataError, LedgerError, NotFoundError
from convrec.types import AttributeValue, Constraint, Domain, Facet, FacetType, Item, Op

DOMAIN = Domain(
    name="records",
    noun="record",
    plural="records",
    verb="play",
    past="played",
    shown=("year", "style"),
    facets=(
        Facet("style", FacetType.SET),
        Facet("year", FacetType.RANGE),
        Facet("label", FacetType.SET),
    ),
    rating_scale=(1, 5),
)
GENERIC = replace(DOMAIN, name="generic", shown=(), facets=(), infer_facets=True)

ITEMS = (
    Item("2", "Blue", {"year": 1971, "style": "Folk"}),
    Item("10", "Kind of Blue", {"year": 1959, "style": ("Jazz", "Modal"), "price": 9.0, "used": True}),
    Item("1", "Bitches Brew", {"year": 1970, "style": ("Jazz", "Fusion"), "price": 12.5, "used": False}),
    Item("3", "Untitled"),
)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(ITEMS, DOMAIN)


def test_it_is_a_mapping_in_sorted_order(catalogue: Catalogue) -> None:
    assert catalogue.ids == ("1", "10", "2", "3")
    assert list(catalogue) == list(catalogue.ids)
    assert len(catalogue) == 4
    assert catalogue["2"].title == "Blue"
    assert "4" not in catalogue
    assert catalogue.get("4") is None


def test_two_items_cannot_share_an_id() -> None:
    with pytest.raises(DataError, match="'2'"):
        Catalogue([*ITEMS, Item("2", "Again")], DOMAIN)


def test_facets_are_those_of_the_domain_that_occur(catalogue: Catalogue) -> None:
    assert [facet.name for facet in catalogue.facets] == ["style", "year"]
    assert catalogue.facet("year").type is FacetType.RANGE
    with pytest.raises(NotFoundError, match="it has: style, year"):
        catalogue.facet("label")
    with pytest.raises(NotFoundError, match="'colour'"):
        catalogue.facet_values("colour")


def test_facet_values_come_by_count_then_by_text(catalogue: Catalogue) -> None:
    assert catalogue.facet_values("style") == ("Jazz", "Folk", "Fusion", "Modal")
    assert catalogue.facet_values("year") == ("1959", "1970", "1971")


def test_inferred_facets_are_numbers_and_few_values() -> None:
    items = [
        Item(
            str(i),
            f"T{i}",
            {
                "weight": i * 0.5,
                "colour": ("red", "blue")[i % 2],
                "tags": ("a", f"b{i % 3}"),
                "sku": f"S{i}",
                "many": f"M{i % 60}",
                "used": i % 2 == 0,
                "size": 40 if i % 2 else "XL",
            },
        )
        for i in range(200)
    ]
    catalogue = Catalogue(items, GENERIC)
    assert {facet.name: facet.type for facet in catalogue.facets} == {
        "colour": FacetType.SET,
        "size": FacetType.SET,
        "tags": FacetType.SET,
        "weight": FacetType.RANGE,
    }
    assert catalogue.facet_values("size") == ("40", "XL")


def test_inferred_facets_stand_behind_the_domain_s_own() -> None:
    domain = replace(GENERIC, facets=(Facet("style", FacetType.SET, words={"Jazz": ("jazzy",)}),))
    catalogue = Catalogue(ITEMS, domain)
    assert [facet.name for facet in catalogue.facets] == ["style", "price", "year"]
    assert catalogue.facet("style").words == {"Jazz": ("jazzy",)}


@pytest.mark.parametrize(
    ("item_id", "facet", "op", "value", "expected"),
    [
        ("10", "style", "include", "jazz", True),
        ("10", "style", "include", "JAZZ", True),
        ("10", "style", "include", "jaz", False),
        ("10", "style", "exclude", "jazz", False),
        ("2", "style", "exclude", "jazz", True),
        ("2", "style", "include", "folk", True),
        ("3", "style", "include", "jazz", False),
        ("3", "style", "exclude", "jazz", True),
        ("2", "year", ">=", 1971, True),
        ("2", "year", ">", 1971, False),
        ("2", "year", "<=", 1971, True),
        ("2", "year", "<", 1971, False),
        ("2", "year", "<", "1972", True),
        ("2", "year", "<", "soon", False),
        ("2", "year", "include", 1971.0, True),
        ("3", "year", ">=", 0, False),
        ("10", "style", ">=", 0, False),
        ("10", "unheard of", "exclude", "x", True),
    ],
)
def test_satisfies(
    catalogue: Catalogue, item_id: str, facet: str, op: Op, value: str | float, expected: bool
) -> None:
    assert catalogue.satisfies(item_id, Constraint(facet, op, value, "must")) is expected


def test_satisfies_reads_numbers_written_as_text() -> None:
    catalogue = Catalogue([Item("1", "T", {"year": "1979"}), Item("2", "T", {"year": "nan"})], DOMAIN)
    bound = Constraint("year", ">=", 1970.0, "must")
    assert catalogue.satisfies("1", bound)
    assert not catalogue.satisfies("2", bound)


def test_describe_tells_what_the_domain_shows(catalogue: Catalogue) -> None:
    assert catalogue.describe(catalogue["10"]) == "Kind of Blue (1959; Jazz, Modal)"
    assert catalogue.describe(catalogue["3"]) == "Untitled"
    assert catalogue.describe(Item("9", "Two\nlines", {"style": "A\tB"})) == "Two lines (A B)"


def test_a_passage_adds_prose_that_the_description_does_not_tell() -> None:
    plot = "A crew wakes  to\na distress call from a moon."
    item = Item("1", "Alien", {"genre": ("horror",), "plot": plot, "note": "four words are few", "url": "/a"})
    films = Catalogue([item], replace(GENERIC, shown=("genre",)))
    assert films.passage(item) == "Alien (horror) A crew wakes to a distress call from a moon."
    assert Catalogue([item], replace(GENERIC, shown=("plot",))).passage(item).count("distress") == 1
    long = Item("2", "Long", {"plot": "word " * 1000})
    assert len(films.passage(long)) <= len("Long ") + 600


def test_describe_without_shown_attributes_tells_the_short_ones() -> None:
    attributes: dict[str, AttributeValue] = {"price": 12.0, "blurb": "x" * 100, "colour": ("red", "blue")}
    attributes |= {f"a{i}": "y" * 40 for i in range(10)}
    item = Item("1", "Lamp", attributes)
    described = Catalogue([item], GENERIC).describe(item)
    assert described.startswith("Lamp (price: 12; colour: red, blue; a0: yyy")
    assert "xxx" not in described
    assert 150 < len(described) < 230


def test_the_fingerprint_depends_on_items_and_not_on_their_order(catalogue: Catalogue) -> None:
    assert catalogue.fingerprint == Catalogue(reversed(ITEMS), GENERIC).fingerprint
    assert len(bytes.fromhex(catalogue.fingerprint)) == 32
    changed = replace(ITEMS[0], attributes={"year": 1972, "style": "Folk"})
    assert catalogue.fingerprint != Catalogue([changed, *ITEMS[1:]], DOMAIN).fingerprint


# --- store ---


@pytest.fixture
def store(tmp_path: Path) -> CatalogueStore:
    return CatalogueStore(open_database(f"sqlite:///{tmp_path / 'ledger.db'}"))


def test_items_come_back_as_they_were_put_in(store: CatalogueStore, catalogue: Catalogue) -> None:
    assert store.upsert(ITEMS) == 4
    loaded = store.load(DOMAIN)
    assert dict(loaded) == dict(catalogue)
    assert loaded.fingerprint == catalogue.fingerprint
    assert loaded["1"].attributes["used"] is False


def test_upsert_counts_what_is_new_or_different(store: CatalogueStore) -> None:
    store.upsert(ITEMS)
    assert store.upsert(ITEMS) == 0
    retyped = Item("1", "Bitches Brew", {**ITEMS[2].attributes, "used": 0})
    assert store.upsert([Item("2", "Blue (remastered)", ITEMS[0].attributes), retyped, Item("5", "New")]) == 3
    loaded = store.load(DOMAIN)
    assert (len(loaded), loaded["2"].title, loaded["1"].attributes["used"]) == (5, "Blue (remastered)", 0)


def test_upsert_takes_more_items_than_a_statement_has_variables(store: CatalogueStore) -> None:
    items = [Item(str(i), "T") for i in range(40_000)]
    assert store.upsert(items) == 40_000
    assert store.upsert(items) == 0


def test_the_domain_s_name_is_remembered(store: CatalogueStore, tmp_path: Path) -> None:
    assert store.domain_name is None
    store.set_domain("records")
    store.set_domain("movies")
    again = CatalogueStore(open_database(f"sqlite:///{tmp_path / 'ledger.db'}"))
    assert again.domain_name == "movies"


def test_a_failing_database_is_a_ledger_error_and_stores_nothing(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")
    store = CatalogueStore(database)
    refuse = "BEFORE INSERT ON items WHEN NEW.title = 'X' BEGIN SELECT RAISE(FAIL, 'full'); END"
    with database.begin() as connection:
        connection.execute(text(f"CREATE TRIGGER disk {refuse}"))
    with pytest.raises(LedgerError, match="cannot write the catalogue: full"):
        store.upsert([Item("1", "A"), Item("2", "X")])
    assert len(store.load(DOMAIN)) == 0


# --- files ---

JSONL = '{"item_id": 1, "title": "Kind of  Blue", "style": ["Jazz", "Modal"], "year": 1959, "label": null}\n'
CSV = "item_id,title,style,year,label\n1,Kind of  Blue,Jazz|Modal,1959,\n"


def parquet(path: Path) -> None:
    row = {
        "item_id": [1],
        "title": ["Kind of  Blue"],
        "style": [["Jazz", "Modal"]],
        "year": [1959],
        "label": [None],
    }
    polars.DataFrame(row).write_parquet(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda path: path.write_text(CSV)),
        ("a.jsonl", lambda path: path.write_text(JSONL)),
        ("a.parquet", parquet),
    ],
)
def test_every_format_gives_the_same_item(tmp_path: Path, name: str, write: Callable[[Path], object]) -> None:
    write(tmp_path / name)
    assert list(read_items(tmp_path / name)) == [
        Item("1", "Kind of Blue", {"style": ("Jazz", "Modal"), "year": 1959})
    ]


def test_ids_and_titles_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("item_id,title\n007,1984\n7,nan\n")
    assert list(read_items(path)) == [Item("007", "1984"), Item("7", "nan")]


def test_bad_rows_are_errors_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("item_id,title,price\n1,A,\n,B,\n3, ,\n1,again,\n5,E,nan\n6,F,2\n")
    assert list(read_items(path)) == [
        Item("1", "A"),
        RowError(3, "item_id is empty", "a.csv"),
        RowError(4, "title is empty", "a.csv"),
        RowError(5, "item_id '1' is already on line 2", "a.csv"),
        RowError(6, "price must be a finite number, not nan", "a.csv"),
        Item("6", "F", {"price": 2}),
    ]


def test_a_rejected_row_does_not_take_its_id(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"item_id": 1, "title": "A", "x": {"deep": 1}}\n{"item_id": 1, "title": "A"}\n')
    error, item = read_items(path)
    assert isinstance(error, RowError)
    assert "x must be text" in error.reason
    assert item == Item("1", "A")


def test_a_range_without_numbers_is_left_to_inference() -> None:
    price = Facet("price", FacetType.RANGE, less=("cheaper",))
    generic = replace(GENERIC, facets=(price,))
    items = [Item(f"i{n}", f"Item {n}", {"price": n % 2 + 1}) for n in range(4)]
    assert Catalogue(items, generic).facets == (price,)
    told = [Item(f"i{n}", f"Item {n}", {"price": ("low", "high")[n % 2]}) for n in range(4)]
    assert [facet.type for facet in Catalogue(told, generic).facets] == [FacetType.SET]


def test_one_of_several_alternatives_is_enough() -> None:
    items = [
        Item("a", "A", {"genre": ("x",)}),
        Item("b", "B", {"genre": ("y",)}),
        Item("c", "C", {"genre": ("z",)}),
    ]
    catalogue = Catalogue(items, replace(GENERIC, facets=(Facet("genre", FacetType.SET),)))
    either = [Constraint("genre", "include", value, "must", either=True) for value in ("x", "y")]
    assert [i for i in catalogue if catalogue.meets(i, either)] == ["a", "b"]
    assert [
        i for i in catalogue if catalogue.meets(i, [*either, Constraint("genre", "exclude", "x", "must")])
    ] == ["b"]
