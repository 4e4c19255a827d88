"""Owns the health report of an installation: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from convrec.engine.vllm import vllm_available
from convrec.errors import ConvRecError, IndexUnavailableError
from convrec.ranking.blend import load_blend
from convrec.retrieval.index import index_holder, index_status
from convrec.service.build import Workshop
from convrec.service.erase import unlearned


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Args:
        name: What was looked at.
        ok: True, False (something is broken; `fix` says what to do), or None (worth knowing).
        detail: What was found.
        fix: What to do; "" where nothing is to be done.
    """

    name: str
    ok: bool | None
    detail: str
    fix: str = ""


def examine(workshop: Workshop) -> tuple[Check, ...]:
    """Look at everything without starting an engine or taking the index's lock."""
    checks: tuple[tuple[str, Callable[[Workshop], Check]], ...] = (
        ("ledger", _ledger),
        ("catalogue", _catalogue),
        ("index", _index),
        ("model", _model),
        ("engine", _engine),
        ("adapter", _adapter),
        ("erased", _erased),
        ("feedback", _feedback),
        ("blend", _blend),
        ("server", _server),
        ("keys", _keys),
    )
    found = [Check("python", True, sys.version.split()[0])]
    for name, look in checks:
        try:
            found.append(look(workshop))
        except ConvRecError as error:
            problem, _, fix = str(error).partition("; ")
            found.append(Check(name, False, problem, fix))
    return tuple(found)


def _ledger(workshop: Workshop) -> Check:
    counts = workshop.ledger.counts()
    said = ", ".join(f"{n:,} {kind}" for kind, n in sorted(counts.items())) or "empty"
    return Check("ledger", True, f"{said} ({workshop.settings.url.split('://')[0]})")


def _catalogue(workshop: Workshop) -> Check:
    catalogue = workshop.catalogue()
    facets = ", ".join(f"{f.name} ({f.type})" for f in catalogue.facets) or "none"
    return Check("catalogue", bool(catalogue), f"{len(catalogue):,} {catalogue.domain.plural}; facets: {facets}")


def _index(workshop: Workshop) -> Check:
    meta = index_status(workshop.settings.index_dir)
    detail = f"{meta.items:,} items, {meta.users:,} users, {meta.interactions:,} interactions"
    if not workshop.index_is_current(workshop.catalogue()):
        return Check("index", False, f"{detail}; the catalogue has changed since", "convrec index")
    newer = workshop.ledger.position() - meta.ledger_position
    return Check("index", True, f"{detail}; {newer:,} ledger events since it was built")


def _model(workshop: Workshop) -> Check:
    return Check("model", True, workshop.model)


def _engine(workshop: Workshop) -> Check:
    settings = workshop.settings
    if settings.vllm_urls:
        return Check("engine", True, f"vLLM at {', '.join(settings.vllm_urls)}")
    missing = vllm_available()
    if missing is None:
        return Check("engine", True, f"vLLM is installed (engine = {settings.engine})")
    wanted = settings.engine == "vllm"
    return Check(
        "engine", False if wanted else None, f"no vLLM: {missing}; the transformers engine serves", "make install"
    )


def _adapter(workshop: Workshop) -> Check:
    active = workshop.registry.active()
    if active is None:
        return Check("adapter", None, "none is active: the base model ranks", "convrec retrain")
    workshop.require_fit(active)
    blend = active.manifest.blend
    return Check(
        "adapter", True, f"{active.label}, weight {blend.w_interest:.3f}, {'; '.join(active.manifest.reasons)}"
    )


def _erased(workshop: Workshop) -> Check:
    left = unlearned(workshop.ledger, workshop.registry)
    if left:
        said = f"{', '.join(left)} learned from people who were erased since"
        return Check("erased", False, said, "convrec retrain")
    return Check(
        "erased", True, f"{len(workshop.ledger.erasures().events):,} erasures; no adapter knows the erased"
    )


def _feedback(workshop: Workshop) -> Check:
    """What does not train: of the ledger now, and by the caps of the active adapter's training."""
    left_out = workshop.left_out()
    active = workshop.registry.active()
    capped = active.manifest.data.get("left_out", {}) if active is not None else {}
    told = [f"{n:,} {reason}" for reason, n in sorted(left_out.items())]
    told += [f"{n:,} examples {reason}" for reason, n in sorted(capped.items()) if reason.endswith("cap")]
    if not told:
        return Check("feedback", True, "all of it may train")
    return Check("feedback", None, f"does not train: {', '.join(told)}", "look at who sent it: convrec export")


def _blend(workshop: Workshop) -> Check:
    blend = load_blend(workshop.settings.blend_file)
    if not blend.examples:
        return Check("blend", None, "not fitted: retrieval alone orders the slate", "convrec index")
    verdict = (
        f"the LLM's weight is {blend.w_interest:.3f}"
        if blend.w_interest > 0
        else f"the LLM's weight is 0 (fitted {blend.w_interest_raw:.3f}, not significantly above 0)"
    )
    return Check(
        "blend",
        True,
        f"{verdict}, retrieval's {blend.w_retrieval:.3f}; NDCG among the candidates of {blend.examples} held-out "
        f"events: {blend.ndcg_retrieval:.3f} by retrieval, {blend.ndcg_blend:.3f} blended; "
        f"likelihood ratio {blend.likelihood_ratio:.2f} (needs 2.71)",
    )


def _keys(workshop: Workshop) -> Check:
    keys = workshop.keys.every()
    good = sum(key.revoked is None for key in keys)
    if not keys:
        return Check("keys", None, "none: the API is open to this machine, and to no other")
    if not good:
        return Check(
            "keys", False, f"all {len(keys)} are revoked: nobody gets in", "convrec keys create --users '*'"
        )
    return Check("keys", True, f"{good} good, {len(keys) - good} revoked")


def _server(workshop: Workshop) -> Check:
    try:
        holder = index_holder(workshop.settings.index_dir)
    except OSError as error:
        raise IndexUnavailableError(f"cannot look at the index's lock: {error}; check the folder") from error
    if holder is None:
        return Check("server", None, "not running")
    return Check("server", True, f"process {holder.pid} at {holder.url or 'no URL (a command)'}")
