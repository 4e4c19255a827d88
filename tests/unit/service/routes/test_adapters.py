from collections.abc import Iterator

import httpx
import pytest

from convrec.service.slot import RecommenderSlot
from convrec.testing.adapters import publish_adapter
from convrec.training.registry import Registry


@pytest.fixture
def registry(slot: RecommenderSlot) -> Iterator[Registry]:
    """Two accepted versions and a rejected one, none promoted."""
    registry = slot.office.registry
    if not registry.versions():
        publish_adapter(registry)
        publish_adapter(registry)
        publish_adapter(registry, accepted=False)
    (registry.root / "ACTIVE").unlink(missing_ok=True)
    return registry


async def test_versions_are_listed_and_shown(client: httpx.AsyncClient, registry: Registry) -> None:
    listed = (await client.get("/v1/adapters")).json()["data"]
    assert [(one["name"], one["version"], one["accepted"], one["active"]) for one in listed] == [
        ("wines", 1, True, False),
        ("wines", 2, True, False),
        ("wines", 3, False, False),
    ]
    manifest = (await client.get("/v1/adapters/wines/3")).json()
    assert (manifest["accepted"], manifest["active"]) == (False, False)
    assert manifest["base_model"] == registry.get("wines/3").manifest.base_model
    assert set(manifest["blend"]) > {"w_retrieval", "w_interest"}


async def test_promotion_and_rollback(client: httpx.AsyncClient, registry: Registry) -> None:
    nothing = await client.post("/v1/adapters/rollback")
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (409, "rejected")
    for version in (1, 2):
        promoted = await client.post(f"/v1/adapters/wines/{version}/promote")
        assert promoted.json() == {"active": f"wines/{version}"}
    assert [one["active"] for one in (await client.get("/v1/adapters")).json()["data"]] == [False, True, False]
    assert (await client.post("/v1/adapters/rollback")).json() == {"active": "wines/1"}
    assert (await client.get("/v1/adapters/wines/1")).json()["active"] is True
    assert (await client.post("/v1/adapters/rollback")).json() == {"active": None}
    assert registry.active() is None


async def test_what_the_gate_rejected_is_not_promoted(client: httpx.AsyncClient, registry: Registry) -> None:
    refused = await client.post("/v1/adapters/wines/3/promote")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "rejected")
    assert registry.active() is None


@pytest.mark.parametrize("path", ["nobody/1", "wines/4"])
async def test_what_is_not_there(client: httpx.AsyncClient, registry: Registry, path: str) -> None:
    for answer in (await client.get(f"/v1/adapters/{path}"), await client.post(f"/v1/adapters/{path}/promote")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert str(registry.root) not in answer.text


@pytest.mark.parametrize(
    "path",
    ["..%2F..%2Fetc/1", "../../1", "wines/%2E%2E", "wines/0", "wines/-1", "WINES/1", "wines/1%2F.."],
)
async def test_a_name_is_no_path(client: httpx.AsyncClient, registry: Registry, path: str) -> None:
    for answer in (await client.get(f"/v1/adapters/{path}"), await client.post(f"/v1/adapters/{path}/promote")):
        assert answer.status_code in (400, 404, 405)
        assert answer.json()["error"]["message"]
