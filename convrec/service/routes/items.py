"""Routes of the catalogue: its kind, its items, changes to them. Owns the shapes; shelf.py makes changes live."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, StringConstraints

from convrec.data.catalogue import Catalogue, item_of
from convrec.data.tables import Row
from convrec.errors import DataError, NotFoundError
from convrec.service.problems import Problem
from convrec.service.routes.refusals import TOO_LARGE, refusals
from convrec.service.schemas import Body, Id
from convrec.service.slot import OfficeDep, RecommenderDep
from convrec.service.views import DomainView, ItemView, domain_view, item_view
from convrec.types import Item

MAX_ITEMS = 1_000
MAX_STARTERS = 50

ItemPath = Annotated[Id, Path(examples=["42"])]
Title = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
AttributeBody = StrictBool | StrictInt | StrictFloat | StrictStr | list[StrictStr | StrictInt | StrictFloat] | None

reading = APIRouter(tags=["items"])
writing = APIRouter(tags=["items"])


class ItemBody(Body):
    """What an item is from now on; attributes that are not named are gone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"title": "Alien", "attributes": {"year": 1979, "genre": ["Horror", "Sci-Fi"]}}]
        },
    )

    title: Title
    attributes: dict[AttributeName, AttributeBody] = Field(default={}, max_length=200)

    def item(self, item_id: str) -> Item:
        """As a line of a catalogue file with these cells.

        Raises:
            Problem: 400, an attribute cannot be used.
        """
        if taken := {"item_id", "title"} & self.attributes.keys():
            raise Problem(400, f"{taken.pop()} is no attribute", code="invalid_value", param="attributes")
        try:
            return item_of(Row(0, {"item_id": item_id, "title": self.title, **self.attributes}, typed=True))
        except DataError as error:
            raise Problem(400, f"item {item_id!r}: {error}", code="invalid_value") from error


class NamedItemBody(ItemBody):
    """An item of a bulk change."""

    item_id: Id


class BulkBody(Body):
    """Items to have and items to have no more."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"upsert": [{"item_id": "42", "title": "Alien", "attributes": {"year": 1979}}], "delete": ["7"]}
            ]
        },
    )

    upsert: list[NamedItemBody] = Field(default=[], max_length=MAX_ITEMS)
    delete: list[Id] = Field(default=[], max_length=MAX_ITEMS)


class ItemChange(BaseModel):
    """`changed` is false where the item was just so already."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"item_id": "42", "changed": True}]})

    item_id: str
    changed: bool


class BulkChange(BaseModel):
    """How many items were new or different, how many were deleted, and how many there are now."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"changed": 1, "deleted": 1, "items": 1682}]})

    changed: int
    deleted: int
    items: int


class ItemDeleted(BaseModel):
    """It is gone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"item_id": "42", "deleted": True}]})

    item_id: str
    deleted: bool = True


class ItemsView(BaseModel):
    """A page of the items, by item_id; `total` counts all that match."""

    data: tuple[ItemView, ...]
    total: int
    offset: int
    limit: int


class StartersView(BaseModel):
    """Items to begin with, the first the most popular."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"data": [{"item_id": "42", "title": "Alien", "attributes": {"year": 1979}}]}]
        }
    )

    data: tuple[ItemView, ...]


@reading.get("/domain", summary="The catalogue's kind", responses=refusals())
async def domain(recommender: RecommenderDep) -> DomainView:
    """Nouns, verbs, rating scale, and the facets that filters can name with their values or bounds."""
    return domain_view(recommender.catalogue)


@reading.get("/items", summary="List items", responses=refusals())
async def items(
    recommender: RecommenderDep,
    title: Annotated[
        str, Query(max_length=200, description="Only titles that hold these words, in any order and case.")
    ] = "",
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> ItemsView:
    """A page of the catalogue in the order of item_ids."""
    found = await asyncio.to_thread(_titled, recommender.catalogue, title)
    page = tuple(item_view(recommender.catalogue[item_id]) for item_id in found[offset : offset + limit])
    return ItemsView(data=page, total=len(found), offset=offset, limit=limit)


# Before the item's route, which would take "starters" for an id.
@reading.get("/items/starters", summary="Items to begin with", responses=refusals())
async def starters(
    recommender: RecommenderDep,
    user_id: Annotated[Id, Query(description="Whom they are for.", examples=["ann"])],
    k: Annotated[int, Query(ge=1, le=MAX_STARTERS)] = 12,
) -> StartersView:
    """Popular items that are unlike each other and that the person has not met, to ask a newcomer about."""
    return StartersView(data=tuple(item_view(one) for one in await recommender.starters(user_id, k)))


@reading.get("/items/{item_id:path}", summary="One item", responses=refusals(not_found="There is no such item."))
async def item(item_id: ItemPath, recommender: RecommenderDep) -> ItemView:
    """Title and attributes."""
    return item_view(_found(item_id, recommender.catalogue))


@writing.put("/items/{item_id:path}", summary="Add an item or replace it", responses=refusals())
async def put_item(item_id: ItemPath, body: ItemBody, office: OfficeDep) -> ItemChange:
    """Durable, and in force for every turn that begins after this answers: linked by title, found by its text.

    What an item's row in a catalogue file would become, it becomes. Who chooses a new item counts towards others'
    slates from the next index on. To change many, send them in one call of POST /v1/items/bulk.
    """
    made = body.item(item_id)
    changed, _ = await office.shelf.change((made,), ())
    return ItemChange(item_id=made.item_id, changed=bool(changed))


@writing.delete(
    "/items/{item_id:path}",
    summary="Delete an item",
    responses=refusals(not_found="There is no such item.", last_item="It is the only one; add another first."),
)
async def delete_item(item_id: ItemPath, recommender: RecommenderDep, office: OfficeDep) -> ItemDeleted:
    """Durable, and in no slate of a turn that begins after this answers. What people did with it stays theirs."""
    _found(item_id, recommender.catalogue)
    _, removed = await _changed(office, (), (item_id,))
    if not removed:
        raise _missing(item_id)
    return ItemDeleted(item_id=item_id)


@writing.post(
    "/items/bulk",
    summary="Change many items at once",
    responses=refusals(last_item="No item would be left; nothing was changed.", request_too_large=TOO_LARGE),
)
async def bulk(body: BulkBody, office: OfficeDep) -> BulkChange:
    """Up to 1,000 items to have and 1,000 to have no more: all of it or nothing, then in force together.

    Unknown ids to delete are passed over.
    """
    made, gone = [named.item(named.item_id) for named in body.upsert], set(body.delete)
    if twice := _twice([*(one.item_id for one in made), *gone]):
        raise Problem(400, f"item {twice!r} is named twice; send each once", code="invalid_value", param="upsert")
    changed, removed = await _changed(office, made, gone)
    return BulkChange(changed=changed, deleted=removed, items=office.shelf.items)


async def _changed(office: OfficeDep, upsert: Iterable[Item], gone: Iterable[str]) -> tuple[int, int]:
    try:
        return await office.shelf.change(tuple(upsert), tuple(gone))
    except DataError as error:
        raise Problem(409, str(error), code="last_item") from error


def _found(item_id: str, catalogue: Catalogue) -> Item:
    found = catalogue.get(item_id)
    if found is None:
        raise _missing(item_id)
    return found


def _missing(item_id: str) -> NotFoundError:
    return NotFoundError(f"no item {item_id!r} in the catalogue; ingest it first")


def _twice(item_ids: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for item_id in item_ids:
        if item_id in seen:
            return item_id
        seen.add(item_id)
    return None


def _titled(catalogue: Catalogue, title: str) -> list[str]:
    words = title.casefold().split()
    return [i for i in catalogue.ids if all(word in catalogue[i].title.casefold() for word in words)]
