from dataclasses import replace

import numpy as np
import pytest

from convrec.data.catalogue import Catalogue
from convrec.retrieval.hybrid import HybridConfig, HybridRetriever
from convrec.retrieval.index import Index
from convrec.retrieval.signals import Past
from convrec.testing.retriever import HashEmbedder, RetrieverConformance, assert_conforms
from convrec.types import Candidate, Constraint, HistoryEntry, Item, RetrievalQuery


class TestHybridRetriever(RetrieverConformance):
    pass


def history(*item_ids: str, signal: float = 1.0) -> tuple[HistoryEntry, ...]:
    return tuple(HistoryEntry(item_id, signal, float(n)) for n, item_id in enumerate(item_ids))


def ids(candidates: list[Candidate]) -> list[str]:
    return [candidate.item_id for candidate in candidates]


def test_a_history_alone_is_ordered_by_the_learned_combination(retriever: HybridRetriever, index: Index) -> None:
    entries = history("hammer-red", "cup-red", "kettle-red")
    known = list(index.item_ids)
    used = frozenset(entry.item_id for entry in entries)
    rows = np.array([known.index(entry.item_id) for entry in entries])
    columns = np.array([n for n, item_id in enumerate(known) if item_id not in used])
    past = Past(rows, np.ones(3, np.float32), entries[-1].timestamp)
    scores = index.meta.fusion.combine(index.signals.features(past, columns))
    expected = [known[n] for n in columns[np.lexsort((columns, -scores))]]
    found = retriever.retrieve(RetrievalQuery(history=entries, exclude=used), len(known))
    assert ids(found) == expected
    assert {name for candidate in found for name in candidate.parts} == {"history"}


def test_the_latest_item_counts_most(retriever: HybridRetriever) -> None:
    kitchen_last = retriever.retrieve(RetrievalQuery(history=history("hammer-red", "cup-red")), 20)
    workshop_last = retriever.retrieve(RetrievalQuery(history=history("cup-red", "hammer-red")), 20)
    assert ids(kitchen_last)[0] in {"kettle-red", "teapot-red", "saucer-red", "spoon-red"}
    assert ids(workshop_last)[0] in {"drill-red", "saw-red", "chisel-red", "plane-red"}


def test_a_dislike_moves_what_is_like_it_down(retriever: HybridRetriever) -> None:
    liked = history("cup-red", "hammer-red")
    disliked = (*liked, HistoryEntry("kettle-red", -1.0, 9.0))
    barred = frozenset({"cup-red", "hammer-red", "kettle-red"})
    before = ids(retriever.retrieve(RetrievalQuery(history=liked, exclude=barred), 20))
    after = ids(retriever.retrieve(RetrievalQuery(history=disliked, exclude=barred), 20))
    assert after.index("saucer-red") > before.index("saucer-red")
    assert after.index("saw-red") < after.index("saucer-red")


def test_a_stranger_gets_what_is_popular(retriever: HybridRetriever, index: Index) -> None:
    users = dict(zip(index.item_ids, index.signals.popularity.counts_N, strict=True))
    counts = [users[i] for i in ids(retriever.retrieve(RetrievalQuery(), 20))]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[9] > counts[-1] == 0


@pytest.mark.parametrize("entries", [history("cup-blue"), history("cup-red", signal=-1.0)])
def test_a_history_that_tells_nothing_wanted_leaves_it_to_popularity(
    retriever: HybridRetriever, entries: tuple[HistoryEntry, ...]
) -> None:
    assert "popularity" in retriever.retrieve(RetrievalQuery(history=entries), 1)[0].parts


def test_words_find_items_without_interactions(retriever: HybridRetriever) -> None:
    assert ids(retriever.retrieve(RetrievalQuery(text="a blue saucer"), 3))[0] == "saucer-blue"


def test_words_matter_beside_a_history(retriever: HybridRetriever) -> None:
    query = RetrievalQuery(history=history("hammer-red", "saw-red"), exclude=frozenset({"hammer-red", "saw-red"}))
    assert ids(retriever.retrieve(query, 1))[0] in {"drill-red", "chisel-red", "plane-red"}
    assert ids(retriever.retrieve(replace(query, text="blue teapot"), 1)) == ["teapot-blue"]


def test_a_named_item_draws_its_kind_and_a_rejected_one_repels_it(retriever: HybridRetriever) -> None:
    like = ids(retriever.retrieve(RetrievalQuery(seeds={"cup-red": 1.0}), 20))
    unlike = ids(retriever.retrieve(RetrievalQuery(seeds={"cup-red": -1.0}), 20))
    assert "cup-red" not in like + unlike
    assert like.index("kettle-red") < like.index("drill-red")
    assert unlike.index("kettle-red") > unlike.index("drill-red")


def test_a_named_item_without_interactions_draws_by_its_description(retriever: HybridRetriever) -> None:
    found = retriever.retrieve(RetrievalQuery(seeds={"saw-blue": 1.0}), 20)
    content = {candidate.item_id: candidate.parts["content"] for candidate in found}
    assert content["saw-red"] > content["cup-red"]
    assert ids(found).index("hammer-blue") < ids(found).index("spoon-blue")


def test_wishes_move_scores_and_do_not_filter(retriever: HybridRetriever) -> None:
    query = RetrievalQuery(history=history("cup-red"), exclude=frozenset({"cup-red"}))
    prefer = replace(query, constraints=(Constraint("room", "include", "workshop", "prefer"),))
    avoid = replace(query, constraints=(Constraint("room", "include", "kitchen", "avoid"),))
    for wish in (prefer, avoid):
        found = retriever.retrieve(wish, 20)
        assert len(found) == 19
        assert all(
            item_id.split("-")[0] in {"drill", "saw", "hammer", "chisel", "plane"} for item_id in ids(found)[:10]
        )


def test_a_must_that_the_pool_misses_is_met_from_the_whole_catalogue(
    world_retriever: HybridRetriever, catalogue: Catalogue
) -> None:
    musts = (Constraint("price", ">=", 100.0, "must"), Constraint("room", "exclude", "kitchen", "must"))
    query = RetrievalQuery(history=history("cup-red"), constraints=musts)
    found = world_retriever.retrieve(query, 4)
    assert_conforms(found, query, 4, catalogue)
    assert {item_id.split("-")[1] for item_id in ids(found)} == {"blue"}


@pytest.fixture
def world_retriever(index: Index, catalogue: Catalogue) -> HybridRetriever:
    return HybridRetriever(index, catalogue, HashEmbedder(), HybridConfig(pool=2))


def test_items_that_came_and_went_since_the_index_was_built(index: Index, catalogue: Catalogue) -> None:
    new = Item("ladle", "red ladle", {"room": ("kitchen",)})
    changed = Catalogue(
        [new, *(item for item_id, item in catalogue.items() if item_id != "cup-red")], catalogue.domain
    )
    query = RetrievalQuery(text="red cup", history=history("kettle-red"))
    found = HybridRetriever(index, changed, HashEmbedder()).retrieve(query, 20)
    assert_conforms(found, query, 20, changed)
    assert "ladle" in ids(found)
    assert "cup-red" not in ids(found)


def test_similar_is_what_a_history_item_adds(retriever: HybridRetriever, index: Index) -> None:
    row = {item_id: n for n, item_id in enumerate(index.item_ids)}
    weights_N_N = index.signals.behaviour.exact_N_N
    assert weights_N_N is not None
    kettle, drill = retriever.similar("cup-red", ["kettle-red", "drill-red"])
    assert kettle == pytest.approx(float(weights_N_N[row["kettle-red"], row["cup-red"]]))
    assert kettle > 0 >= drill


def test_rescoring_is_retrieving_among_the_same_candidates(retriever: HybridRetriever) -> None:
    said = history("kettle-red", "drill-red", "cup-blue")
    for query in (
        RetrievalQuery(history=said),
        RetrievalQuery(text="red cup", history=said, seeds={"bowl-red": 1.0, "pan-blue": -1.0}),
    ):
        found = retriever.retrieve(query, 8)
        ids = [c.item_id for c in found]
        less = RetrievalQuery(query.text, said[1:], query.seeds, now=9.0)
        same, other = retriever.rescore(query, ids, [query, less])
        assert same == pytest.approx([c.score for c in found])
        assert other != pytest.approx(same)
    (empty,) = retriever.rescore(query, [], [query])
    assert empty == []


def test_an_item_that_does_not_qualify_is_rescored_too(retriever: HybridRetriever) -> None:
    query = RetrievalQuery(history=history("kettle-red"), exclude=frozenset({"cup-red"}))
    ((barred,),) = retriever.rescore(query, ["cup-red"], [query])
    assert barred == pytest.approx(
        retriever.retrieve(RetrievalQuery(history=history("kettle-red")), 1)[0].score
    ) or (barred > 0)


def test_a_candidate_tells_what_is_expected_of_the_person(retriever: HybridRetriever) -> None:
    said = (HistoryEntry("kettle-red", 1.0, 0.0, 1.0), HistoryEntry("drill-red", 0.6, 1.0, 0.25))
    query = RetrievalQuery(history=said)
    cup, unknown = retriever.assess(query, ["cup-red", "no such item"])
    assert cup.expected is not None
    assert 0.0 <= cup.expected <= 1.0
    assert unknown.expected is None
    found = {c.item_id: c for c in retriever.retrieve(query, 40)}
    assert found["cup-red"].expected == cup.expected
