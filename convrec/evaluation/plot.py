"""Owns the picture of a report: every system's figure with its interval, as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convrec.evaluation.extra import extra
from convrec.evaluation.report import Report, main_metrics

_SHOWN = ("ndcg@10", "recall@50", "auc")
_OURS, _OTHERS = "#c2410c", "#475569"


def plot_report(report: Report, file: Path) -> None:
    """Dots and whiskers, one panel per metric, the best system on top.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    figure_class: Any = extra("matplotlib.figure").Figure
    shown = main_metrics(report.systems, _SHOWN)
    height = 1.2 + 0.38 * len(report.systems)
    figure = figure_class(figsize=(1.6 + 4.2 * len(shown), height), layout="constrained")
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    systems = list(reversed(report.systems))
    for axes, metric in zip(panels, shown, strict=True):
        for place, system in enumerate(systems):
            if (found := system.metrics.get(metric)) is None:
                continue
            colour = _OURS if system.name.startswith(("retrieval", "blend")) else _OTHERS
            axes.plot([found.low, found.high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot([found.mean], [place], "o", color=colour, markersize=6)
        axes.set_xlabel(metric.replace("ndcg", "NDCG").replace("recall", "Recall").replace("auc", "AUC"))
        axes.set_yticks(range(len(systems)), [system.name for system in systems])
        axes.set_ylim(-0.6, len(systems) - 0.4)
        axes.grid(axis="x", color="#e2e8f0")
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
    figure.suptitle(f"{report.dataset}, {report.protocol} (95 % intervals)", fontsize=10)
    figure.savefig(file, dpi=120)
