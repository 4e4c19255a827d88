import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from convrec.service.api import create_app
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from ui.client import ApiClient, ApiError, ApiUnavailableError
from ui.person.views import Named
from ui.views import ChatEvent, Feedback, SlateView, TextDelta

SHOWN = ("price", "grape")


async def _talk(client: ApiClient, message: str, user_id: str, session_id: str | None = None) -> list[ChatEvent]:
    return [event async for event in client.chat([("user", message)], user_id, session_id, SHOWN)]


def _answering(answer: httpx.Response) -> ApiClient:
    """A client of a server that breaks the contract, which the real one cannot be made to do."""
    return ApiClient("http://api.test", transport=httpx.MockTransport(lambda _: answer))


async def test_its_key_goes_with_every_request_and_without_one_none() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json={"data": [], "stored": True})

    for key in ("convrec-secret", None):
        client = ApiClient("http://api.test", key=key, transport=httpx.MockTransport(answer))
        await client.users()
        await client.send(Feedback("e", "ann", "like", 1.0, "w01"))
    assert seen == ["Bearer convrec-secret"] * 2 + [None] * 2


async def test_who_may_not_see_the_people_sees_none_and_goes_on() -> None:
    refusal = httpx.Response(403, json={"error": {"message": "this needs the scope admin"}})
    assert await _answering(refusal).users() == ()
    with pytest.raises(ApiError, match="admin"):
        await _answering(refusal).domain()


def _streaming(*events: object) -> ApiClient:
    body = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
    return _answering(httpx.Response(200, text=body))


class TestTheRealApi:
    async def test_domain(self, client: ApiClient) -> None:
        domain = await client.domain()
        assert (domain.noun, domain.plural, domain.items, domain.shown) == ("wine", "wines", 30, SHOWN)
        assert domain.example is not None
        assert domain.example[0] == "grape"
        assert domain.example[1] in ("Riesling", "Syrah", "Malbec", "Pinot Noir", "Chardonnay")

    async def test_users(self, client: ApiClient) -> None:
        assert dict(await client.users())["drinker0"] >= 8
        assert len(await client.users(limit=2)) == 2

    async def test_the_slate_comes_before_the_prose(self, client: ApiClient) -> None:
        slate, *prose = await _talk(client, "Recommend some wines", "ui-talker")
        assert isinstance(slate, SlateView)
        assert [card.rank for card in slate.cards] == [1, 2, 3, 4, 5]
        assert all(len(card.attributes) == 2 and card.title for card in slate.cards)
        assert all(card.match is not None and 0 <= card.match <= 1 for card in slate.cards)
        assert slate.session_id
        assert slate.impression_id
        assert prose
        assert all(isinstance(piece, TextDelta) for piece in prose)

    async def test_a_session_goes_on(self, client: ApiClient) -> None:
        first = (await _talk(client, "Riesling wines, please", "ui-guest"))[0]
        assert isinstance(first, SlateView)
        second = (await _talk(client, "something cheaper", "ui-guest", first.session_id))[0]
        assert isinstance(second, SlateView)
        assert second.session_id == first.session_id

    async def test_a_slate_without_its_language_model_says_so(self, client: ApiClient, engine: FakeEngine) -> None:
        engine.fail = True
        try:
            slate = (await _talk(client, "Recommend some wines", "ui-talker"))[0]
        finally:
            engine.fail = False
        assert isinstance(slate, SlateView)
        assert slate.degraded
        assert slate.reason

    async def test_feedback_is_stored_once_and_taken_back(self, client: ApiClient) -> None:
        user_id = "ui/guest é?"  # needs quoting in a path
        assert (await client.person(user_id)).history_length == 0
        like = Feedback("ui-like-1", user_id, "like", 1e9, item_id="w00")
        assert await client.send(like)
        assert not await client.send(like)
        person = await client.person(user_id)
        assert person.history_length == 1
        assert person.liked == (Named("w00", "Amber Hill Riesling Reserve"),)
        await client.send(Feedback("ui-undo-1", user_id, "retraction", 1e9 + 1, retracts="ui-like-1"))
        assert (await client.person(user_id)).liked == ()

    async def test_a_conversation_is_listed_read_named_and_taken_apart(self, client: ApiClient) -> None:
        user_id = "ui keeper"
        slate = (await _talk(client, "Syrah wines, please", user_id))[0]
        assert isinstance(slate, SlateView)
        assert slate.session_id
        assert slate.suggestions
        about = {"session_id": slate.session_id, "impression_id": slate.impression_id}
        await client.send(Feedback("ui-kept", user_id, "save", 1e9, slate.cards[0].item_id, **about))
        await client.rename(user_id, slate.session_id, "Friday")
        (one,), kept = await client.conversations(user_id, 5)
        assert (one.session_id, one.title, one.turns, kept) == (slate.session_id, "Friday", 1, 1)
        past = await client.conversation(user_id, slate.session_id, SHOWN)
        (turn,) = past.turns
        assert turn.slate is not None
        assert [card.item_id for card in turn.slate.cards] == [card.item_id for card in slate.cards]
        assert turn.slate.cards[0].attributes == slate.cards[0].attributes
        assert [(given.event_id, given.type) for given in turn.given] == [("ui-kept", "save")]
        (wish,) = past.wishes
        assert (wish.facet, wish.value) == ("grape", "Syrah")
        assert await client.drop(user_id, slate.session_id, wish) == ()
        await client.take_back(user_id, slate.session_id, slate.turn_id)
        with pytest.raises(ApiError):
            await client.take_back(user_id, slate.session_id, slate.turn_id)

    async def test_a_person_is_met_explained_to_and_forgets(self, client: ApiClient) -> None:
        user_id = "ui newcomer"
        starters = await client.starters(user_id, 4, SHOWN)
        assert len({card.attributes[1] for card in starters}) == 4, "another grape each"
        for n, card in enumerate(starters[:3]):
            await client.send(Feedback(f"ui-new-{n}", user_id, "like", 1e9 + n, card.item_id))
        told = await client.evidence(user_id, "w20", None)
        assert all(fact.kind in ("history", "attribute", "popularity") for fact in told)
        await client.retract(user_id, starters[0].item_id)
        assert [item.item_id for item in (await client.person(user_id)).liked] == [
            starters[2].item_id,
            starters[1].item_id,
        ]
        rows = [{"item_id": "w09", "rating": "4"}, {"item_id": "nothing", "type": "like"}]
        done = await client.bring(user_id, rows)
        assert (done.stored, done.duplicates, [row for row, _ in done.bad]) == (1, 0, [2])
        told = await client.everything(user_id)
        assert len(told["events"]) == 5

    async def test_what_the_api_refuses_is_told_in_its_words(self, client: ApiClient) -> None:
        feedback = Feedback("ui-like-2", "ui-guest", "like", 1e9, item_id="no such wine")
        with pytest.raises(ApiError, match="no such wine"):
            await client.send(feedback)
        with pytest.raises(ApiError, match="type"):
            await client.send(replace(feedback, type="adore"))
        with pytest.raises(ApiError) as refused:
            await _talk(client, "hello", "\x00")
        assert "user_id" in str(refused.value)

    async def test_a_server_that_is_starting_is_unavailable(self) -> None:
        app = create_app(
            RecommenderSlot(detail="loading"), info=ServerInfo(model="fake-lm", version="1", started=1.0)
        )
        client = ApiClient("http://api.test", transport=httpx.ASGITransport(app))
        with pytest.raises(ApiUnavailableError, match="loading"):
            await client.domain()
        with pytest.raises(ApiUnavailableError, match="loading"):
            await _talk(client, "hello", "ui-guest")


def test_attributes_are_those_shown_in_order_as_text() -> None:
    attributes = {"year": 1996, "length": 97.5, "stock": 0, "genre": ["Crime", "Drama"], "blank": "", "none": []}
    entry = {"rank": 1, "item_id": "i", "title": "t", "attributes": attributes, "match": 0.5, "why": ""}
    body = {"session_id": None, "impression_id": "m", "recommendations": [entry]}
    shown = ("genre", "blank", "none", "missing", "year", "stock", "length")
    assert SlateView.read(body, shown).cards[0].attributes == (
        ("genre", ("Crime", "Drama")),
        ("year", ("1996",)),
        ("stock", ("0",)),
        ("length", ("97.5",)),
    )


class TestBrokenAnswers:
    async def test_nobody_listens(self, unused_tcp_port: int) -> None:
        client = ApiClient(f"http://127.0.0.1:{unused_tcp_port}")
        with pytest.raises(ApiUnavailableError, match=f"{unused_tcp_port} does not answer"):
            await client.domain()
        with pytest.raises(ApiUnavailableError, match="does not answer"):
            await _talk(client, "hello", "ui-guest")
        await client.aclose()

    async def test_another_server_is_not_mistaken_for_the_api(self) -> None:
        page = httpx.Response(200, text="<html>router login</html>")
        with pytest.raises(ApiError, match="--api"):
            await _answering(page).domain()
        with pytest.raises(ApiError, match="--api"):
            await _answering(httpx.Response(200, json={"hello": "world"})).domain()
        with pytest.raises(ApiError, match="--api"):
            await _answering(httpx.Response(200, json={})).send(Feedback("e", "ann", "like", 1e9, item_id="i"))
        with pytest.raises(ApiError, match="--api"):
            await _talk(_streaming([1, 2]), "hello", "ui-guest")
        with pytest.raises(ApiError, match="502"):
            await _answering(httpx.Response(502, text="bad gateway")).domain()

    async def test_an_error_after_the_stream_began(self) -> None:
        client = _streaming(_chunk({"content": "Well"}), {"error": {"message": "the engine died"}}, "[DONE]")
        events = client.chat([("user", "hello")], "ui-guest", None, SHOWN)
        assert await anext(events) == TextDelta("Well")
        with pytest.raises(ApiError, match="the engine died"):
            await anext(events)

    async def test_a_stream_that_breaks_off_is_not_a_whole_answer(self) -> None:
        with pytest.raises(ApiUnavailableError, match="broke off"):
            await _talk(_streaming(_chunk({"content": "Well"})), "hello", "ui-guest")

    async def test_a_usage_chunk_has_no_choices(self) -> None:
        client = _streaming(_chunk({"content": "Well"}), {"choices": [], "usage": {}}, "[DONE]")
        assert await _talk(client, "hello", "ui-guest") == [TextDelta("Well")]

    async def test_a_connection_that_is_lost_on_the_way(self) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield b"data: " + json.dumps(_chunk({"content": "Well"})).encode() + b"\n\n"
            raise httpx.ReadError("gone")

        with pytest.raises(ApiUnavailableError, match="does not answer"):
            await _talk(_answering(httpx.Response(200, content=body())), "hello", "ui-guest")


def _chunk(delta: dict[str, str]) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
