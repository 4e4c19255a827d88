import math

import pytest
import torch

from convrec.ranking.base import RankingContext
from convrec.ranking.examples import Example
from convrec.training.objective import example_loss, fit_offset
from convrec.types import Profile, SessionState


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


X, OFFSET, LABEL, WEIGHT = tensor(1.0, -2.0), tensor(0.5, 0.25), tensor(1.0, 0.0), tensor(1.0, 0.5)


def bce(logit: float, label: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -(label * math.log(p) + (1 - label) * math.log(1 - p))


def test_bce_is_the_weighted_mean_over_items() -> None:
    expected = (bce(1.0, 1) + 0.5 * bce(-2.0, 0)) / 1.5
    assert float(example_loss("bce", X, OFFSET, LABEL, WEIGHT)) == pytest.approx(expected)


def test_the_offset_is_added_to_the_logit() -> None:
    expected = (bce(1.5, 1) + 0.5 * bce(-1.75, 0)) / 1.5
    assert float(example_loss("bce+offset", X, OFFSET, LABEL, WEIGHT)) == pytest.approx(expected)


def test_softmax_is_over_the_candidates_and_shares_what_was_wanted() -> None:
    wanted, other = math.exp(1.5), math.exp(-1.75)
    first = -math.log(wanted / (wanted + other))
    second = -math.log(other / (wanted + other))
    assert float(example_loss("softmax", X, OFFSET, LABEL, WEIGHT)) == pytest.approx(first)
    both = example_loss("softmax", X, OFFSET, tensor(1.0, 1.0), WEIGHT)
    assert float(both) == pytest.approx((first + second) / 2)


def test_softmax_of_a_slate_that_nobody_wanted_teaches_nothing() -> None:
    assert float(example_loss("softmax", X, OFFSET, tensor(0.0, 0.0), WEIGHT)) == 0.0


@pytest.mark.parametrize("objective", ["bce", "bce+offset", "softmax"])
def test_a_step_down_the_gradient_raises_what_was_wanted(objective: str) -> None:
    x = X.clone().requires_grad_()
    example_loss(objective, x, OFFSET, LABEL, WEIGHT).backward()
    assert x.grad is not None
    assert x.grad[0] < 0 < x.grad[1]


def test_the_offset_gives_the_odds_that_retrieval_gives() -> None:
    """Of items at score 1 three in four are wanted, at score 0 one in four: odds 3 and 1/3."""
    context = RankingContext(Profile("u"), SessionState())
    scores, labels = (1.0,) * 4 + (0.0,) * 4, (1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    ids = tuple(f"i{n}" for n in range(8))
    example = Example("u", 0.0, context, ids, scores, labels, (1.0,) * 8)
    (found,) = fit_offset([example] * 50).on([example])
    assert found.offset == pytest.approx([math.log(3)] * 4 + [math.log(1 / 3)] * 4, abs=0.01)
    assert fit_offset([]).on([example])[0].offset == (0.0,) * 8
