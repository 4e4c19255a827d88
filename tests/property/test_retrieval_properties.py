"""What holds for every query, on random catalogues with and without interactions."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from convrec.data.catalogue import Catalogue
from convrec.retrieval.behaviour import BehaviourConfig, ease_weights, factorise, local_gram
from convrec.retrieval.hybrid import HybridConfig, HybridRetriever
from convrec.retrieval.index import build_index, open_index
from convrec.retrieval.sequences import Sequences
from convrec.testing.retriever import HashEmbedder, assert_conforms
from convrec.types import (
    Constraint,
    Domain,
    Facet,
    FacetType,
    FeedbackEvent,
    FeedbackType,
    HistoryEntry,
    Item,
    RetrievalQuery,
)

WORDS = ["red", "blue", "old", "new", "big", "small"]
FACETS = (Facet("kind", FacetType.SET), Facet("size", FacetType.RANGE))
DOMAIN = Domain("things", "thing", "things", "use", "used", ("kind",), FACETS, (1.0, 5.0))
ITEM_IDS = st.sampled_from([f"i{n}" for n in range(44)])  # four more than there are
SIGNALS = st.floats(-1.0, 1.0, allow_nan=False)

set_constraints = st.builds(
    Constraint,
    st.just("kind"),
    st.sampled_from(["include", "exclude"]),
    st.sampled_from([*WORDS, "unheard of"]),
    st.sampled_from(["must", "prefer", "avoid"]),
)
range_constraints = st.builds(
    Constraint,
    st.just("size"),
    st.sampled_from([">=", "<=", ">", "<"]),
    st.floats(-1.0, 11.0),
    st.sampled_from(["must", "prefer", "avoid"]),
)
queries = st.builds(
    RetrievalQuery,
    text=st.sampled_from(["", " ", "a red one", "xyzzy", "new new new"]),
    history=st.lists(st.builds(HistoryEntry, ITEM_IDS, SIGNALS, st.just(0.0)), max_size=40).map(tuple),
    seeds=st.dictionaries(ITEM_IDS, SIGNALS, max_size=3),
    constraints=st.lists(set_constraints | range_constraints, max_size=3).map(tuple),
    exclude=st.frozensets(ITEM_IDS, max_size=30),
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    source = random.Random(5)
    return Catalogue(
        (
            Item(
                f"i{n}",
                " ".join(source.choices(WORDS, k=3)),
                {"kind": tuple(source.sample(WORDS, 2)), "size": float(source.randrange(11))},
            )
            for n in range(40)
        ),
        DOMAIN,
    )


@pytest.fixture(scope="module", params=["busy", "silent"])
def retriever(
    request: pytest.FixtureRequest, catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HybridRetriever]:
    source = random.Random(6)
    events = [
        FeedbackEvent(f"e{n}", f"u{source.randrange(50)}", FeedbackType.CLICK, 0.0, f"i{source.randrange(30)}")
        for n in range(800 if request.param == "busy" else 0)
    ]
    folder, embedder = tmp_path_factory.mktemp("index"), HashEmbedder()
    build_index(folder, catalogue, events, embedder, BehaviourConfig(regularisation=5.0, dimensions=8))
    with open_index(folder, embedder) as index:
        # A pool smaller than the catalogue, so that both ways of finding items are taken.
        yield HybridRetriever(index, catalogue, embedder, HybridConfig(pool=6))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=queries, k=st.integers(1, 50))
def test_candidates_conform_and_are_deterministic(
    retriever: HybridRetriever, catalogue: Catalogue, query: RetrievalQuery, k: int
) -> None:
    found = retriever.retrieve(query, k)
    assert_conforms(found, query, k, catalogue)
    assert retriever.retrieve(query, k) == found
    assert all(np.isfinite(candidate.score) for candidate in found)


@settings(max_examples=60, deadline=None)
@given(
    users=st.lists(st.lists(st.integers(0, 7), unique=True, max_size=8), max_size=12),
    locality=st.floats(0.0, 1.0),
    regularisation=st.floats(0.1, 1000.0),
    rank=st.integers(1, 12),
)
@example(users=[[2], *[list(range(8))] * 6], locality=0.0, regularisation=983.6640625, rank=5)  # ties
def test_ease_and_its_factors(users: list[list[int]], locality: float, regularisation: float, rank: int) -> None:
    items = np.array([item for user in users for item in user], np.int64)
    starts = np.cumsum([0, *(len(user) for user in users)])
    chosen = Sequences(starts, items, np.zeros(len(items)), np.ones(len(items), np.float32))
    weights = ease_weights(local_gram(chosen, 8, BehaviourConfig(locality=locality)), regularisation)
    assert np.isfinite(weights).all()
    assert not np.diag(weights).any()
    unused = sorted(set(range(8)) - set(items.tolist()))
    assert not weights[unused].any()
    assert not weights[:, unused].any()
    left, right = factorise(weights, rank)
    assert left.shape == right.shape == (8, min(rank, 8))
    lost = np.linalg.svd(weights, compute_uv=False)[min(rank, 8) :]
    assert np.linalg.norm(weights - left @ right.T) == pytest.approx(np.linalg.norm(lost), abs=1e-4)
