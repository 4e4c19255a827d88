"""Why an item, why not an item: through the API and in a chat."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from convrec.dialogue.influence import without
from convrec.dialogue.state import retrieval_query
from convrec.dialogue.titles import mentions_outside
from convrec.ledger.profile import build_profile
from convrec.ranking.blend import Blend
from convrec.ranking.ranker import RankingVersion
from convrec.service.api import create_app
from convrec.service.recommender import Recommender
from convrec.service.requests import ChatRequest, RecommendRequest, ReplyDelta, SlateReady
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.types import SessionState

PROMPTS = Path(__file__).parents[3] / "prompts"
USER = "drinker1"


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recommender]:
    with small_recommender(tmp_path_factory.mktemp("explain"), PROMPTS, FakeEngine()) as small:
        yield small


@pytest.fixture
async def client(recommender: Recommender) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(RecommenderSlot(recommender), info=ServerInfo("fake-lm", "1", 0.0))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        yield http


async def ask(client: httpx.AsyncClient, **body: str) -> dict:
    response = await client.post("/v1/explain", json={"user_id": USER, **body})
    assert response.status_code == 200, response.text
    return response.json()


async def turn(recommender: Recommender, message: str, session: str) -> tuple[SlateReady, str]:
    ready, text = None, ""
    async for event in recommender.chat(ChatRequest(USER, message, session)):
        if isinstance(event, SlateReady):
            ready = event
        elif isinstance(event, ReplyDelta):
            text += event.text
    assert ready is not None
    return ready, text


async def test_what_is_shown_is_explained_as_on_its_slate(
    client: httpx.AsyncClient, recommender: Recommender
) -> None:
    slate = (await recommender.recommend(RecommendRequest(USER))).slate
    first = slate.recommendations[1]
    told = await ask(client, item_id=first.item.item_id)
    assert (told["shown"], told["rank"], told["bars"]) == (True, 2, [])
    assert told["score"] == pytest.approx(first.score)
    assert told["interest"] == first.interest
    assert told["shown_score"] == pytest.approx(slate.recommendations[-1].score)
    assert told["answer"] == "The wine you ask about is number 2 of the wines shown."


async def test_an_effect_is_what_the_served_score_loses(
    client: httpx.AsyncClient, recommender: Recommender
) -> None:
    version = recommender.version
    recommender.switch(RankingVersion(Blend(w_retrieval=3.0)))
    try:
        item_id = (await recommender.recommend(RecommendRequest(USER))).slate.recommendations[0].item.item_id
        told = await ask(client, item_id=item_id)
        cited = [e for e in told["evidence"] if e["kind"] == "history"]
        assert cited
        assert [e["effect"] for e in cited] == sorted((e["effect"] for e in cited), reverse=True)
        profile = build_profile(USER, recommender.ledger.feedback(USER), (1.0, 5.0))
        query = retrieval_query(SessionState(), profile)
        less = without(query, {cited[0]["item_id"]})
        retriever = recommender._retriever
        ((whole,), (rest,)) = retriever.rescore(query, [item_id], [query, less])
        assert cited[0]["effect"] == pytest.approx(3.0 * (whole - rest), rel=1e-3)
    finally:
        recommender.switch(version)


async def test_where_the_model_has_weight_its_part_of_the_effect_counts(tmp_path: Path) -> None:
    def moody(prefix: str, segment: str) -> float:
        return (1 + len(prefix) % 7) / 10

    with small_recommender(tmp_path, PROMPTS, FakeEngine(scores=moody)) as recommender:
        item_id = (await recommender.recommend(RecommendRequest(USER))).slate.recommendations[0].item.item_id
        effects = []
        for weight in (0.0, 5.0):
            recommender.switch(RankingVersion(Blend(w_interest=weight)))
            placement = await recommender.explain(USER, item_id)
            effects.append({e.item_id: e.effect for e in placement.evidence if e.effect is not None})
    alone, both = effects
    assert alone
    assert set(alone) == set(both)
    assert any(both[i] != pytest.approx(alone[i]) for i in alone)


async def test_what_is_barred_says_by_what(client: httpx.AsyncClient, recommender: Recommender) -> None:
    known = recommender.ledger.feedback(USER)[0].item_id
    assert known is not None
    told = await ask(client, item_id=known)
    assert (told["shown"], told["rank"]) == (False, None)
    assert [(b["kind"], b["detail"]) for b in told["bars"]] == [("known", "liked")]

    await turn(recommender, "a Riesling under 20", "bars")
    syrah = next(
        item_id
        for item_id, wine in recommender.catalogue.items()
        if wine.values("grape") == ("Syrah",) and wine.numbers("price")[0] > 20
    )
    told = await ask(client, item_id=syrah, session_id="bars")
    failed = {b["constraint"]["facet"]: b["constraint"] for b in told["bars"] if b["kind"] == "constraint"}
    assert set(failed) == {"grape", "price"}
    assert failed["grape"]["value"] == "Riesling"


async def test_what_ranks_behind_says_its_place_and_the_last_one_shown(
    client: httpx.AsyncClient, recommender: Recommender
) -> None:
    ready = await recommender.recommend(RecommendRequest(USER))
    behind = ready.slate.scored[8].item_id
    told = await ask(client, item_id=behind)
    assert (told["shown"], told["rank"], told["bars"]) == (False, 9, [])
    assert told["score"] < told["shown_score"]
    assert "is number 9 for you" in told["answer"]


async def test_an_unknown_item_and_a_stranger(client: httpx.AsyncClient) -> None:
    missing = await client.post("/v1/explain", json={"user_id": USER, "item_id": "nothing"})
    assert missing.status_code == 404
    stranger = await client.post("/v1/explain", json={"user_id": "never seen", "item_id": "w01"})
    assert stranger.status_code == 200
    assert all(e["kind"] != "history" for e in stranger.json()["evidence"])
    assert (await client.post("/v1/explain", json={"user_id": USER})).status_code == 400


async def test_asking_in_a_chat_answers_in_words_without_naming_what_is_not_shown(
    recommender: Recommender,
) -> None:
    first, _ = await turn(recommender, "a Riesling", "why")
    wine = next(w for w in recommender.catalogue.values() if w.values("grape") == ("Malbec",))
    ready, text = await turn(recommender, f"why not {wine.title}?", "why")
    assert ready.intent.kind == "why"
    assert text.startswith("The wine you ask about is left out because")
    assert "you asked for Riesling" in text
    shown = [r.item.item_id for r in ready.slate.recommendations]
    assert mentions_outside(text, shown, recommender.catalogue) == []
    assert set(shown) == {r.item.item_id for r in first.slate.recommendations}  # a question changes nothing


async def test_why_this_is_answered_by_its_place(recommender: Recommender) -> None:
    first, _ = await turn(recommender, "a Riesling", "why this")
    title = first.slate.recommendations[0].item.title
    ready, text = await turn(recommender, f"why {title}?", "why this")
    assert ready.intent.kind == "why"
    assert text.startswith("The wine you ask about is number 1 of the wines shown.")
