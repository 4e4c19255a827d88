"""Owns whether the prompts are what they were: snapshots, token budgets, and reports of what they do to a model.

prompts/reports/<task>.v<N>.json says how the active version did on the golden conversations, with which model.
What falls beyond its tolerance is an objection; so is a snapshot that differs, or a budget that is passed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from convrec.engine.base import Engine
from convrec.errors import DataError
from convrec.progress import Progress, silent
from convrec.prompting import Prompt, Prompts
from convrec.service.build import Workshop
from convrec.service.golden import Golden, load_golden
from convrec.service.prompt_snapshots import difference, snapshot, snapshot_file
from convrec.service.prompts_bench import Measured, run_golden
from convrec.training.base_model import base_name

DOMAIN = "movies"
"""The golden conversations that are run where nobody names others."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a metric may move against its report: by a difference, and by a factor of the reported value.

    Args:
        less: How much lower it may be; None where lower is better.
        times: How much larger it may be, as a factor; None where larger is better.
    """

    less: float | None = None
    times: float | None = None

    def holds(self, now: float, stored: float) -> bool:
        """Whether a value is still good."""
        if self.less is not None:
            return now >= stored - self.less - 1e-9
        return self.times is None or now <= stored * self.times + 1e-9


TOLERANCES: Mapping[str, Tolerance] = {
    "constraints": Tolerance(less=0.0),
    "ndcg": Tolerance(less=0.03),
    "injections": Tolerance(less=0.0),
    "pushed": Tolerance(times=1.0),
    "valid": Tolerance(less=0.0),
    "inside": Tolerance(less=0.0),
    "kinds": Tolerance(less=0.02),
    "constraints_f1": Tolerance(less=0.02),
    "tokens": Tolerance(times=1.05),
    # Wide: another machine, or a busy one, is no fault of a prompt. What a prompt costs is in `tokens`.
    "slate_s": Tolerance(times=4.0),
    "reply_s": Tolerance(times=4.0),
}


@dataclass(frozen=True, slots=True)
class PromptReport:
    """How one version did.

    Args:
        prompt: Name and hash, "rank.v3:daae043f9b94".
        model: Whose figures these are.
        golden: Hash of the golden files.
        metrics: See Measured.
    """

    prompt: str
    model: str
    golden: str
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PromptsChecked:
    """What a check found.

    Args:
        objections: What must not stay so; empty when all is well.
        notes: What should be known.
        reports: Of the active versions, as measured now; empty where no model was asked.
    """

    objections: tuple[str, ...]
    notes: tuple[str, ...]
    reports: tuple[PromptReport, ...]


def check_snapshots(prompts: Prompts, prompts_dir: Path, *, update: bool = False) -> list[str]:
    """Objections to how the active prompts render; with `update` what they render becomes the snapshot.

    Raises:
        PromptError: A template or its examples are malformed.
    """
    objections = []
    for prompt in prompts.active():
        file, now = snapshot_file(prompt, prompts_dir), snapshot(prompt, prompts_dir)
        if update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(now, encoding="utf-8")
        elif not file.is_file():
            objections.append(f"{prompt.name} has no snapshot; run: convrec prompts check --update")
        elif changed := difference(file.read_text(encoding="utf-8"), now):
            objections.append(f"{prompt.name} renders differently than its snapshot:\n{changed}")
    return objections


async def check_behaviour(
    workshop: Workshop,
    engine: Engine,
    domain: str = DOMAIN,
    *,
    update: bool = False,
    progress: Progress = silent,
) -> PromptsChecked:
    """Run the golden conversations and compare what they did with the stored reports.

    Args:
        engine: Started.
        domain: Whose golden conversations.
        update: Store what was measured instead of comparing.

    Raises:
        ConvRecError: A model or a file cannot be used.
    """
    golden = load_golden(workshop.settings.prompts_dir, domain)
    measured = await run_golden(workshop, golden, engine, progress=progress)
    prompts = {prompt.task: prompt for prompt in workshop.prompts.active()}
    reports = _reports(prompts, measured, golden, base_name(workshop.model))
    objections = [o for report in reports for o in _over_budget(report, prompts)]
    notes = list(measured.failures)
    for report in reports:
        file = report_file(report.prompt, workshop.settings.prompts_dir, domain)
        if update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
            continue
        stored = read_report(file)
        if stored is None:
            objections.append(f"{report.prompt} has no report; run: convrec prompts check --update")
        elif (stored.model, stored.golden) != (report.model, report.golden):
            notes.append(
                f"the report of {_name(stored.prompt)} is of {stored.model} on other golden files or of another "
                f"model than {report.model}; not compared; to store a new one run: convrec prompts check --update"
            )
        else:
            objections += fallen(report, stored)
    return PromptsChecked(tuple(objections), tuple(notes), tuple(reports))


async def adapter_objections(
    workshop: Workshop, engine: Engine, adapter: str, domain: str = DOMAIN, progress: Progress = silent
) -> tuple[str, ...]:
    """What the golden conversations say against an adapter: for a gate.

    They are run with the base model and with the adapter on the same engine, so that the stored reports, which may
    be of another model, do not matter; times and tokens, which come with other slates, are not compared.

    Args:
        workshop: Models and prompts.
        engine: Started, with the adapter loaded.
        adapter: Its name there ("default@3").
        domain: Whose golden conversations; a domain without any has no objections.

    Returns:
        One sentence for each metric that the adapter lowers beyond its tolerance; empty when there is none.

    Raises:
        ConvRecError: The engine failed or a golden file is malformed.
    """
    prompts_dir = workshop.settings.prompts_dir
    if not (prompts_dir / "golden" / domain).is_dir():
        return ()
    golden = load_golden(prompts_dir, domain)
    prompts = {prompt.task: prompt for prompt in workshop.prompts.active()}

    async def run(name: str | None, watched: Progress) -> list[PromptReport]:
        measured = await run_golden(workshop, golden, engine, name, progress=watched)
        return _reports(prompts, measured, golden, name or "the base model")

    base = await run(None, lambda done, what: progress(done / 2, what))
    own = await run(adapter, lambda done, what: progress((1 + done) / 2, what))
    found = [o for now, before in zip(own, base, strict=True) for o in fallen(now, before, costs=False)]
    return tuple(f"{adapter}: {objection}" for objection in found)


def fallen(now: PromptReport, stored: PromptReport, *, costs: bool = True) -> list[str]:
    """In words, the metrics that moved beyond their tolerance."""
    found = []
    for metric, before in stored.metrics.items():
        value = now.metrics.get(metric)
        if value is None:
            found.append(f"{_name(now.prompt)}: {metric} was {before:.3f} and is not measured any more")
        elif (costs or not _is_cost(metric)) and not TOLERANCES[metric].holds(value, before):
            found.append(f"{_name(now.prompt)}: {metric} was {before:.3f} with {stored.model} and is {value:.3f}")
    return found


def _is_cost(metric: str) -> bool:
    return metric == "tokens" or metric.endswith("_s")


def report_file(prompt: str, prompts_dir: Path, domain: str = DOMAIN) -> Path:
    """Where the report of a version is kept; those of other domains are in folders of their own."""
    folder = prompts_dir / "reports"
    return (folder if domain == DOMAIN else folder / domain) / f"{_name(prompt)}.json"


def read_report(file: Path) -> PromptReport | None:
    """A stored report; None where there is none.

    Raises:
        DataError: The file is not a report.
    """
    if not file.is_file():
        return None
    try:
        return PromptReport(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataError(f"{file} is no report ({error}); run: convrec prompts check --update") from error


def _reports(prompts: Mapping[str, Prompt], measured: Measured, golden: Golden, model: str) -> list[PromptReport]:
    """One for every active prompt of which something was measured."""
    return [
        PromptReport(
            f"{prompts[task].name}:{prompts[task].hash}",
            model,
            golden.hash,
            {name: round(value, 4) for name, value in metrics.items()},
        )
        for task, metrics in measured.metrics.items()
        if task in prompts
    ]


def _over_budget(report: PromptReport, prompts: Mapping[str, Prompt]) -> Iterator[str]:
    prompt = next(p for p in prompts.values() if p.name == _name(report.prompt))
    used = report.metrics.get("tokens", 0.0)
    if used > prompt.token_budget:
        yield f"{prompt.name} took {used:.0f} tokens; its budget is {prompt.token_budget}"


def _name(prompt: str) -> str:
    return prompt.partition(":")[0]


def compared(a: Prompt, b: Prompt, prompts_dir: Path) -> tuple[str, Sequence[tuple[str, str, str]]]:
    """Two versions side by side: how their renderings differ, and rows of (what, a's, b's).

    Raises:
        PromptError: There are no examples of a task.
    """
    rows = [
        ("purpose", a.purpose, b.purpose),
        ("variables", ", ".join(sorted(a.variables)), ", ".join(sorted(b.variables))),
        ("labels", _labels(a), _labels(b)),
        ("token budget", str(a.token_budget), str(b.token_budget)),
        ("notes", a.notes, b.notes),
        ("hash", a.hash, b.hash),
    ]
    reports = [read_report(report_file(prompt.name, prompts_dir)) for prompt in (a, b)]
    measured = [report.metrics if report else {} for report in reports]
    for metric in dict.fromkeys([*measured[0], *measured[1]]):
        told = [f"{values[metric]:.3f}" if metric in values else "not measured" for values in measured]
        rows.append((metric, told[0], told[1]))
    return difference(snapshot(a, prompts_dir), snapshot(b, prompts_dir), (a.name, b.name)), rows


def _labels(prompt: Prompt) -> str:
    return ", ".join(f"{role} = {label}" for role, label in sorted(prompt.labels.items())) or "none"
