from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from convrec.errors import SettingsError
from convrec.evaluation.plot import plot_report
from convrec.evaluation.report import Report, SystemReport
from convrec.evaluation.significance import Estimate


def report_of(*metrics: str, systems: int = 3) -> Report:
    figures: Mapping[str, Estimate] = {metric: Estimate(0.2, 0.1, 0.3) for metric in metrics}
    made = tuple(SystemReport(f"system {n}", "plain", 1, 1.0, 1.0, figures) for n in range(systems))
    return Report("made up", "by-hand/test", 1, "convrec evaluate", 10, 10, 10, (), made, ())


def test_there_is_a_panel_per_metric_and_a_row_per_system(tmp_path: Path) -> None:
    sizes = {}
    for name, report in {
        "two": report_of("ndcg@10", "recall@50", "mrr@10"),
        "one": report_of("auc"),
        "taller": report_of("auc", systems=9),
    }.items():
        plot_report(report, tmp_path / f"{name}.png")
        sizes[name] = imread(tmp_path / f"{name}.png").shape[:2]
    assert sizes["two"][1] > sizes["one"][1]
    assert sizes["taller"][0] > sizes["one"][0]
    assert sizes["two"][0] == sizes["one"][0]


def test_a_report_without_the_usual_metrics_is_drawn_by_what_it_has(tmp_path: Path) -> None:
    plot_report(report_of("recall@5", "ndcg@5"), tmp_path / "plot.png")
    drawn = imread(tmp_path / "plot.png")
    assert drawn.std() > 0


def test_the_same_report_gives_the_same_picture(tmp_path: Path) -> None:
    for name in ("a", "b"):
        plot_report(report_of("ndcg@10"), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, *args: Any) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("convrec.evaluation.extra.importlib.import_module", missing)
    with pytest.raises(SettingsError, match=r"convrec\[evaluation\]"):
        plot_report(report_of("ndcg@10"), tmp_path / "plot.png")
    assert not (tmp_path / "plot.png").exists()
