"""The catalogue: items in memory with the facets they offer, their table, and the operator's file of them.

Owns what can be said of items; what people did with them is the ledger's.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.schema import CreateTable

from convrec.data.tables import Row, RowError, read_rows
from convrec.database import transaction
from convrec.errors import DataError, NotFoundError
from convrec.types import AttributeValue, Constraint, Domain, Facet, FacetType, Item, as_number

_REQUIRED = (("item_id",), ("title",))
_MAX_FACET_VALUES = 50
_MIN_MEAN_COUNT = 2
_MAX_VALUE_CHARS = 60
_MAX_DESCRIPTION_CHARS = 200
_MIN_PROSE_WORDS = 5
_MAX_PROSE_CHARS = 600
_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}

_WHAT = "the catalogue"
_METADATA = MetaData()
_ITEMS = Table(
    "items",
    _METADATA,
    Column("item_id", String, primary_key=True),
    Column("title", String, nullable=False),
    Column("attributes", JSON, nullable=False),
)
_META = Table(
    "catalogue_meta",
    _METADATA,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
TABLES = (_ITEMS, _META)
"""Everything that a database holds of a catalogue."""
# SQLite allows 32,766 variables in a statement (https://www.sqlite.org/limits.html), older builds 999.
_LOOKUP = 900


class Catalogue(Mapping[str, Item]):
    """Items by item_id, immutable, in one stable order.

    Args:
        items: Any order; the catalogue's own is that of sorted item_ids.
        domain: What kind of items they are.

    Attributes:
        ids: item_ids sorted; an item's position is its item_idx.
        facets: The domain's facets that occur, then inferred ones by name where the domain asks for them.

    Raises:
        DataError: Two items share an item_id.
    """

    def __init__(self, items: Iterable[Item], domain: Domain) -> None:
        ordered = sorted(items, key=lambda item: item.item_id)
        self._items = {item.item_id: item for item in ordered}
        if len(self._items) < len(ordered):
            counts = Counter(item.item_id for item in ordered)
            raise DataError(f"item_id {counts.most_common(1)[0][0]!r} is used twice; give each item its own")
        self.ids: tuple[str, ...] = tuple(self._items)
        self.domain = domain
        attributes = {name for item in ordered for name in item.attributes}
        own = tuple(
            facet
            for facet in domain.facets
            # Where facets are inferred, a range of no numbers is left to inference.
            if facet.name in attributes and (not domain.infer_facets or self._holds(facet))
        )
        others = sorted(attributes - {facet.name for facet in own}) if domain.infer_facets else []
        self.facets: tuple[Facet, ...] = own + tuple(facet for name in others if (facet := self._infer(name)))
        self._values = {facet.name: tuple(_by_count(self._words(facet.name))) for facet in self.facets}

    def __getitem__(self, item_id: str) -> Item:
        return self._items[item_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def facet(self, name: str) -> Facet:
        """A facet by name.

        Raises:
            NotFoundError: There is none; the message lists those that exist.
        """
        for facet in self.facets:
            if facet.name == name:
                return facet
        known = ", ".join(facet.name for facet in self.facets) or "none"
        raise NotFoundError(f"there is no facet {name!r} in this catalogue; it has: {known}")

    def facet_values(self, name: str) -> tuple[str, ...]:
        """The distinct values of a facet as text, the most frequent first, equal counts in order of the text.

        Raises:
            NotFoundError: There is no such facet.
        """
        return self._values[self.facet(name).name]

    def satisfies(self, item_id: str, constraint: Constraint) -> bool:
        """Whether an item meets a constraint, whatever its strength.

        Set values are compared without regard to case, ranges as numbers (one value in the range is enough). An
        item without the attribute meets `exclude` and nothing else.

        Raises:
            KeyError: The item is not in the catalogue.
        """
        item = self._items[item_id]
        if constraint.op in ("include", "exclude"):
            wanted = written(constraint.value).casefold()
            has = any(written(value).casefold() == wanted for value in item.values(constraint.facet))
            return has == (constraint.op == "include")
        bound, compare = as_number(constraint.value), _COMPARE[constraint.op]
        return bound is not None and any(compare(number, bound) for number in item.numbers(constraint.facet))

    def meets(self, item_id: str, constraints: Iterable[Constraint]) -> bool:
        """Whether an item meets all constraints, of those on a facet that are marked `either` at least one.

        Raises:
            KeyError: The item is not in the catalogue.
        """
        open_facets: dict[str, bool] = {}
        for constraint in constraints:
            met = self.satisfies(item_id, constraint)
            if constraint.either:
                open_facets[constraint.facet] = met or open_facets.get(constraint.facet, False)
            elif not met:
                return False
        return all(open_facets.values())

    def describe(self, item: Item) -> str:
        """An item in one line for prompts and embeddings: "Title (first; second, of, many)".

        It tells the attributes that the domain shows, in its order. A domain that names none gets every short
        attribute with its name ("Title (colour: red; price: 12.5)"), up to about 200 characters.
        """
        if self.domain.shown:
            parts = [_join(item, name) for name in self.domain.shown]
        else:
            parts, room = [], _MAX_DESCRIPTION_CHARS
            for name in item.attributes:
                value = _join(item, name)
                if len(value) <= _MAX_VALUE_CHARS and len(part := f"{name}: {value}") <= room:
                    parts.append(part)
                    room -= len(part)
        told = "; ".join(part for part in parts if part)
        return " ".join((f"{item.title} ({told})" if told else item.title).split())

    def passage(self, item: Item) -> str:
        """An item as it is searched by meaning: its description and then its prose, to 600 characters of it.

        Prose is text of five words or more that the description does not tell: a plot, a blurb.
        """
        told = self.describe(item)
        prose = [" ".join(text.split()) for text in item.attributes.values() if isinstance(text, str)]
        untold = " ".join(t for t in prose if len(t.split()) >= _MIN_PROSE_WORDS and t not in told)
        return f"{told} {untold[:_MAX_PROSE_CHARS]}".strip()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) over every item in order; two catalogues with the same items share it."""
        digest = hashlib.sha256()
        for item in self._items.values():
            digest.update(json.dumps([item.item_id, item.title, sorted(_plain(item).items())]).encode() + b"\n")
        return digest.hexdigest()

    @cached_property
    def digests(self) -> tuple[int, ...]:
        """A 64-bit number per item in order: items that are searched by the same text and attributes share it."""
        told = (
            json.dumps([item.title, self.passage(item), sorted(_plain(item).items())])
            for item in self._items.values()
        )
        return tuple(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) for text in told)

    def _holds(self, facet: Facet) -> bool:
        """Whether a facet has values of its type."""
        return facet.type is FacetType.SET or any(item.numbers(facet.name) for item in self._items.values())

    def _words(self, attribute: str) -> Iterator[str]:
        return (written(value) for item in self._items.values() for value in item.values(attribute))

    def _infer(self, attribute: str) -> Facet | None:
        kinds = {type(value) for item in self._items.values() for value in item.values(attribute)}
        if kinds and kinds <= {int, float}:
            return Facet(attribute, FacetType.RANGE)
        counts = Counter(self._words(attribute))
        # Nobody asks for "True", and a value that occurs once names an item rather than a kind.
        if bool in kinds or not 0 < len(counts) <= _MAX_FACET_VALUES:
            return None
        return Facet(attribute, FacetType.SET) if counts.total() >= _MIN_MEAN_COUNT * len(counts) else None


class CatalogueStore:
    """The catalogue's tables beside the ledger's, in the same database."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        with transaction(self._database, "open", _WHAT) as connection:
            for table in (_ITEMS, _META):
                # Not create_all: it looks first, and two processes that start together would both create.
                connection.execute(CreateTable(table, if_not_exists=True))

    def upsert(self, items: Sequence[Item]) -> int:
        """Add items and update those that changed, in one durable transaction.

        Args:
            items: No item_id twice.

        Returns:
            How many were new or different; 0 when all were there already.

        Raises:
            LedgerError: The database cannot be written; nothing of this call is stored.
        """
        return self.change(items, ())[0]

    def change(self, items: Sequence[Item], gone: Collection[str]) -> tuple[int, int]:
        """Add, update and remove items, in one durable transaction.

        Args:
            items: To have from now on; no item_id twice, none that is in `gone`.
            gone: item_ids to have no more; those that are not there are passed over.

        Returns:
            How many were new or different, and how many were removed.

        Raises:
            DataError: No item would be left.
            LedgerError: The database cannot be written.
            In both cases nothing of this call is stored.
        """
        rows = {item.item_id: {"title": item.title, "attributes": _plain(item)} for item in items}
        with transaction(self._database, "write", _WHAT) as connection:
            stored = _stored(connection, tuple(rows))
            new = [{"item_id": item_id, **row} for item_id, row in rows.items() if item_id not in stored]
            changed = [
                {"key": item_id, **row}
                for item_id, row in rows.items()
                # As text: True == 1 == 1.0 in Python, but not in a catalogue.
                if item_id in stored and json.dumps(row) != json.dumps(stored[item_id])
            ]
            if new:
                connection.execute(insert(_ITEMS), new)
            if changed:
                connection.execute(update(_ITEMS).where(_ITEMS.c.item_id == bindparam("key")), changed)
            removed = _remove(connection, tuple(gone)) if gone else 0
        return len(new) + len(changed), removed

    def load(self, domain: Domain) -> Catalogue:
        """Everything stored, as a catalogue of a domain.

        Raises:
            LedgerError: The database cannot be read.
        """
        with transaction(self._database, "read", _WHAT) as connection:
            rows = connection.execute(select(_ITEMS))
            return Catalogue((Item(row.item_id, row.title, _attributes(row.attributes)) for row in rows), domain)

    @property
    def domain_name(self) -> str | None:
        """The domain that was set last; None before the first."""
        with transaction(self._database, "read", _WHAT) as connection:
            return connection.scalar(select(_META.c.value).where(_META.c.name == "domain"))

    def set_domain(self, name: str) -> None:
        """Remember which domain the catalogue belongs to."""
        with transaction(self._database, "write", _WHAT) as connection:
            known = connection.execute(update(_META).where(_META.c.name == "domain").values(value=name)).rowcount
            if not known:
                connection.execute(insert(_META).values(name="domain", value=name))


def read_items(path: Path) -> Iterator[Item | RowError]:
    """Stream a catalogue file as items, bad rows as errors in their place.

    Columns: item_id and title; every other one becomes an attribute.

    Args:
        path: A CSV, TSV, JSONL or Parquet file.

    Raises:
        DataError: The file as a whole cannot be used.
    """
    lines: dict[str, int] = {}
    for row in read_rows(path, _REQUIRED):
        if isinstance(row, RowError):
            yield row
            continue
        try:
            item = item_of(row)
        except DataError as error:
            yield RowError(row.line, str(error), path.name)
            continue
        first = lines.setdefault(item.item_id, row.line)
        if first == row.line:
            yield item
        else:
            yield RowError(row.line, f"item_id {item.item_id!r} is already on line {first}", path.name)


def item_of(row: Row) -> Item:
    """A row as an item: item_id and title, every other cell an attribute where it is not empty.

    Raises:
        DataError: A cell cannot be used.
    """
    item_id, title = row.identifier("item_id"), " ".join(row.text("title").split())
    if not title:
        raise DataError("title is empty")
    attributes = {name: row.attribute(name) for name in row.cells if name not in ("item_id", "title")}
    return Item(item_id, title, {name: value for name, value in attributes.items() if value is not None})


def _stored(connection: Connection, item_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(item_ids), _LOOKUP):
        wanted = select(_ITEMS).where(_ITEMS.c.item_id.in_(item_ids[start : start + _LOOKUP]))
        for row in connection.execute(wanted):
            found[row.item_id] = {"title": row.title, "attributes": row.attributes}
    return found


def _remove(connection: Connection, item_ids: Sequence[str]) -> int:
    removed = 0
    for start in range(0, len(item_ids), _LOOKUP):
        doomed = _ITEMS.c.item_id.in_(item_ids[start : start + _LOOKUP])
        removed += connection.execute(delete(_ITEMS).where(doomed)).rowcount
    if removed and connection.scalar(select(func.count()).select_from(_ITEMS)) == 0:
        raise DataError("a catalogue needs an item: put the new ones first, then delete the old ones")
    return removed


def _plain(item: Item) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in item.attributes.items()}


def _attributes(plain: Mapping[str, Any]) -> dict[str, AttributeValue]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}


def written(value: str | int | float | bool) -> str:
    """A value as people write it: 1979.0 is 1979."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _by_count(words: Iterable[str]) -> list[str]:
    counts = Counter(words)
    return sorted(counts, key=lambda word: (-counts[word], word))


def _join(item: Item, attribute: str) -> str:
    return ", ".join(written(value) for value in item.values(attribute))
