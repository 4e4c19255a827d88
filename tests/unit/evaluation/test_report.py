import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from convrec.data.catalogue import Catalogue
from convrec.evaluation.base import Case, Judgement, Task
from convrec.evaluation.report import Report, make_report, report_table, write_report
from convrec.evaluation.run import SystemRun
from convrec.types import RetrievalQuery

VECTORS = np.eye(30)


def ranked(
    name: str, ranks: list[list[int | None]], seed: int = 0, units: tuple[str, ...] = ("u", "v")
) -> SystemRun:
    """A run whose cases belong to the units in turn."""
    rows = [
        {
            "case": f"c{n}",
            "unit": units[n % len(units)],
            "targets": [f"i{n:02}"] * len(own),
            "ranks": own,
            "top": [f"i{i:02}" for i in range(10)],
        }
        for n, own in enumerate(ranks)
    ]
    return SystemRun(name, "plain", seed, rows, (), 1.0, 2.0)


def judged(name: str, scores: list[list[float]], liked: list[list[bool]]) -> SystemRun:
    rows = [
        {"unit": f"u{n}", "item_ids": [f"i{i:02}" for i in range(len(own))], "liked": truth, "scores": own}
        for n, (own, truth) in enumerate(zip(scores, liked, strict=True))
    ]
    return SystemRun(name, "plain", 0, (), rows, math.nan, math.nan)


def report_of(catalogue: Catalogue, runs: list[SystemRun], ks: tuple[int, ...] = (1, 10)) -> Report:
    cases = tuple(Case(row["case"], row["unit"], RetrievalQuery(), tuple(row["targets"])) for row in runs[0].ranks)
    judgements = tuple(
        Judgement(row["unit"], RetrievalQuery(), tuple(row["item_ids"]), tuple(row["liked"]))
        for row in runs[0].scores
    )
    task = Task("by-hand/test", catalogue, (), cases, judgements)
    return make_report("made up", [task], runs, 1, "convrec evaluate", ks, VECTORS)


def test_a_case_with_several_targets_counts_each_but_is_hit_once(catalogue: Catalogue) -> None:
    report = report_of(catalogue, [ranked("a", [[1, None], [None], [2]])])
    figures = report.systems[0].metrics
    assert (report.cases, report.targets, report.units) == (3, 4, 2)
    assert figures["recall@10"].mean == 0.5
    assert figures["recall@1"].mean == 0.25
    assert figures["hit@10"].mean == pytest.approx(2 / 3)
    assert figures["mrr@10"].mean == pytest.approx((1 + 1 / 2) / 4)


def test_seeds_are_averaged_before_intervals_are_made(catalogue: Catalogue) -> None:
    # Every target is found by one seed of two: the mean over seeds is the same for all of them.
    runs = [ranked("a", [[1], [None]] * 10), ranked("a", [[None], [1]] * 10, seed=1)]
    found = report_of(catalogue, runs).systems[0].metrics["recall@10"]
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)


def test_intervals_resample_units_with_all_that_is_theirs(catalogue: Catalogue) -> None:
    ranks: list[list[int | None]] = [[1], [None]] * 30
    few = report_of(catalogue, [ranked("a", ranks)]).systems[0].metrics["recall@10"]
    many = report_of(catalogue, [ranked("a", ranks, units=tuple(f"u{n}" for n in range(60)))])
    apart = many.systems[0].metrics["recall@10"]
    assert few.mean == apart.mean == 0.5
    # One unit has every hit: a sample of two units may hold it never or twice.
    assert (few.low, few.high) == (0.0, 1.0)
    assert 0.3 < apart.low < apart.high < 0.7


def test_auc_is_per_user_and_pooled(catalogue: Catalogue) -> None:
    # Right within each user, but the first one's scores all lie above the second one's.
    run = judged("a", [[9.0, 8.0], [2.0, 1.0]], [[True, False], [True, False]])
    figures = report_of(catalogue, [run]).systems[0].metrics
    assert figures["auc"].mean == 1.0
    assert figures["auc_pooled"].mean == 0.75
    assert not {"brier", "calibration_error"} & figures.keys(), "these are no probabilities"


def test_probabilities_are_held_against_what_came_true(catalogue: Catalogue) -> None:
    run = judged("a", [[0.9, 0.2], [0.6, 0.3]], [[True, False], [False, True]])
    figures = report_of(catalogue, [run]).systems[0].metrics
    assert figures["brier"].mean == pytest.approx((0.01 + 0.04 + 0.36 + 0.49) / 4)
    assert figures["calibration_error"].mean == pytest.approx((0.1 + 0.2 + 0.6 + 0.7) / 4)


def test_a_report_without_the_usual_cut_offs_shows_what_it_has(catalogue: Catalogue) -> None:
    runs = [ranked("worse", [[None], [None]]), ranked("better", [[1], [2]])]
    report = report_of(catalogue, runs, ks=(5,))
    assert [system.name for system in report.systems] == ["better", "worse"]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(report_table(report))
    text = console.export_text()
    assert "recall@5" in text
    assert "better" in text


def test_what_is_unknown_is_null_in_the_file(catalogue: Catalogue, tmp_path: Path) -> None:
    good, nothing = ranked("good", [[1], [2]]), ranked("nothing", [[None], [None]])
    untimed = SystemRun("untimed", "plain", 0, nothing.ranks, (), math.nan, math.nan)
    write_report(report_of(catalogue, [good, nothing, untimed]), tmp_path / "report.json")
    told = json.loads((tmp_path / "report.json").read_text())
    by_name = {system["name"]: system for system in told["systems"]}
    assert by_name["good"]["fit_s"] == 1.0
    assert by_name["untimed"]["fit_s"] is by_name["untimed"]["case_ms"] is None
    # The relative change from nothing has no number; JSON has no infinity.
    pair = next(p for p in told["pairs"] if (p["a"], p["b"], p["metric"]) == ("good", "nothing", "ndcg@10"))
    assert pair["relative"] is None
    assert pair["difference"] > 0
