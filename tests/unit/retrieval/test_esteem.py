import pytest

from convrec.retrieval.esteem import fit_esteem, load_esteem
from convrec.types import HistoryEntry

ROW = {"a": 0, "b": 1, "c": 2}


def history(**opinions: float | None) -> tuple[HistoryEntry, ...]:
    return tuple(HistoryEntry(item_id, 0.5, 0.0, opinion) for item_id, opinion in opinions.items())


def test_few_opinions_stay_near_everybodys_mean(tmp_path) -> None:
    histories = [history(a=1.0, b=0.0, gone=1.0) for _ in range(20)] + [history(b=1.0, c=None)]
    esteem = fit_esteem(histories, ROW, 3)
    mean = 21 / 41
    assert esteem.of(0) == pytest.approx((20 + 5 * mean) / 25)
    assert esteem.of(1) == pytest.approx((1 + 5 * mean) / 26)
    assert esteem.of(2) is None, "it was seen, but nobody said"
    esteem.save(tmp_path)
    assert [load_esteem(tmp_path).of(row) for row in range(3)] == [esteem.of(row) for row in range(3)]


def test_without_opinions_nothing_is_said() -> None:
    assert fit_esteem([history(a=None)], ROW, 3).of(0) is None
    assert fit_esteem([], ROW, 3).of(2) is None
