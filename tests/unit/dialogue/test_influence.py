"""What history items carry: exact where it can be, and adding up wherever it is sampled."""

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convrec.dialogue.influence import effects, leave_one_out, shapley, without
from convrec.types import Candidate, HistoryEntry, RetrievalQuery


class Game:
    """A Retriever whose score is any function of the set of items that are known."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.asked = 0

    def value(self, known: frozenset[str], item_id: str) -> float:
        weights = [hash((self._seed, item_id, i)) % 100 / 10 for i in sorted(known)]
        pairs = [hash((self._seed, a, b)) % 50 / 10 for a, b in itertools.combinations(sorted(known), 2)]
        return sum(weights) - sum(pairs)

    def retrieve(self, query: RetrievalQuery, k: int) -> list[Candidate]:
        return []

    def similar(self, item_id: str, others: Sequence[str]) -> list[float]:
        return []

    def rescore(
        self, query: RetrievalQuery, item_ids: Sequence[str], variants: Sequence[RetrievalQuery]
    ) -> list[list[float]]:
        self.asked += len(variants)
        known = [frozenset({*(h.item_id for h in v.history), *v.seeds}) for v in variants]
        return [[self.value(k, i) for i in item_ids] for k in known]


def query_of(n: int) -> tuple[RetrievalQuery, list[str]]:
    others = [f"h{i}" for i in range(n)]
    return RetrievalQuery(history=tuple(HistoryEntry(i, 1.0, float(t)) for t, i in enumerate(others))), others


@given(st.integers(0, 12), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_shapley_values_add_up_to_what_all_carry_together(n: int, seed: int) -> None:
    game = Game(seed)
    query, others = query_of(n)
    for item_id, values in zip(("x", "y"), shapley(game, query, ["x", "y"], others) if n else [], strict=False):
        whole = game.value(frozenset(others), item_id) - game.value(frozenset(), item_id)
        assert sum(values.values()) == pytest.approx(whole)


def test_up_to_eight_they_are_exact() -> None:
    game = Game(7)
    query, others = query_of(4)
    (values,) = shapley(game, query, ["x"], others)
    for player in others:
        expected = 0.0
        for order in itertools.permutations(others):
            before = frozenset(order[: order.index(player)])
            expected += game.value(before | {player}, "x") - game.value(before, "x")
        assert values[player] == pytest.approx(expected / math.factorial(4))


def test_beyond_eight_they_cost_a_bounded_number_of_scores_and_are_near() -> None:
    game = Game(3)
    query, others = query_of(9)
    (sampled,) = shapley(game, query, ["x"], others, permutations=400)
    assert game.asked <= 400 * 9 + 1
    orders = list(itertools.islice(itertools.permutations(others), 0, None, 97))
    for player in others:
        known = [frozenset(order[: order.index(player)]) for order in orders]
        exact = sum(game.value(k | {player}, "x") - game.value(k, "x") for k in known) / len(known)
        assert sampled[player] == pytest.approx(exact, abs=1.5)


def test_leaving_one_out_is_the_difference_that_it_makes() -> None:
    game = Game(1)
    query, others = query_of(5)
    (falls,) = leave_one_out(game, query, ["x"], others)
    whole = game.value(frozenset(others), "x")
    assert falls == {o: pytest.approx(whole - game.value(frozenset(others) - {o}, "x")) for o in others}


def test_nothing_known_carries_nothing() -> None:
    query, _ = query_of(0)
    assert effects("shapley", Game(0), query, ["x", "y"], []) == [{}, {}]
    assert effects("leave-one-out", Game(0), query, [], ["h0"]) == []


def test_what_is_left_out_was_never_met_but_stays_barred() -> None:
    query = RetrievalQuery(
        history=(HistoryEntry("a", 1.0, 1.0), HistoryEntry("b", 1.0, 5.0)),
        seeds={"c": 1.0},
        exclude=frozenset("abc"),
    )
    less = without(query, {"b", "c"})
    assert ([h.item_id for h in less.history], dict(less.seeds)) == (["a"], {})
    assert less.exclude == query.exclude
    assert less.now == 5.0  # the moment is the same without the latest entry
