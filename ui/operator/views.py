"""What the API tells operators, as frozen types read from its JSON. Owns no HTTP and no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval; no value where there was nothing to count."""

    value: float | None
    low: float
    high: float
    trials: int

    @classmethod
    def read(cls, body: Json) -> Share:
        """From any share of GET /v1/stats."""
        value = body["value"]
        low, high = float(body["low"]), float(body["high"])
        return cls(None if value is None else float(value), low, high, int(body["trials"]))


@dataclass(frozen=True, slots=True)
class VersionRow:
    """What the slates of an adapter or prompt version led to; `shares` by figure."""

    version: str
    slates: int
    people: int
    shares: Mapping[str, Share]
    p50_s: float
    p95_s: float


FIGURES = ("ctr", "conversion", "satisfaction", "degraded")


@dataclass(frozen=True, slots=True)
class ContestRow:
    """How often a version won against another."""

    version: str
    against: str
    how: str
    ties: int
    share: Share


@dataclass(frozen=True, slots=True)
class Stats:
    """Versions and contests."""

    versions: tuple[VersionRow, ...]
    contests: tuple[ContestRow, ...]

    @classmethod
    def read(cls, body: Json) -> Stats:
        """From GET /v1/stats."""
        return cls(
            versions=tuple(
                VersionRow(
                    version=str(of["version"]),
                    slates=int(of["impressions"]),
                    people=int(of["users"]),
                    shares={name: Share.read(of[name]) for name in FIGURES},
                    p50_s=float(of["latency_p50_s"]),
                    p95_s=float(of["latency_p95_s"]),
                )
                for of in body["versions"]
            ),
            contests=tuple(
                ContestRow(
                    str(of["version"]),
                    str(of["against"]),
                    str(of["how"]),
                    int(of["ties"]),
                    Share.read(of["win_share"]),
                )
                for of in body["contests"]
            ),
        )


@dataclass(frozen=True, slots=True)
class Times:
    """Median and 95th percentile in seconds."""

    p50_s: float
    p95_s: float

    @classmethod
    def read(cls, body: Json) -> Times:
        """From any times of GET /v1/activity."""
        return cls(float(body["p50_s"]), float(body["p95_s"]))


@dataclass(frozen=True, slots=True)
class PartRow:
    """What happened from a moment on, for one part of the span."""

    began: float
    slates: int
    degraded: int
    slate: Times | None
    turn: Times | None


@dataclass(frozen=True, slots=True)
class StageRow:
    """How long one stage of slates takes."""

    stage: str
    slates: int
    times: Times


@dataclass(frozen=True, slots=True)
class DriftPart:
    """Of some items that feedback judged: the mean of match, the mean of what feedback said."""

    expected: float
    observed: float
    judged: int


@dataclass(frozen=True, slots=True)
class Activity:
    """Turns over time, stages, and match against feedback: without and with a request."""

    parts: tuple[PartRow, ...]
    stages: tuple[StageRow, ...]
    drift: Mapping[bool, tuple[DriftPart, ...]]

    @classmethod
    def read(cls, body: Json) -> Activity:
        """From GET /v1/activity."""
        return cls(
            parts=tuple(
                PartRow(
                    began=float(part["began"]),
                    slates=int(part["slates"]),
                    degraded=int(part["degraded"]),
                    slate=Times.read(part["slate"]) if part["slate"] else None,
                    turn=Times.read(part["turn"]) if part["turn"] else None,
                )
                for part in body["parts"]
            ),
            stages=tuple(
                StageRow(str(of["stage"]), int(of["slates"]), Times.read(of["seconds"])) for of in body["stages"]
            ),
            drift={
                bool(of["requested"]): tuple(
                    DriftPart(float(part["expected"]), float(part["observed"]), int(part["judged"]))
                    for part in of["parts"]
                )
                for of in body["calibration"]
            },
        )


@dataclass(frozen=True, slots=True)
class EventRow:
    """A feedback event."""

    type: str
    user_id: str
    about: str
    timestamp: float

    @classmethod
    def read_all(cls, body: Json) -> tuple[EventRow, ...]:
        """From GET /v1/feedback."""
        return tuple(
            cls(str(of["type"]), str(of["user_id"]), _about(of), float(of["timestamp"])) for of in body["data"]
        )


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter version."""

    name: str
    version: int
    active: bool
    accepted: bool
    created: str

    @property
    def label(self) -> str:
        """As commands name it."""
        return f"{self.name}/{self.version}"

    @classmethod
    def read_all(cls, body: Json) -> tuple[Adapter, ...]:
        """From GET /v1/adapters."""
        return tuple(
            cls(str(of["name"]), int(of["version"]), bool(of["active"]), bool(of["accepted"]), str(of["created"]))
            for of in body["data"]
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure of the gate with its interval, where it has one; `difference`: of two systems."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    difference: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate said of an adapter version."""

    label: str
    accepted: bool
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    learned: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, body: Json) -> Verdict:
        """From GET /v1/adapters/{name}/{version}."""
        return cls(
            label=f"{body['name']}/{body['version']}",
            accepted=bool(body["accepted"]),
            reasons=tuple(map(str, body["reasons"])),
            findings=tuple(_findings("", body["metrics"])),
            learned=tuple((str(name), str(value)) for name, value in body["data"].items()),
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A training."""

    job_id: str
    name: str
    by: str
    status: str
    started: float
    ended: float | None
    error: str
    version: str
    reasons: tuple[str, ...]

    @classmethod
    def read(cls, body: Json) -> Job:
        """From any job."""
        result = body["result"] or {}
        return cls(
            job_id=str(body["job_id"]),
            name=str(body["name"]),
            by=str(body["by"]),
            status=str(body["status"]),
            started=float(body["started"]),
            ended=None if body["ended"] is None else float(body["ended"]),
            error=str(body["error"] or ""),
            version=str(result.get("version") or ""),
            reasons=tuple(map(str, result.get("reasons") or ())),
        )

    @classmethod
    def read_all(cls, body: Json) -> tuple[Job, ...]:
        """From GET /v1/jobs."""
        return tuple(map(cls.read, body["data"]))


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a training: a step and how far it is, or a note; `figures` where something was measured."""

    step: str
    fraction: float
    what: str
    figures: Mapping[str, float]

    @classmethod
    def read(cls, body: Json) -> Said:
        """From a `progress` event of a job."""
        figures = {str(name): float(value) for name, value in (body.get("figures") or {}).items()}
        what = body.get("what") or body.get("note") or body.get("error") or ""
        return cls(str(body.get("step") or ""), float(body.get("fraction") or 0.0), str(what), figures)


def _about(of: Json) -> str:
    rating = "" if of["rating"] is None else f": {of['rating']:g}"
    what = of["title"] or of["text"] or of["retracts"] or of["impression_id"] or ""
    return f"{what}{rating}"


def _findings(name: str, body: Any) -> Sequence[Finding]:
    """Every number of the metrics, whatever their nesting, by its path."""
    if isinstance(body, bool) or not isinstance(body, Mapping | int | float):
        return []
    if not isinstance(body, Mapping):
        return [Finding(name, float(body))]
    for key in ("mean", "difference"):
        if {key, "low", "high"} <= body.keys():
            low, high = float(body["low"]), float(body["high"])
            return [Finding(name, float(body[key]), low, high, key == "difference")]
    return [f for key, value in body.items() for f in _findings(f"{name}, {key}" if name else str(key), value)]
