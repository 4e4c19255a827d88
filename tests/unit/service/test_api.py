import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from convrec.data.catalogue import Catalogue
from convrec.errors import IndexUnavailableError
from convrec.service.api import create_app
from convrec.service.recommender import Recommender
from convrec.service.requests import RecommendRequest, SlateReady
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.service.views import domain_view
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.types import Domain, Facet, FacetType, Item

PROMPTS = Path(__file__).parents[3] / "prompts"
INFO = ServerInfo(model="fake-lm", version="1.2.3", started=1000.0)


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory, engine: FakeEngine) -> Iterator[Recommender]:
    with small_recommender(tmp_path_factory.mktemp("api"), PROMPTS, engine) as small:
        yield small


@pytest.fixture
def app(recommender: Recommender) -> FastAPI:
    return create_app(RecommenderSlot(recommender), info=INFO)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        yield http


async def _refused(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """The message of an error, after its shape and kind are checked."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    return str(error["message"])


class TestOperations:
    async def test_health_and_ready(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/health")).json() == {"status": "ok"}
        ready = await client.get("/ready")
        assert ready.status_code == 200
        assert {"status": "ready", "model": "fake-lm", "items": 30}.items() <= ready.json().items()

    async def test_a_ledger_that_fails_is_not_ready(self, tmp_path: Path, engine: FakeEngine) -> None:
        with small_recommender(tmp_path, PROMPTS, engine) as small:
            app = create_app(RecommenderSlot(small), info=INFO)
            with sqlite3.connect(tmp_path / "ledger.db") as other:
                other.execute("ALTER TABLE events RENAME TO elsewhere")
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                ready = await client.get("/ready")
            assert (ready.status_code, ready.json()["status"]) == (503, "degraded")
            assert "no such table" in ready.json()["detail"]

    async def test_everything_but_health_waits_for_a_recommender_that_arrives_later(
        self, recommender: Recommender
    ) -> None:
        slot = RecommenderSlot(detail="loading the model")
        app = create_app(slot, info=INFO)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            assert (await client.get("/health")).status_code == 200
            ready = await client.get("/ready")
            assert ready.status_code == 503
            assert {"status": "starting", "detail": "loading the model"}.items() <= ready.json().items()
            assert "loading the model" in await _refused(await client.get("/v1/domain"), 503, "starting")
            assert (await client.get("/v1/models")).status_code == 200
            slot.fill(recommender)
            assert (await client.get("/ready")).status_code == 200
            assert (await client.get("/v1/domain")).status_code == 200

    async def test_a_dead_engine_degrades_and_does_not_refuse(
        self, client: httpx.AsyncClient, engine: FakeEngine
    ) -> None:
        engine.fail = True
        try:
            ready = await client.get("/ready")
            slate = await client.post("/v1/recommendations", json={"user_id": "drinker1"})
        finally:
            engine.fail = False
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert slate.status_code == 200
        assert slate.json()["degraded"] is True
        assert slate.json()["reason"]
        assert [r["interest"] for r in slate.json()["recommendations"]] == [None] * 5

    async def test_metrics_say_what_does_not_train(self, recommender: Recommender) -> None:
        slot = RecommenderSlot(recommender)
        app = create_app(slot, info=INFO)
        slot.left_out = {"user burst": 61}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            text = (await client.get("/metrics")).text
        assert 'convrec_feedback_left_out{reason="user burst"} 61.0' in text
        assert 'convrec_feedback_left_out{reason="not shown"} 0.0' in text

    async def test_metrics_count_what_happened(self, client: httpx.AsyncClient) -> None:
        await client.post("/v1/recommendations", json={"user_id": "m1"})
        await client.post("/v1/feedback", json={"user_id": "m1", "type": "click", "item_id": "w01"})
        await client.get("/v1/items/nothing")
        await client.post(
            "/v1/chat/completions", json={"model": "convrec", "messages": [{"role": "user", "content": "a Syrah"}]}
        )
        text = (await client.get("/metrics")).text
        for line in (
            'convrec_feedback_total{type="click"} 1.0',
            'convrec_errors_total{status="404"} 1.0',
            "convrec_slate_seconds_count 2.0",
            "convrec_turn_seconds_count 1.0",
        ):
            assert line in text.splitlines()
        assert re.search(r'convrec_turns_total\{degraded="false",engine="[^"]+"\} 1\.0', text)

    async def test_openapi_describes_every_route_and_its_errors(self, client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        assert document["info"]["version"] == "1.2.3"
        assert "/v1/chat/completions" in document["paths"]
        for path, methods in document["paths"].items():
            for operation in methods.values():
                assert operation["summary"], path
                assert operation["description"], path
                assert "422" not in operation["responses"], path
                assert "4XX" in operation["responses"], path
                if path.startswith("/v1/") and "OpenAI" not in operation["tags"]:
                    assert {"400", "503"} <= operation["responses"].keys(), path
                    assert len({"chat", "feedback", "admin"} & set(operation["tags"])) == 1, path
        for name in ("ChatCompletionBody", "RecommendationBody", "FeedbackBody", "FeedbackAnswer", "Readiness"):
            assert document["components"]["schemas"][name]["examples"]


class TestCatalogue:
    async def test_domain(self, client: httpx.AsyncClient) -> None:
        domain = (await client.get("/v1/domain")).json()
        assert (domain["noun"], domain["plural"], domain["items"]) == ("wine", "wines", 30)
        assert domain["rating_scale"] == [1.0, 5.0]
        grape, price = domain["facets"]
        assert (grape["name"], grape["type"], "Syrah" in grape["values"]) == ("grape", "set", True)
        assert (price["name"], price["type"], price["bounds"]) == ("price", "range", [5.0, 34.0])

    async def test_item(self, client: httpx.AsyncClient) -> None:
        item = await client.get("/v1/items/w01")
        assert item.json() == {
            "item_id": "w01",
            "title": "Amber Hill Syrah Reserve",
            "attributes": {"grape": ["Syrah"], "price": 6},
        }
        assert "'a/b'" in await _refused(await client.get("/v1/items/a%2Fb"), 404, "not_found")


class TestUsers:
    async def test_list(self, client: httpx.AsyncClient) -> None:
        users = (await client.get("/v1/users", params={"limit": 3})).json()["data"]
        assert len(users) == 3
        assert users[0] == {"user_id": "drinker0", "events": 8}
        await _refused(await client.get("/v1/users", params={"limit": 0}), 400, "invalid_value", "limit")

    async def test_profile(self, client: httpx.AsyncClient) -> None:
        view = (await client.get("/v1/users/drinker1")).json()
        assert view["known"] is True
        assert view["history_length"] == 8
        assert view["history"][0]["timestamp"] > view["history"][-1]["timestamp"]
        assert {"item_id": "w01", "title": "Amber Hill Syrah Reserve"} in view["liked"]
        assert any(b["facet"] == "grape" and b["value"] == "Syrah" and b["weight"] > 0 for b in view["beliefs"])

    async def test_everybody_may_be_new(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/v1/users/some%2Fone%20new")
        assert response.status_code == 200
        assert response.json() == {
            "user_id": "some/one new",
            "known": False,
            "history": [],
            "history_length": 0,
            "liked": [],
            "disliked": [],
            "saved": [],
            "beliefs": [],
            "comments": [],
        }


class TestRecommendations:
    async def test_a_slate_and_its_impression(self, client: httpx.AsyncClient, recommender: Recommender) -> None:
        response = await client.post("/v1/recommendations", json={"user_id": "drinker2", "k": 3})
        slate = response.json()
        assert [r["rank"] for r in slate["recommendations"]] == [1, 2, 3]
        assert (slate["user_id"], slate["session_id"], slate["degraded"]) == ("drinker2", None, False)
        first = slate["recommendations"][0]
        assert first["title"] == recommender.catalogue[first["item_id"]].title
        assert 0 <= first["match"] <= 1
        assert 0 <= first["interest"] <= 1
        assert first["why"]
        assert {fact["kind"] for fact in first["evidence"]} <= {"attribute", "history", "request", "popularity"}
        shown = recommender.ledger.get(slate["impression_id"])
        assert list(shown.slate) == [r["item_id"] for r in slate["recommendations"]]  # type: ignore[union-attr]

    async def test_words_filters_and_exclusions(self, client: httpx.AsyncClient) -> None:
        body = {
            "user_id": "new",
            "query": "a Malbec",
            "filters": [{"facet": "price", "op": "<=", "value": 25}],
            "exclude": ["w02"],
        }
        slate = (await client.post("/v1/recommendations", json=body)).json()
        assert slate["recommendations"]
        for recommendation in slate["recommendations"]:
            assert recommendation["attributes"]["grape"] == ["Malbec"]
            assert recommendation["attributes"]["price"] <= 25
            assert recommendation["item_id"] != "w02"
        assert {"facet": "price", "op": "<=", "value": 25.0, "strength": "must"} in slate["intent"]["constraints"]

    @pytest.mark.parametrize(
        ("wish", "said"),
        [
            ({"facet": "colour", "op": "include", "value": "red"}, "grape, price"),
            ({"facet": "grape", "op": ">=", "value": 3}, "include or exclude"),
            ({"facet": "price", "op": "include", "value": 3}, ">="),
            ({"facet": "price", "op": ">=", "value": "3"}, "a number"),
            ({"facet": "grape", "op": "include", "value": 3}, "text"),
            ({"facet": "grape", "op": "include", "value": "Merlot"}, "no such value"),
        ],
    )
    async def test_a_filter_that_means_nothing_is_refused(
        self, client: httpx.AsyncClient, wish: dict[str, object], said: str
    ) -> None:
        response = await client.post("/v1/recommendations", json={"user_id": "new", "filters": [wish]})
        assert said in await _refused(response, 400, "invalid_value", "filters")

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "user_id"),
            ({"user_id": ""}, "user_id"),
            ({"user_id": " "}, "user_id"),
            ({"user_id": "a\nb"}, "user_id"),
            ({"user_id": "a", "k": 0}, "k"),
            ({"user_id": "a", "k": 21}, "k"),
            ({"user_id": "a", "size": 3}, "size"),
            ({"user_id": "a", "filters": [{"facet": "grape"}]}, "filters.0.op"),
        ],
    )
    async def test_the_error_names_the_part(
        self, client: httpx.AsyncClient, body: dict[str, object], param: str
    ) -> None:
        await _refused(await client.post("/v1/recommendations", json=body), 400, "invalid_value", param)


class TestFeedback:
    async def test_counts_at_once_and_once(self, client: httpx.AsyncClient) -> None:
        event = {"event_id": "f-1", "user_id": "f1", "type": "dislike", "item_id": "w03"}
        assert (await client.post("/v1/feedback", json=event)).json() == {"event_id": "f-1", "stored": True}
        assert (await client.post("/v1/feedback", json=event)).json() == {"event_id": "f-1", "stored": False}
        view = (await client.get("/v1/users/f1")).json()
        assert [entry["item_id"] for entry in view["disliked"]] == ["w03"]
        slate = (await client.post("/v1/recommendations", json={"user_id": "f1", "k": 20})).json()
        assert "w03" not in [r["item_id"] for r in slate["recommendations"]]
        undo = {"user_id": "f1", "type": "retraction", "retracts": "f-1"}
        assert (await client.post("/v1/feedback", json=undo)).json()["stored"] is True
        assert (await client.get("/v1/users/f1")).json()["disliked"] == []

    async def test_the_server_names_events_and_dates_them(
        self, client: httpx.AsyncClient, recommender: Recommender
    ) -> None:
        answers = [
            (
                await client.post(
                    "/v1/feedback", json={"user_id": "f2", "type": "seen", "item_id": "w03", **extra}
                )
            ).json()
            for extra in ({}, {"timestamp": 12.5})
        ]
        first, second = (recommender.ledger.get(answer["event_id"]) for answer in answers)
        assert first.event_id != second.event_id
        assert first.timestamp > 1.7e9
        assert second.timestamp == 12.5

    async def test_feedback_on_a_slate_is_on_what_it_held(self, client: httpx.AsyncClient) -> None:
        slate = (await client.post("/v1/recommendations", json={"user_id": "f9", "k": 3})).json()
        shown = [entry["item_id"] for entry in slate["recommendations"]]
        other = next(f"w{n:02}" for n in range(30) if f"w{n:02}" not in shown)
        event = {"user_id": "f9", "type": "like", "impression_id": slate["impression_id"]}
        refused = await client.post("/v1/feedback", json={**event, "item_id": other})
        assert refused.status_code == 400
        assert "was not in the slate" in refused.json()["error"]["message"]
        assert (await client.post("/v1/feedback", json={**event, "item_id": shown[0]})).json()["stored"] is True
        unknown = {**event, "item_id": other, "impression_id": "nowhere"}
        assert (await client.post("/v1/feedback", json=unknown)).json()["stored"] is True

    async def test_another_event_under_the_same_id_is_a_conflict(self, client: httpx.AsyncClient) -> None:
        event = {"event_id": "f-3", "user_id": "f3", "type": "like", "item_id": "w03"}
        await client.post("/v1/feedback", json=event)
        response = await client.post("/v1/feedback", json={**event, "item_id": "w04"})
        await _refused(response, 409, "event_conflict")

    async def test_an_unknown_item(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/v1/feedback", json={"user_id": "f4", "type": "like", "item_id": "x"})
        await _refused(response, 404, "not_found")

    @pytest.mark.parametrize(
        ("extra", "param"),
        [
            ({"type": "rating", "rating": 6}, "rating"),
            ({"type": "rating", "rating": 0.5}, "rating"),
            ({"type": "adore"}, "type"),
            ({"type": "like", "stars": 5}, "stars"),
            ({"type": "like", "timestamp": -1}, "timestamp"),
            ({"type": "rating"}, None),
            ({"type": "comment"}, None),
            ({"type": "retraction"}, None),
            ({"type": "like", "item_id": None}, None),
            ({"type": "like", "rating": 4}, None),
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, client: httpx.AsyncClient, extra: dict[str, object], param: str | None
    ) -> None:
        response = await client.post("/v1/feedback", json={"user_id": "f5", "item_id": "w03", **extra})
        await _refused(response, 400, "invalid_value", param)


class TestErrors:
    async def test_unknown_routes_and_methods(self, client: httpx.AsyncClient) -> None:
        await _refused(await client.get("/v2/nothing"), 404, "not_found")
        response = await client.delete("/v1/feedback")
        await _refused(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "POST"

    async def test_bodies_that_are_no_json_object(self, client: httpx.AsyncClient) -> None:
        json_type = {"content-type": "application/json"}
        broken = await client.post("/v1/feedback", content=b'{"user_id": ', headers=json_type)
        await _refused(broken, 400, "invalid_json")
        undeclared = await client.post("/v1/feedback", content=b"{}", headers={"content-type": "text/plain"})
        assert "application/json" in await _refused(undeclared, 400, "invalid_body")
        nested = await client.post("/v1/feedback", content=b"[" * 100_000, headers=json_type)
        assert nested.status_code == 400
        assert nested.json()["error"]["type"] == "invalid_request_error"

    async def test_a_large_body_is_refused_whether_it_says_its_length_or_not(
        self, client: httpx.AsyncClient
    ) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * 60_000

        await _refused(await client.post("/v1/feedback", content=b" " * 1_048_577), 413, "request_too_large")
        chunked = await client.post("/v1/feedback", content=chunks(), headers={"content-type": "application/json"})
        await _refused(chunked, 413, "request_too_large")

    async def test_every_answer_has_a_request_id(self, client: httpx.AsyncClient) -> None:
        sane = await client.get("/health", headers={"x-request-id": "trace-1.a_b"})
        assert sane.headers["x-request-id"] == "trace-1.a_b"
        for bad in ("a b", "x" * 129, ""):
            other = await client.get("/v2/nothing", headers={"x-request-id": bad})
            assert re.fullmatch(r"[0-9a-f]{32}", other.headers["x-request-id"])

    async def test_other_origins_are_not_invited(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/domain", headers={"origin": "http://elsewhere.example"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]

    @pytest.mark.parametrize(
        ("error", "status", "code", "message"),
        [
            (IndexUnavailableError("run: convrec index"), 503, "index_unavailable", "run: convrec index"),
            (RuntimeError("the password is 1234"), 500, "internal_error", "internal error"),
        ],
    )
    async def test_what_the_inside_raises(
        self,
        client: httpx.AsyncClient,
        recommender: Recommender,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        error: Exception,
        status: int,
        code: str,
        message: str,
    ) -> None:
        async def fail(_request: RecommendRequest) -> SlateReady:
            raise error

        monkeypatch.setattr(recommender, "recommend", fail)
        response = await client.post(
            "/v1/recommendations", json={"user_id": "u", "query": "a secret wish"}, headers={"x-request-id": "r-7"}
        )
        said = await _refused(response, status, code)
        assert message in said
        assert "1234" not in said
        logged = capsys.readouterr().out
        assert "r-7" in logged
        assert ("RuntimeError" in logged) == (status == 500)
        assert "1234" not in logged
        assert "secret wish" not in logged


def test_a_range_facet_that_holds_text_has_no_bounds() -> None:
    domain = Domain("d", "thing", "things", "use", "used", (), (Facet("size", FacetType.RANGE),), (1.0, 5.0))
    words = Catalogue([Item("a", "A", {"size": "large"}), Item("b", "B", {"size": ("3", "big")})], domain)
    (facet,) = domain_view(words).facets
    assert facet.bounds == (3.0, 3.0)
    nothing = Catalogue([Item("a", "A", {"size": "large"})], domain)
    assert domain_view(nothing).facets[0].bounds is None
