"""The tables of the operator's page as HTML, in the words of a language. `tag` escapes every value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ui.markup import Html, join, tag
from ui.operator.views import (
    FIGURES,
    Adapter,
    ContestRow,
    EventRow,
    Finding,
    Job,
    Said,
    Share,
    StageRow,
    Stats,
    Verdict,
    VersionRow,
)
from ui.words import Words


def versions_html(stats: Stats, say: Words) -> str:
    """What slates led to: a row for each version, each share with its interval."""
    if not stats.versions:
        return _nothing(say("operator.no_slates"))
    heads = [say("operator.version"), say("operator.slates"), say("operator.people")]
    heads += [say(f"operator.{figure}") for figure in FIGURES]
    return _table(say("operator.versions"), heads, (_version(of) for of in stats.versions))


def contests_html(contests: Sequence[ContestRow], say: Words) -> str:
    """Which of two versions people preferred."""
    if not contests:
        return _nothing(say("operator.no_contests"))
    heads = [say(f"operator.{name}") for name in ("version", "against", "how", "won", "decided", "ties")]
    rows = (
        [
            of.version,
            of.against,
            say.named(f"operator.how_{of.how}", of.how),
            _interval(of.share, 0.5),
            f"{of.share.trials:,}",
            f"{of.ties:,}",
        ]
        for of in contests
    )
    return _table(say("operator.contests"), heads, rows)


def stages_html(stages: Sequence[StageRow], say: Words) -> str:
    """How long each stage of the last slates took."""
    if not stages:
        return _nothing(say("operator.no_stages"))
    heads = [say("operator.stage"), "p50", "p95", say("operator.slates")]
    rows = (
        [
            say.named(f"operator.stage_{of.stage}", of.stage),
            _seconds(of.times.p50_s),
            _seconds(of.times.p95_s),
            f"{of.slates:,}",
        ]
        for of in stages
    )
    return _table(say("operator.stages"), heads, rows)


def feedback_html(events: Sequence[EventRow], say: Words) -> str:
    """The latest feedback, newest first."""
    if not events:
        return _nothing(say("operator.no_feedback"))
    heads = [say(f"operator.{name}") for name in ("when", "who", "what", "about")]
    rows = (
        [_when(of.timestamp), of.user_id, say.named(f"operator.did_{of.type}", of.type), of.about] for of in events
    )
    return tag("div", Html(_table(say("operator.feedback"), heads, rows)), cls="op-tall", tabindex=0)


def adapters_html(adapters: Sequence[Adapter], say: Words) -> str:
    """Every version and what became of it."""
    if not adapters:
        return _nothing(say("operator.no_adapters"))
    heads = [say(f"operator.{name}") for name in ("version", "verdict", "state", "created")]
    rows = ([of.label, _passed(of.accepted, say), _state(of, say), of.created] for of in adapters)
    return _table(say("operator.adapters"), heads, rows)


def verdict_html(verdict: Verdict, say: Words) -> str:
    """What the gate said of a version, and by what."""
    reasons = tag("ul", *(tag("li", reason) for reason in verdict.reasons)) if verdict.reasons else None
    heads = [say("operator.figure"), say("operator.value"), say("operator.interval")]
    figures = _table(say("operator.figures"), heads, (_finding(of) for of in verdict.findings))
    learned = ", ".join(f"{name}: {value}" for name, value in verdict.learned)
    return join(
        tag("p", tag("strong", verdict.label), " ", _passed(verdict.accepted, say)),
        reasons,
        Html(figures),
        tag("p", say("operator.learned", what=learned), cls="op-quiet"),
    )


def jobs_html(jobs: Sequence[Job], say: Words) -> str:
    """The last trainings."""
    if not jobs:
        return _nothing(say("operator.no_jobs"))
    heads = [say(f"operator.{name}") for name in ("started", "version", "starter", "status", "outcome")]
    rows = (
        [
            _when(of.started),
            of.version or of.name,
            say.named(f"operator.by_{of.by}", of.by),
            say.named(f"operator.status_{of.status}", of.status),
            "; ".join(of.reasons) or of.error,
        ]
        for of in jobs[:8]
    )
    return _table(say("operator.jobs"), heads, rows)


def progress_html(said: Said | None, say: Words) -> str:
    """How far a training is."""
    if said is None:
        return ""
    percent = round(100 * said.fraction)
    bar = tag("i", style=f"width:{percent}%")
    meter = tag(
        *("div", bar),
        cls="op-bar",
        role="progressbar",
        aria_label=say("operator.progress"),
        aria_valuemin=0,
        aria_valuemax=100,
        aria_valuenow=percent,
    )
    return join(tag("p", said.step or say("operator.note"), ": ", said.what or f"{percent} %"), meter)


def _version(of: VersionRow) -> list[str]:
    return [of.version, f"{of.slates:,}", f"{of.people:,}", *(_interval(of.shares[f]) for f in FIGURES)]


def _interval(share: Share, mark: float | None = None) -> Html:
    """A share in percent with its interval as a line from 0 to 100 %; a mark where two versions are equal."""
    if share.value is None:
        return tag("span", "–", cls="op-quiet")
    words = f"{_percent(share.value)} [{_percent(share.low)}, {_percent(share.high)}]"
    line = tag("i", style=f"left:{100 * share.low:.1f}%;width:{100 * (share.high - share.low):.1f}%")
    point = tag("b", style=f"left:{100 * share.value:.1f}%")
    equal = None if mark is None else tag("u", style=f"left:{100 * mark:.1f}%")
    return join(tag("span", words), tag("span", line, equal, point, cls="op-interval", aria_hidden="true"))


def _finding(of: Finding) -> list[str]:
    sign = "+" if of.difference else ""
    many = abs(of.value) >= 10 and of.value == round(of.value)
    value = f"{of.value:,.0f}" if many else f"{of.value:{sign}.4f}"
    interval = "" if of.low is None or of.high is None else f"[{of.low:{sign}.4f}, {of.high:{sign}.4f}]"
    return [of.name, value, interval]


def _passed(accepted: bool, say: Words) -> Html:
    key = "accepted" if accepted else "rejected"
    return tag("span", say(f"operator.{key}"), cls=f"op-{key}")


def _state(adapter: Adapter, say: Words) -> Html | str:
    return tag("strong", say("operator.active")) if adapter.active else ""


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first cell of each row is its head."""
    head = tag("tr", *(tag("th", name, scope="col") for name in heads))
    body = (tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows)
    table = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), cls="op-table")
    return tag("div", table, cls="op-wide")


def _nothing(words: str) -> str:
    return tag("p", words, cls="op-quiet")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _when(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S")
