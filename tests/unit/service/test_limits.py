import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.service.limits import RateLimits, Standing


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_s_worth_may_come_at_once_and_then_one_at_a_time() -> None:
    clock = _Clock()
    limits = RateLimits(clock)
    standings = [limits.take("k", 6) for _ in range(7)]
    assert [standing.remaining for standing in standings] == [5, 4, 3, 2, 1, 0, 0]
    assert [standing.wait_s for standing in standings[:6]] == [0] * 6
    assert standings[6].wait_s == pytest.approx(10)
    clock.now += 9.9
    assert limits.take("k", 6).wait_s == pytest.approx(0.1)
    clock.now += 0.2
    assert limits.take("k", 6).wait_s == 0
    assert limits.take("k", 6).wait_s > 0


def test_names_do_not_share_a_limit() -> None:
    limits = RateLimits(_Clock())
    assert limits.take("ann", 1).wait_s == 0
    assert limits.take("ann", 1).wait_s > 0
    assert limits.take("bob", 1).wait_s == 0


@given(
    limit=st.integers(1, 20),
    gaps=st.lists(st.floats(0, 40), max_size=60),
)
def test_no_window_holds_more_than_the_limit_and_its_share(limit: int, gaps: list[float]) -> None:
    clock = _Clock()
    limits = RateLimits(clock)
    passed: list[float] = []
    for gap in gaps:
        clock.now += gap
        standing = limits.take("k", limit)
        assert 0 <= standing.remaining <= limit
        assert 0 <= standing.reset_s <= 60 + 1e-6
        if standing.wait_s:
            assert standing.remaining == 0
        else:
            passed.append(clock.now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= limit + (passed[last] - begin) * limit / 60 + 1e-6


def test_what_is_kept_is_bounded_and_the_busy_are_kept() -> None:
    limits = RateLimits(_Clock(), buckets=3)
    for name in ("busy", "a", "b", "busy", "c", "d"):
        limits.take(name, 2)
    assert limits.take("busy", 2).wait_s > 0
    assert limits.take("a", 2).remaining == 1


@pytest.mark.parametrize(
    ("reset_s", "written"),
    [(0.0, "0ms"), (0.12, "120ms"), (1.0, "1s"), (1.46, "1.5s"), (59.99, "60s"), (60.0, "1m0s"), (360.4, "6m1s")],
)
def test_headers_are_openai_s(reset_s: float, written: str) -> None:
    assert Standing(10, 3, reset_s).headers() == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": written,
    }
    assert Standing(10, 0, reset_s, wait_s=1.2).headers()["retry-after"] == "2"
