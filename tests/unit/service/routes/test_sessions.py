from typing import Any

import httpx
import pytest

from convrec.dialogue.state import replay
from convrec.service.slot import RecommenderSlot
from convrec.types import Intent, IntentKind, TurnEvent


async def say(client: httpx.AsyncClient, session_id: str, message: str, user_id: str = "sally") -> dict[str, Any]:
    body = {
        "model": "convrec",
        "messages": [{"role": "user", "content": message}],
        "convrec": {"user_id": user_id, "session_id": session_id, "k": 3},
    }
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]  # type: ignore[no-any-return]


async def session(client: httpx.AsyncClient, session_id: str, user_id: str = "sally") -> dict[str, Any]:
    answer = await client.get(f"/v1/sessions/{session_id}", params={"user_id": user_id})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_a_conversation_is_read_back_as_it_was(client: httpx.AsyncClient) -> None:
    first = await say(client, "ses/1", "a Syrah, please")
    second = await say(client, "ses/1", "under 20")
    found = await session(client, "ses/1")
    assert (found["title"], found["turns"], found["user_id"]) == ("a Syrah, please", 2, "sally")
    assert [exchange["message"] for exchange in found["exchanges"]] == ["a Syrah, please", "under 20"]
    for exchange, said in zip(found["exchanges"], (first, second), strict=True):
        assert exchange["reply"] == said["content"]
        assert exchange["impression_id"] == said["convrec"]["impression_id"]
        assert exchange["slate"] == [
            {name: shown[name] for name in ("item_id", "title", "attributes")}
            for shown in said["convrec"]["recommendations"]
        ]
    wishes = {(c["facet"], c["op"], c["value"]) for c in found["state"]["constraints"]}
    assert wishes == {("grape", "include", "Syrah"), ("price", "<", 20.0)}


async def test_sessions_are_listed_by_user_latest_first(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/sessions", params={"user_id": "lena"})).json() == {"data": [], "total": 0}
    for session_id in ("l1", "l2", "l3", "l1"):
        await say(client, session_id, f"hello from {session_id}", "lena")
    listed = (await client.get("/v1/sessions", params={"user_id": "lena", "limit": 2})).json()
    assert listed["total"] == 3
    assert [(one["session_id"], one["turns"]) for one in listed["data"]] == [("l1", 2), ("l3", 1)]
    rest = (await client.get("/v1/sessions", params={"user_id": "lena", "offset": 2})).json()
    assert [one["session_id"] for one in rest["data"]] == ["l2"]
    assert (await client.get("/v1/sessions")).status_code == 400


async def test_a_name_lasts(client: httpx.AsyncClient, slot: RecommenderSlot) -> None:
    await say(client, "named", "a Malbec")
    path, who = "/v1/sessions/named", {"user_id": "sally"}
    named = await client.patch(path, params=who, json={"title": "Friday <b>night</b>"})
    assert named.json()["title"] == "Friday <b>night</b>"
    await client.patch(path, params=who, json={"title": "Saturday"})
    assert (await session(client, "named"))["title"] == "Saturday"
    assert "Saturday" in str(slot.get().ledger.events("sally", "named"))
    for title in ("", " ", "a\nb", "x" * 201, None):
        assert (await client.patch(path, params=who, json={"title": title})).status_code == 400


async def test_a_wish_that_is_taken_back_is_gone_from_the_next_turn(
    client: httpx.AsyncClient, slot: RecommenderSlot
) -> None:
    await say(client, "chips", "a Riesling for less than 12")
    before = (await session(client, "chips"))["state"]["constraints"]
    assert {c["facet"] for c in before} == {"grape", "price"}
    grape = next(c for c in before if c["facet"] == "grape")
    path, who = "/v1/sessions/chips/constraints/drop", {"user_id": "sally"}
    wish = {key: grape[key] for key in ("facet", "op", "value")}
    left = await client.post(path, params=who, json=wish)
    assert [c["facet"] for c in left.json()["constraints"]] == ["price"]
    again = await client.post(path, params=who, json=wish)
    assert again.status_code == 404
    assert "price" in again.json()["error"]["message"]
    found = await session(client, "chips")
    assert found["state"] == left.json()
    assert found["turns"] == len(found["exchanges"]) == 1
    state = replay(turn.intent for turn in slot.get().ledger.turns("chips"))
    assert [c.facet for c in state.constraints] == ["price"]
    said = await say(client, "chips", "show me more")
    grapes = {g for shown in said["convrec"]["recommendations"] for g in shown["attributes"]["grape"]}
    assert grapes - {"Riesling"}
    assert all(shown["attributes"]["price"] <= 12 for shown in said["convrec"]["recommendations"])


@pytest.mark.parametrize("other", ["mallory", " sally", "sally ", "SALLY", "%"])
async def test_a_session_is_nobody_elses(client: httpx.AsyncClient, other: str) -> None:
    await say(client, "private", "a secret Syrah under 30")
    who = {"user_id": other}
    wish = {"facet": "grape", "op": "include", "value": "Syrah"}
    for answer in (
        await client.get("/v1/sessions/private", params=who),
        await client.patch("/v1/sessions/private", params=who, json={"title": "mine"}),
        await client.post("/v1/sessions/private/constraints/drop", params=who, json=wish),
        await client.delete("/v1/sessions/private", params=who),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert "secret" not in answer.text
    assert "private" not in (await client.get("/v1/sessions", params=who)).text
    own = await session(client, "private")
    assert (own["title"], len(own["state"]["constraints"])) == ("a secret Syrah under 30", 2)


async def test_two_users_of_one_id_see_their_own_halves(client: httpx.AsyncClient, slot: RecommenderSlot) -> None:
    """A chat refuses somebody else's session; a ledger that has such turns all the same keeps them apart."""
    await say(client, "shared", "a canary for ann", "ann")
    intent = Intent(IntentKind.RECOMMEND, query="a linnet")
    slot.get().ledger.append(TurnEvent("linnet", "bob", "shared", 1e9, "a linnet for bob", intent))
    for user, own, other in (("ann", "canary", "linnet"), ("bob", "linnet", "canary")):
        text = str(await session(client, "shared", user))
        assert own in text
        assert other not in text
    await client.delete("/v1/sessions/shared", params={"user_id": "ann"})
    assert (await session(client, "shared", "bob"))["turns"] == 1


async def test_a_deleted_session_is_gone_and_its_feedback_stays(
    client: httpx.AsyncClient, slot: RecommenderSlot
) -> None:
    said = await say(client, "doomed", "a Malbec with a canary in it")
    liked = said["convrec"]["recommendations"][0]["item_id"]
    event = {"user_id": "sally", "type": "like", "item_id": liked, "session_id": "doomed"}
    await client.post("/v1/feedback", json=event)
    gone = await client.delete("/v1/sessions/doomed", params={"user_id": "sally"})
    assert gone.json() == {"session_id": "doomed", "events": 3}
    assert (await client.get("/v1/sessions/doomed", params={"user_id": "sally"})).status_code == 404
    assert (await client.delete("/v1/sessions/doomed", params={"user_id": "sally"})).status_code == 404
    assert "canary" not in str(slot.get().ledger.events("sally"))
    assert liked in [entry["item_id"] for entry in (await client.get("/v1/users/sally")).json()["liked"]]
    await say(client, "doomed", "a Pinot Noir")
    assert [c["value"] for c in (await session(client, "doomed"))["state"]["constraints"]] == ["Pinot Noir"]


async def test_feedback_on_a_slate_is_read_back_as_it_stands(client: httpx.AsyncClient) -> None:
    shown = (await say(client, "fed", "some wines", "fred"))["convrec"]
    about = {"user_id": "fred", "session_id": "fed", "impression_id": shown["impression_id"]}
    for n, kind in enumerate(("like", "save")):
        item_id = shown["recommendations"][n]["item_id"]
        await client.post("/v1/feedback", json=about | {"event_id": f"f-{n}", "type": kind, "item_id": item_id})
    await client.post("/v1/feedback", json={"user_id": "fred", "type": "retraction", "retracts": "f-0"})
    (exchange,) = (await session(client, "fed", "fred"))["exchanges"]
    assert [(one["event_id"], one["type"]) for one in exchange["feedback"]] == [("f-1", "save")]


async def test_a_message_taken_back_has_never_been(client: httpx.AsyncClient, slot: RecommenderSlot) -> None:
    await say(client, "edited", "a Syrah, please", "edda")
    wrong = await say(client, "edited", "I loved Amber Hill Riesling Reserve, and under 9", "edda")
    assert (await client.get("/v1/users/edda")).json()["known"] or "mentions" in wrong["convrec"]["intent"]
    path, who = f"/v1/sessions/edited/turns/{wrong['convrec']['turn_id']}", {"user_id": "edda"}
    assert (await client.delete(path, params={"user_id": "somebody"})).status_code == 404
    taken = await client.delete(path, params=who)
    assert taken.json() == {"turn_id": wrong["convrec"]["turn_id"], "events": 3}
    found = await session(client, "edited", "edda")
    assert [exchange["message"] for exchange in found["exchanges"]] == ["a Syrah, please"]
    assert {c["facet"] for c in found["state"]["constraints"]} == {"grape"}
    assert (await client.get("/v1/users/edda")).json()["liked"] == []
    assert (await client.delete(path, params=who)).status_code == 404
    assert len(slot.get().ledger.impressions("edited")) == 1
