"""Team-draft interleaving: what holds of every mix of two rankings, whatever the coin says."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from convrec.ranking.interleaving import team_draft

RANKINGS = st.lists(st.integers(0, 12).map(str), unique=True, max_size=10)
COINS = st.integers(0, 2**32).map(Random)


@given(RANKINGS, RANKINGS, st.integers(0, 24), COINS)
def test_a_mix_holds_each_item_once_and_only_what_its_team_ranks(
    first: list[str], second: list[str], k: int, coin: Random
) -> None:
    mixed = team_draft(first, second, k, coin)
    items = [item for item, _ in mixed]
    assert len(set(items)) == len(items) == min(k, len({*first, *second}))
    assert all(item in (first, second)[team] for item, team in mixed)


@given(RANKINGS, RANKINGS, st.integers(0, 24), COINS)
def test_each_pick_is_the_best_that_its_team_still_could_take(
    first: list[str], second: list[str], k: int, coin: Random
) -> None:
    gone: set[str] = set()
    for item, team in team_draft(first, second, k, coin):
        assert item == next(i for i in (first, second)[team] if i not in gone)
        gone.add(item)


@given(st.permutations([str(n) for n in range(9)]), st.permutations([str(n) for n in range(9)]), COINS)
def test_teams_are_fair_as_long_as_both_can_pick(first: list[str], second: list[str], coin: Random) -> None:
    teams = [team for _, team in team_draft(first, second, 9, coin)]
    for length in range(len(teams) + 1):
        assert abs(teams[:length].count(0) - teams[:length].count(1)) <= 1


@given(RANKINGS, st.integers(0, 10), COINS)
def test_a_ranking_mixed_with_itself_or_with_nothing_is_itself(ranking: list[str], k: int, coin: Random) -> None:
    assert [item for item, _ in team_draft(ranking, ranking, k, coin)] == ranking[:k]
    assert team_draft([], ranking, k, coin) == [(item, 1) for item in ranking[:k]]


def test_the_coin_is_fair() -> None:
    """Of identical rankings neither is favoured: each is first half the time (4 standard errors)."""
    coin = Random(7)
    first = sum(team_draft(["a", "b"], ["a", "b"], 1, coin)[0][1] for _ in range(4_000))
    assert abs(first - 2_000) < 4 * 4_000**0.5 / 2
