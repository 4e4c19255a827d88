import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from convrec.evaluation.clustered import Trials, difference, share

users = st.dictionaries(
    st.integers(0, 30).map(str),
    st.tuples(st.integers(0, 6), st.integers(1, 6)).map(lambda pair: (min(pair), pair[1])),
    max_size=20,
)


def _wilson(p: float, n: float, z: float) -> tuple[float, float]:
    """The roots of (x - p)^2 = z^2 x (1 - x) / n, by a solver."""
    low, high = sorted(np.roots([1 + z * z / n, -(2 * p + z * z / n), p * p]).real)
    return float(low), float(high)


def test_people_with_one_slate_each_are_as_good_as_their_number() -> None:
    of = share(Trials({str(user): (int(user < 12), 1) for user in range(40)}))
    assert (of.hits, of.trials, of.users, of.value) == (12, 40, 40, 0.3)
    # The variance over people has one degree less.
    assert (of.low, of.high) == pytest.approx(_wilson(0.3, 39, student.ppf(0.975, 39)))


def test_slates_of_one_mind_count_as_one() -> None:
    once = share(Trials({str(user): (int(user < 12), 1) for user in range(40)}))
    ten = share(Trials({str(user): (10 * int(user < 12), 10) for user in range(40)}))
    assert (ten.value, ten.low, ten.high) == pytest.approx((once.value, once.low, once.high))
    mixed = share(Trials({str(user): (3, 10) for user in range(40)}))
    assert mixed.low > ten.low
    assert mixed.high < ten.high


def test_no_hit_is_not_sure_to_be_none() -> None:
    of = share(Trials({str(user): (0, 5) for user in range(10)}))
    assert (of.value, of.low) == (0.0, 0.0)
    assert (0.0, of.high) == pytest.approx(_wilson(0.0, 10, student.ppf(0.975, 9)))
    assert of.high == pytest.approx(0.3385, abs=1e-4)


def test_one_person_and_nobody_tell_nothing_of_others() -> None:
    one = share(Trials({"ann": (3, 4)}))
    assert (one.value, one.low, one.high) == (0.75, 0.0, 1.0)
    none = share(Trials({}))
    assert (none.value, none.trials, none.low, none.high) == (None, 0, 0.0, 1.0)
    assert difference(Trials({}), Trials({"ann": (1, 1)})).value is None


def test_a_difference_of_other_people_puts_both_intervals_together() -> None:
    a = Trials({f"a{user}": (int(user < 20), 1) for user in range(50)})
    b = Trials({f"b{user}": (int(user < 10), 1) for user in range(50)})
    less, of_a, of_b = difference(a, b), share(a), share(b)
    assert less.value == pytest.approx(0.2)
    assert less.low == pytest.approx(0.2 - np.hypot(0.4 - of_a.low, of_b.high - 0.2))
    assert less.high == pytest.approx(0.2 + np.hypot(of_a.high - 0.4, 0.2 - of_b.low))
    assert less.low > 0


def test_the_same_people_who_feel_the_same_of_both_make_a_difference_surer() -> None:
    a = Trials({str(user): (8 if user < 10 else 2, 10) for user in range(20)})
    b = Trials({str(user): (7 if user < 10 else 1, 10) for user in range(20)})
    others = Trials({f"other{user}": n for user, n in b.of_user.items()})
    same, apart = difference(a, b), difference(a, others)
    assert same.value == apart.value == pytest.approx(0.1)
    assert same.low > apart.low
    assert same.high < apart.high


@given(users, users)
def test_intervals_hold_their_value_and_turn_with_the_order(a: dict, b: dict) -> None:
    of_a, there, back = share(Trials(a)), difference(Trials(a), Trials(b)), difference(Trials(b), Trials(a))
    assert 0.0 <= of_a.low <= of_a.high <= 1.0
    if of_a.value is not None:
        assert of_a.low <= of_a.value <= of_a.high
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    if there.value is not None:
        assert there.low <= there.value <= there.high
