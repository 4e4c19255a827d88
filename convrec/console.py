"""What the command line prints: steps with progress bars and durations, slates, tables. Decides nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from convrec.evaluation.clustered import Share, ShareDifference
from convrec.evaluation.contests import ContestFigures
from convrec.evaluation.online import Stats
from convrec.progress import Measured
from convrec.progress import Progress as StepProgress
from convrec.service.doctor import Check
from convrec.service.views import SlateView
from convrec.training.gate import Verdict

_LINE_S = 0.5
_SHARES = {"ctr": "clicked", "conversion": "bought", "satisfaction": "satisfied", "degraded": "degraded"}
_SIGN = {True: "[green]✓[/green]", False: "[red]✗[/red]", None: "[yellow]·[/yellow]"}


class ConsoleSteps:
    """Steps on a terminal: a bar while one runs, then a line with how long it took. Plain lines where piped."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[StepProgress]:
        """A bar that follows the fraction given to it; its line stays."""
        started = time.monotonic()
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.fields[what]}"),
        )
        bar = Progress(
            *columns,
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        try:
            with bar:
                task = bar.add_task(title, total=None, what="")
                yield lambda fraction, what: bar.update(task, total=1.0, completed=fraction, what=escape(what))
        except BaseException:
            self._console.print(f"{_SIGN[False]} {title}")
            raise
        self._console.print(f"{_SIGN[True]} {title} [dim]{time.monotonic() - started:.1f} s[/dim]")

    def note(self, text: str) -> None:
        """A line of its own."""
        self._console.print(f"[yellow]·[/yellow] {escape(text)}", soft_wrap=True)


class JsonSteps:
    """Steps as one JSON object a line, appended to a file that another process follows.

    {"step", "fraction", "what"} while a step runs, at most twice a second, and at its end, with "figures" where
    something was measured; {"note"}; what `say` is given.

    Args:
        file: Made where it is missing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def step(self, title: str) -> Iterator[StepProgress]:
        """A line at the beginning, at the end, and as the fraction grows."""
        told = time.monotonic()

        def progress(fraction: float, what: str) -> None:
            nonlocal told
            if time.monotonic() - told >= _LINE_S:
                told = time.monotonic()
                figures = {"figures": what.figures} if isinstance(what, Measured) else {}
                self.say(step=title, fraction=round(fraction, 4), what=what, **figures)

        self.say(step=title, fraction=0.0, what="")
        yield progress
        self.say(step=title, fraction=1.0, what="done")

    def note(self, text: str) -> None:
        """A line of its own."""
        self.say(note=text)

    def say(self, **told: object) -> None:
        """A line."""
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(told) + "\n")


def print_slate(console: Console, slate: SlateView) -> None:
    """A slate as a table."""
    table = Table("#", "title", "match", "why", box=None, pad_edge=False, header_style="dim")
    for entry in slate.recommendations:
        table.add_row(
            str(entry.rank), escape(entry.title), f"{entry.match:.0%}", f"[dim]{escape(entry.why)}[/dim]"
        )
    console.print(table)
    if slate.degraded:
        console.print(f"[yellow]retrieval only:[/yellow] {escape(slate.reason)}")


def print_verdict(console: Console, verdict: Verdict) -> None:
    """What the gate measured and says, with 95 % intervals."""
    table = Table("held out", "NDCG@10", "calibration error", title="accepted" if verdict.accepted else "rejected")
    errors = verdict.metrics.get("calibration_error", {})
    for name, figure in verdict.metrics.get("ndcg@10", {}).items():
        mean = figure["mean"] if "mean" in figure else figure["difference"]
        error = errors.get(name)
        sign = "" if "mean" in figure else "+"
        table.add_row(
            name,
            f"{mean:{sign}.4f} [{figure['low']:{sign}.4f}, {figure['high']:{sign}.4f}]",
            "" if error is None else f"{error:.4f}",
        )
    if table.row_count:
        console.print(table)
    for reason in verdict.reasons:
        console.print(f"{_SIGN[verdict.accepted]} {escape(reason)}")


def print_stats(console: Console, stats: Stats) -> None:
    """What slates led to, and how much more than those of the version compared with; with 95 % intervals."""
    if not stats.versions:
        console.print("no slates were shown in this time")
        _print_contests(console, stats.contests)
        return
    versions = Table(stats.by.value, "slates", "people", "p50", "p95", box=None, pad_edge=False)
    for of in stats.versions:
        seconds = (f"{of.latency_p50_s:.2f} s", f"{of.latency_p95_s:.2f} s")
        versions.add_row(escape(of.version), f"{of.impressions:,}", f"{of.users:,}", *seconds)
    console.print(versions)
    than = {less.version: less for less in stats.comparisons}
    against = f"more than {escape(stats.comparisons[0].against)}" if stats.comparisons else ""
    shares = Table("%", stats.by.value, "", "of", against, box=None, pad_edge=False)
    for name, word in _SHARES.items():
        for of in stats.versions:
            share: Share = getattr(of, name)
            less: ShareDifference | None = getattr(than.get(of.version), name, None)
            of_all = _percent(share.value, share.low, share.high)
            more = "" if less is None else _percent(less.value, less.low, less.high, "+")
            shares.add_row(word, escape(of.version), of_all, f"{share.trials:,}", more)
            word = ""
    console.print(shares)
    _print_contests(console, stats.contests)


def _print_contests(console: Console, contests: Sequence[ContestFigures]) -> None:
    """Which of two versions people preferred, in percent of what was decided."""
    if not contests:
        return
    table = Table("% won", "against", "by", "", "decided", "ties", box=None, pad_edge=False)
    for of in contests:
        won = _percent(of.win_share.value, of.win_share.low, of.win_share.high)
        decided = f"{of.win_share.trials:,}"
        table.add_row(escape(of.version), escape(of.against), of.how, won, decided, f"{of.ties:,}")
    console.print(table)


def _percent(value: float | None, low: float, high: float, sign: str = "") -> str:
    return "-" if value is None else f"{value * 100:{sign}.1f} [{low * 100:{sign}.1f}, {high * 100:{sign}.1f}]"


def print_checks(console: Console, checks: Sequence[Check]) -> None:
    """What doctor found, one line each, with what to do where something is wrong."""
    for check in checks:
        console.print(f"{_SIGN[check.ok]} [bold]{escape(check.name)}[/bold]  {escape(check.detail)}")
        if check.fix:
            console.print(f"    → {escape(check.fix)}")
