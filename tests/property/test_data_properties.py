import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convrec.data.catalogue import Catalogue, CatalogueStore, read_items
from convrec.data.interactions import Interaction, leave_last_out, read_interactions
from convrec.data.tables import Row, RowError, read_rows
from convrec.database import open_database
from convrec.types import AttributeValue, Constraint, Domain, Facet, FacetType, FeedbackEvent, FeedbackType, Item

DOMAIN = Domain(
    name="things",
    noun="thing",
    plural="things",
    verb="try",
    past="tried",
    shown=(),
    facets=(Facet("a", FacetType.SET),),
    rating_scale=(1, 5),
    infer_facets=True,
)

WORD = st.text("abAB019.-|,;'\"\\éßİ日😀", min_size=1, max_size=8)
VALUE: st.SearchStrategy[AttributeValue] = st.one_of(
    WORD,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(WORD, min_size=1, max_size=4).map(tuple),
)
ITEM = st.builds(
    Item,
    item_id=WORD,
    title=WORD,
    attributes=st.dictionaries(st.sampled_from(["a", "b", "café", "d e"]), VALUE, max_size=3),
)
ITEMS = st.lists(ITEM, max_size=12, unique_by=lambda item: item.item_id)

EVENT = st.builds(
    FeedbackEvent,
    event_id=st.uuids().map(str),
    user_id=st.sampled_from(["u", "v", "w"]),
    type=st.just(FeedbackType.LIKE),
    timestamp=st.integers(0, 5).map(float),
    item_id=st.just("1"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def in_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@given(st.lists(EVENT, max_size=30, unique_by=lambda event: event.event_id), st.integers(1, 4))
def test_a_split_loses_nothing_and_never_trains_on_what_comes_after_the_held(
    events: list[FeedbackEvent], hold: int
) -> None:
    train, held = leave_last_out(events, hold)
    assert Counter(event for histories in (train, held) for own in histories.values() for event in own) == Counter(
        events
    )
    position = {event.event_id: n for n, event in enumerate(events)}
    for user_id, own in train.items():
        both = own + held.get(user_id, ())
        assert all(event.user_id == user_id for event in both)
        # Ascending in time and then in the order given: no training event later than any held one.
        order = [(event.timestamp, position[event.event_id]) for event in both]
        assert order == sorted(order)
        assert len(held.get(user_id, ())) == (hold if len(both) > hold else 0)
        assert own


@given(st.binary(max_size=300), st.sampled_from([".csv", ".jsonl"]))
@settings(max_examples=300)
def test_no_bytes_break_a_reader_and_good_rows_around_them_are_kept(
    folder: Path, noise: bytes, suffix: str
) -> None:
    # A quote may open a field that swallows the rest, rightly; everything else must not reach beyond its line.
    noise = noise.replace(b'"', b"'")
    if suffix == ".csv":
        content = b"item_id,title\nfirst,A\n" + noise + b"\nlast,Z\n"
    else:
        content = b'{"item_id": "first", "title": "A"}\n' + noise + b'\n{"item_id": "last", "title": "Z"}\n'
    path = in_file(folder / f"noise{suffix}", content)
    rows = list(read_rows(path, (("item_id",), ("title",))))
    assert all(isinstance(row, Row | RowError) for row in rows)
    assert [row.line for row in rows] == sorted({row.line for row in rows})
    ids = [item.item_id for item in read_items(path) if isinstance(item, Item)]
    assert ids[0] == "first"
    assert "last" in ids
    assert len(ids) == len(set(ids))


@given(st.binary(max_size=200))
def test_any_interactions_are_events_of_known_items_within_the_scale_or_errors(folder: Path, noise: bytes) -> None:
    path = in_file(folder / "noise.csv", b"user_id,item_id,type,rating,timestamp,text\nu,1,like,,,\n" + noise)
    rows = list(read_interactions(path, DOMAIN, {"1"}))
    assert isinstance(rows[0], Interaction)
    for row in rows:
        if isinstance(row, Interaction):
            assert row.event.item_id == "1"
            assert row.event.user_id.strip() == row.event.user_id != ""
            assert row.event.rating is None or 1 <= row.event.rating <= 5


SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text("aé1 |\n\0\ud800", max_size=4))
JSON: st.SearchStrategy[object] = st.one_of(
    SCALAR, st.lists(SCALAR, max_size=3), st.lists(st.lists(SCALAR, max_size=1), max_size=1), st.just({})
)


@given(st.dictionaries(st.sampled_from(["item_id", "title", "a", "", "b\0"]), JSON, max_size=4))
@settings(max_examples=300)
def test_any_json_object_is_an_item_that_can_be_stored_or_an_error(folder: Path, cells: dict[str, object]) -> None:
    lines = json.dumps({"item_id": "good", "title": "good"}) + "\n" + json.dumps(cells)
    good, *rest = read_items(in_file(folder / "a.jsonl", lines.encode()))
    assert good == Item("good", "good")
    [row] = rest
    if isinstance(row, Item):
        database = open_database("sqlite://")
        store = CatalogueStore(database)
        store.upsert([row])
        assert dict(store.load(DOMAIN)) == {row.item_id: row}
        database.dispose()
    else:
        assert row.line == 2


@given(ITEMS)
@settings(deadline=None)
def test_items_survive_file_store_and_catalogue(folder: Path, items: list[Item]) -> None:
    lines = [{"item_id": item.item_id, "title": item.title, **item.attributes} for item in items]
    path = in_file(folder / "a.jsonl", "\n".join(json.dumps(line) for line in lines).encode() + b"\n")
    assert list(read_items(path)) == items
    database = open_database("sqlite://")
    store = CatalogueStore(database)
    assert store.upsert(items) == len(items)
    assert store.upsert(items) == 0
    loaded = store.load(DOMAIN)
    assert dict(loaded) == {item.item_id: item for item in items}
    assert loaded.ids == tuple(sorted(item.item_id for item in items))
    assert loaded.fingerprint == Catalogue(items, DOMAIN).fingerprint
    for item in items:
        assert "\n" not in loaded.describe(item)
    database.dispose()


@given(ITEMS, st.one_of(WORD, st.floats(allow_nan=False, allow_infinity=False)))
def test_exclude_is_the_opposite_of_include_and_bounds_are_opposites(
    items: list[Item], value: str | float
) -> None:
    catalogue = Catalogue(items, DOMAIN)
    for item in items:
        included, excluded = (
            catalogue.satisfies(item.item_id, Constraint("a", op, value, "must")) for op in ("include", "exclude")
        )
        assert included != excluded
        for mine in item.values("a"):
            spelled = mine if isinstance(mine, str | float) else str(mine)
            assert catalogue.satisfies(item.item_id, Constraint("a", "include", spelled, "must"))
        number = item.attributes.get("a")
        if type(number) in (int, float) and isinstance(value, float):
            at_least, below = (
                catalogue.satisfies(item.item_id, Constraint("a", op, value, "must")) for op in (">=", "<")
            )
            assert at_least != below


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),
    st.none() | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_any_iso_8601_moment_is_understood(folder: Path, moment: datetime, zone: timezone | None) -> None:
    written = moment.replace(tzinfo=zone).isoformat()
    [row] = read_interactions(
        in_file(folder / "a.csv", f"user_id,item_id,type,timestamp\nu,1,like,{written}\n".encode()), DOMAIN, {"1"}
    )
    assert isinstance(row, Interaction)
    expected = (moment.replace(tzinfo=zone or UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert row.event.timestamp == expected
