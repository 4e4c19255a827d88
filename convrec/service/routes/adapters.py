"""Routes of the adapter versions: which there are, what each says of itself, which one ranks."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from convrec.errors import DataError
from convrec.service.problems import Problem
from convrec.service.routes.refusals import refusals
from convrec.service.slot import OfficeDep
from convrec.training.registry import AdapterVersion

AdapterName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["movies"])]
AdapterNumber = Annotated[int, Path(ge=1, le=10**9, examples=[1])]

router = APIRouter(tags=["adapters"])


class AdapterView(BaseModel):
    """A version; a rejected one cannot be promoted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "movies",
                    "version": 3,
                    "active": True,
                    "accepted": True,
                    "base_model": "SmolLM2-135M-Instruct",
                    "created": "2026-01-01T00:00:00+00:00",
                }
            ]
        }
    )

    name: str
    version: int
    active: bool
    accepted: bool
    base_model: str
    created: str


class AdaptersView(BaseModel):
    """Every version, by name and number."""

    data: tuple[AdapterView, ...]


class ManifestView(BaseModel):
    """A version's manifest: what it was trained on, how it was judged, and the verdict's reasons."""

    name: str
    version: int
    active: bool
    base_model: str
    base_hash: str
    prompt: str
    domain: str
    accepted: bool
    reasons: tuple[str, ...]
    blend: dict[str, float | tuple[float, ...]]
    metrics: dict[str, Any]
    data: dict[str, Any]
    config: dict[str, Any]
    created: str


class ActiveView(BaseModel):
    """What ranks new slates within a second, as name/version; null is the base model."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": "movies/3"}]})

    active: str | None


@router.get("/adapters", summary="List adapter versions", responses=refusals())
async def adapters(office: OfficeDep) -> AdaptersView:
    """Every version with its verdict, and which is active."""
    registry = office.registry
    active, versions = await asyncio.to_thread(lambda: (registry.active_label, registry.versions()))
    return AdaptersView(data=tuple(_view(version, active) for version in versions))


@router.post(
    "/adapters/rollback",
    summary="Go back to what was active before",
    responses=refusals(rejected="No adapter was ever promoted."),
)
async def rollback(office: OfficeDep) -> ActiveView:
    """Make active what was active before the last promotion: an earlier version, or the base model."""
    try:
        version = await asyncio.to_thread(office.registry.rollback)
    except DataError as error:
        raise Problem(409, str(error), code="rejected") from error
    return ActiveView(active=version.label if version else None)


@router.get(
    "/adapters/{name}/{version}",
    summary="A version's manifest",
    responses=refusals(not_found="There is no such version."),
)
async def adapter(name: AdapterName, version: AdapterNumber, office: OfficeDep) -> ManifestView:
    """Lineage, held-out figures with intervals, the verdict and its reasons."""
    registry = office.registry
    found = await asyncio.to_thread(registry.get, f"{name}/{version}")
    active = await asyncio.to_thread(lambda: registry.active_label)
    return ManifestView(active=active == found.label, **asdict(found.manifest))


@router.post(
    "/adapters/{name}/{version}/promote",
    summary="Make a version the active one",
    responses=refusals(
        not_found="There is no such version.", rejected="The gate rejected it; it cannot be served."
    ),
)
async def promote(name: AdapterName, version: AdapterNumber, office: OfficeDep) -> ActiveView:
    """Turns that begin within a second later are ranked by it; those under way finish on what they began with."""
    try:
        promoted = await asyncio.to_thread(office.registry.promote, f"{name}/{version}")
    except DataError as error:
        raise Problem(409, str(error), code="rejected") from error
    return ActiveView(active=promoted.label)


def _view(version: AdapterVersion, active: str | None) -> AdapterView:
    manifest = version.manifest
    return AdapterView(
        name=manifest.name,
        version=manifest.version,
        active=version.label == active,
        accepted=manifest.accepted,
        base_model=manifest.base_model,
        created=manifest.created,
    )
