import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.retrieval.expectation import Expectation, fit_expectation, load_expectation
from convrec.types import HistoryEntry

ROW = {f"i{n}": n for n in range(12)}
RED, BLUE = range(6), range(6, 12)
"""Whoever likes red things dislikes blue ones, and the other way round."""


def history(opinions: dict[int, float | None]) -> tuple[HistoryEntry, ...]:
    return tuple(HistoryEntry(f"i{n}", 0.5, 0.0, opinion) for n, opinion in opinions.items())


def two_camps(people: int = 60) -> list[tuple[HistoryEntry, ...]]:
    source = np.random.default_rng(0)
    made = []
    for person in range(people):
        said = source.choice(12, 8, replace=False).tolist()
        liked = RED if person % 2 else BLUE
        made.append(history({n: 1.0 if n in liked else 0.25 for n in said}))
    return made


def asked(model: Expectation, opinions: dict[int, float], items: list[int]) -> list[float | None]:
    return model.of(
        np.array(list(opinions), np.int64),
        np.array(list(opinions.values()), np.float64),
        np.array(items, np.int64),
    )


def test_a_person_is_known_by_what_they_said() -> None:
    model = fit_expectation(two_camps(), ROW, 12)
    red, blue = asked(model, {0: 1.0, 1: 1.0, 2: 1.0, 7: 0.25, 8: 0.25}, [3, 9])
    assert red is not None
    assert blue is not None
    assert red > 0.6 > 0.5 > blue
    red, blue = asked(model, {0: 0.25, 1: 0.25, 7: 1.0, 8: 1.0, 9: 1.0}, [3, 10])
    assert (blue or 0) > 0.6 > 0.5 > (red or 1)


def test_of_a_new_person_it_is_what_everybody_thinks() -> None:
    model = fit_expectation([history({0: 1.0, 1: 0.5, 2: 0.0})] * 30, ROW, 12)
    good, fair, bad, unknown = asked(model, {}, [0, 1, 2, 3])
    assert (good or 0) > (fair or 0) > (bad or 0)
    assert unknown is None


def test_one_opinion_says_less_than_many() -> None:
    model = fit_expectation([*[history({0: 1.0, 1: 0.5})] * 50, history({2: 1.0, 1: 0.5})], ROW, 12)
    often, once = asked(model, {}, [0, 2])
    assert (often or 0) > (once or 1)


def test_it_is_written_and_read(tmp_path) -> None:
    model = fit_expectation(two_camps(), ROW, 12)
    model.save(tmp_path)
    assert asked(load_expectation(tmp_path), {0: 1.0}, list(range(12))) == asked(model, {0: 1.0}, list(range(12)))
    assert asked(fit_expectation(two_camps(), ROW, 12), {0: 1.0}, [3]) == asked(model, {0: 1.0}, [3])


@pytest.mark.parametrize("histories", [[], [history({0: None, 1: None})], [history({})]])
def test_without_opinions_nothing_is_expected(histories, tmp_path) -> None:
    model = fit_expectation(histories, ROW, 12)
    model.save(tmp_path)
    for own in ({}, {0: 1.0}):
        assert asked(load_expectation(tmp_path), own, [0, 5]) == [None, None]
    assert asked(model, {}, []) == []


@given(st.dictionaries(st.integers(0, 11), st.floats(0, 1)), st.lists(st.integers(0, 11)))
def test_places_lie_between_0_and_1_whatever_was_said(opinions: dict[int, float], items: list[int]) -> None:
    places = asked(MODEL, opinions, items)
    assert len(places) == len(items)
    assert all(place is not None and 0.0 <= place <= 1.0 for place in places)


MODEL = fit_expectation(two_camps(), ROW, 12)
