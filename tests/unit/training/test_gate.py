"""What the gate lets pass, by f that are made up: of a model that knows, one that lies, guesses, is paid."""

import math
from dataclasses import replace

import numpy as np
import pytest

from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.training.gate import GateConfig, judge
from convrec.types import Profile, SessionState

USERS, ITEMS = 200, 12


def world(seed: int = 0, users: int = USERS) -> list[Example]:
    """Everybody wants one of twelve items; retrieval has an idea which."""
    random = np.random.default_rng(seed)
    examples = []
    for user in range(users):
        chosen = int(random.integers(ITEMS))
        scores = random.normal(size=ITEMS) + 1.0 * (np.arange(ITEMS) == chosen)
        labels = tuple(float(n == chosen) for n in range(ITEMS))
        ids = tuple(f"i{n:02}" for n in range(ITEMS))
        context = RankingContext(Profile(f"u{user}"), SessionState())
        examples.append(
            Example(f"u{user}", float(user), context, ids, tuple(map(float, scores)), labels, (1.0,) * ITEMS)
        )
    return examples


def interests(examples: list[Example], knowledge: float, seed: int = 1) -> list[list[float]]:
    """f of a model that knows that much beyond retrieval."""
    random = np.random.default_rng(seed)
    return [
        [1 / (1 + math.exp(-(random.normal() + knowledge * (label - 0.5)))) for label in example.labels]
        for example in examples
    ]


EXAMPLES = world()
NONE, SOME, MUCH = (interests(EXAMPLES, knowledge) for knowledge in (0.0, 1.5, 3.0))


def test_one_that_knows_what_retrieval_does_not_passes() -> None:
    verdict = judge(EXAMPLES, SOME, None, 0.4)
    assert verdict.accepted, verdict.reasons
    assert verdict.blend.w_interest > 0
    difference = verdict.metrics["ndcg@10"]["offers: adapter - retrieval"]
    assert 0 < difference["low"] < difference["difference"] < difference["high"]
    assert verdict.metrics["examples"] == verdict.metrics["users"] == USERS


def test_it_must_not_be_worse_than_the_active_one() -> None:
    better = judge(EXAMPLES, MUCH, SOME, 0.4)
    assert better.accepted, better.reasons
    worse = judge(EXAMPLES, SOME, MUCH, 0.4)
    assert not worse.accepted
    assert "adapter - active" in worse.reasons[0]


@pytest.mark.parametrize("seed", range(8))
def test_labels_at_random_are_rejected(seed: int) -> None:
    verdict = judge(EXAMPLES, interests(EXAMPLES, 0.0, seed + 10), None, 0.4)
    assert not verdict.accepted
    assert any("rises for sure against neither" in reason for reason in verdict.reasons)


def test_labels_flipped_are_rejected() -> None:
    verdict = judge(EXAMPLES, interests(EXAMPLES, -3.0), None, 0.4)
    assert not verdict.accepted
    assert verdict.blend.w_interest == 0.0


def test_fake_users_who_push_an_item_do_not_get_it_everywhere() -> None:
    """5 % of the users, all for i07, and an adapter that learned from their like to put it first."""
    fakes = [
        Example(
            f"fake{n}",
            0.0,
            e.context,
            e.item_ids,
            e.retrieval,
            tuple(float(i == 7) for i in range(ITEMS)),
            e.weights,
        )
        for n, e in enumerate(world(seed=5, users=USERS // 20))
    ]
    examples = [*EXAMPLES, *fakes]
    pushed = [
        [0.97 if item_id == "i07" else value for item_id, value in zip(e.item_ids, values, strict=True)]
        for e, values in zip(examples, [*SOME, *interests(fakes, 0.0)], strict=True)
    ]
    verdict = judge(examples, pushed, None, 0.4)
    assert not verdict.accepted
    assert any("item i07" in reason for reason in verdict.reasons), verdict.reasons


def test_a_match_that_promises_more_than_happens_is_rejected() -> None:
    strict = GateConfig(calibration=-1.0)
    verdict = judge(EXAMPLES, SOME, None, 0.4, strict)
    assert not verdict.accepted
    assert "calibration error" in verdict.reasons[0]


def test_too_little_to_go_by_is_no_reason_to_promote() -> None:
    assert "only 20 held-out" in judge(EXAMPLES[:20], MUCH[:20], None, 0.4).reasons[0]
    one = [Example("u", 0.0, e.context, e.item_ids, e.retrieval, e.labels, e.weights) for e in EXAMPLES]
    assert "all of one user" in judge(one, MUCH, None, 0.4).reasons[0]


def test_slates_on_which_nothing_was_wanted_are_passed_over() -> None:
    refused = [
        Example(f"r{n}", 0.0, e.context, e.item_ids, e.retrieval, (0.0,) * ITEMS, e.weights)
        for n, e in enumerate(world(seed=9, users=50))
    ]
    verdict = judge([*refused, *EXAMPLES], [*interests(refused, 0.0), *SOME], None, 0.4)
    assert verdict.accepted
    assert verdict.metrics["examples"] == USERS


def rated(users: int = USERS) -> list[Example]:
    """Everybody has an opinion on all twelve items; retrieval scores are of another size there, and know none."""
    random = np.random.default_rng(3)
    return [
        replace(
            example,
            labels=tuple(float(label) for label in random.integers(0, 5, ITEMS) / 4),
            retrieval=tuple(float(100 * score) for score in random.normal(size=ITEMS)),
            offered=False,
        )
        for example in world(seed=4, users=users)
    ]


def test_opinions_are_judged_for_themselves_and_do_not_move_the_blend() -> None:
    opinions = rated()
    verdict = judge([*EXAMPLES, *opinions], [*SOME, *interests(opinions, 3.0)], None, 0.4)
    assert verdict.accepted, verdict.reasons
    assert verdict.blend == judge(EXAMPLES, SOME, None, 0.4).blend
    figures = verdict.metrics["ndcg@10"]
    assert {"offers: retrieval", "opinions: retrieval", "opinions: adapter - retrieval"} <= figures.keys()


def test_falling_in_one_kind_is_enough_to_be_rejected() -> None:
    opinions = [replace(example, retrieval=tuple(label / 100 for label in example.labels)) for example in rated()]
    verdict = judge([*EXAMPLES, *opinions], [*SOME, *interests(opinions, -3.0)], None, 0.4)
    assert not verdict.accepted
    assert "opinions: adapter - retrieval" in verdict.reasons[0]
    assert "may fall" in verdict.reasons[0]
    assert any("offers: adapter - retrieval" in reason for reason in verdict.reasons[1:]), (
        "it is told all the same"
    )
