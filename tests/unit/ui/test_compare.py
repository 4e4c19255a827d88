"""The comparing page without a browser: what a duel is, and what it asks."""

import json
from typing import Any

import httpx
import pytest

from ui.compare.client import Answer, CompareClient, Entry
from ui.compare.duel import Duel

SLATE: dict[str, Any] = {
    "impression_id": "imp-1",
    "degraded": False,
    "contest": {"contest_id": "c", "versions": ["a@1", "base"], "teams": [1, 0]},
    "recommendations": [
        {"item_id": "i1", "title": "One", "why": ""},
        {"item_id": "i2", "title": "Two", "why": "because"},
    ],
}


def _side(name: str) -> Answer:
    return Answer(f"imp-{name}", (name,), (Entry("i1", "One", ""),))


async def test_both_ways_of_asking() -> None:
    asked: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        if request.url.path == "/v1/recommendations":
            return httpx.Response(200, json=SLATE)
        contest = {"contest_id": "c", "versions": ["base"], "teams": []}
        message = {"content": "Two.", "convrec": {**SLATE, "contest": contest}}
        return httpx.Response(200, json={"choices": [{"message": message}]})

    client = CompareClient("http://api", transport=httpx.MockTransport(handle))
    side = await client.answer("base", "a red one", "person-1", "c")
    assert asked[0]["convrec"] == {"user_id": "person-1", "contest": "c", "k": 6}
    assert (side.versions, side.prose, [e.team for e in side.entries]) == (("base",), "Two.", [None, None])
    mixed = await client.mixed(("a@1", "base"), "a red one", "person-1")
    assert asked[1]["interleave"] == ["a@1", "base"]
    assert [(e.title, e.team) for e in mixed.entries] == [("One", 1), ("Two", 0)]
    await client.aclose()


async def test_only_what_ranks_or_writes_otherwise_can_be_compared() -> None:
    cards = [("convrec", None), ("movies@1", "convrec"), ("base", "convrec"), ("convrec-embedding", None)]
    body = {"data": [{"id": name, "parent": parent} for name, parent in cards]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    assert await CompareClient("http://api", transport=transport).versions() == ("movies@1", "base")


@pytest.mark.parametrize(
    ("vote", "kind", "impression_id"),
    [("left", "prefer", "imp-a"), ("right", "prefer", "imp-b"), ("tie", "tie", "imp-a")],
)
def test_a_ballot_names_the_slate_that_won(vote: Any, kind: str, impression_id: str) -> None:
    duel = Duel(sides=(_side("a"), _side("b")), user_id="person-1")
    assert duel.votable
    body = duel.ballot(vote).body()
    assert (body["type"], body["impression_id"], body["user_id"]) == (kind, impression_id, "person-1")
    assert "item_id" not in body
    duel.vote = vote
    assert not duel.votable


def test_a_slate_that_degraded_is_not_voted_on() -> None:
    duel = Duel(sides=(_side("a"), Answer("imp-b", (), (), degraded=True)))
    assert not duel.votable


def test_an_item_is_taken_once_and_a_new_question_begins_anew() -> None:
    duel = Duel()
    assert duel.ask()
    assert not duel.ask(), "an answer is on its way"
    person = duel.user_id
    assert person.startswith("person-")
    duel.asking, duel.mixed = False, Answer.read(SLATE)
    entry = duel.entry(1)
    assert entry is not None
    assert duel.click(entry).body()["item_id"] == "i2"
    duel.chosen = ("i2",)
    assert (duel.entry(1), duel.entry(2)) == (None, None)
    assert duel.ask()
    assert (duel.mixed, duel.chosen, duel.user_id) == (None, (), person)
