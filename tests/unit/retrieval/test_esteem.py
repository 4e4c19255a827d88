import pytest

from convrec.retrieval.esteem import fit_esteem, load_esteem
from convrec.types import HistoryEntry

ROW = {"a": 0, "b": 1, "c": 2, "d": 3}


def history(**opinions: float | None) -> tuple[HistoryEntry, ...]:
    return tuple(HistoryEntry(item_id, 0.5, 0.0, opinion) for item_id, opinion in opinions.items())


def test_an_item_stands_where_its_mean_does_among_all_opinions(tmp_path) -> None:
    histories = [history(a=0.9, b=0.8, gone=1.0) for _ in range(20)] + [history(b=0.8, c=None, d=0.0)] * 10
    esteem = fit_esteem(histories, ROW, 4)
    assert esteem.of(3) == pytest.approx(5 / 60)
    assert esteem.of(1) == pytest.approx((10 + 15) / 60)
    assert esteem.of(0) == pytest.approx((40 + 10) / 60)
    assert esteem.of(2) is None, "it was seen, but nobody said"
    esteem.save(tmp_path)
    assert [load_esteem(tmp_path).of(row) for row in range(4)] == [esteem.of(row) for row in range(4)]


def test_one_opinion_says_less_than_many() -> None:
    many = [history(a=0.9, b=0.1)] * 50
    esteem = fit_esteem([*many, history(c=1.0)], ROW, 4)
    assert 0.0 < (esteem.of(1) or 0) < (esteem.of(2) or 0) < (esteem.of(0) or 0)


def test_items_of_equal_mean_stand_together() -> None:
    esteem = fit_esteem([history(a=1.0, b=1.0, c=1.0)] * 3, ROW, 4)
    assert [esteem.of(row) for row in range(3)] == [0.5] * 3


def test_without_opinions_nothing_is_said() -> None:
    assert fit_esteem([history(a=None)], ROW, 4).of(0) is None
    assert fit_esteem([], ROW, 4).of(2) is None
