"""Checks that reasons carry what they are given for: cited history items cost a score more than others do.

Per case one user of the catalogue and one of their first recommendations: the history item that its evidence cites
first is taken out of the history, then, instead, another one that it does not cite; each time everything is
retrieved and scored anew. Exits with 1 below the share that is asked for. Run `convrec demo` once before.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from convrec.dialogue.evidence import EvidenceFinder
from convrec.dialogue.influence import Method, without
from convrec.dialogue.state import retrieval_query
from convrec.ledger.profile import build_profile
from convrec.retrieval.base import Retriever
from convrec.retrieval.hybrid import HybridRetriever, fitted_retriever
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.types import EvidenceKind, RetrievalQuery, SessionState

_POOL = 400
_WINDOW = 50


@dataclass(frozen=True, slots=True)
class Case:
    """What a score loses without the cited item, and without another; their difference decides."""

    user_id: str
    item_id: str
    cited: float
    uncited: float


def served(retriever: Retriever, query: RetrievalQuery, item_id: str) -> float | None:
    """The score that an item gets when a query is served; None where it is not even offered."""
    return next((c.score for c in retriever.retrieve(query, _POOL) if c.item_id == item_id), None)


def check(
    retriever: HybridRetriever,
    finder: EvidenceFinder,
    queries: dict[str, RetrievalQuery],
    profiles: dict[str, object],
    cases: int,
    seed: int,
) -> list[Case]:
    """Up to so many cases, one a user."""
    rng = random.Random(seed)
    found: list[Case] = []
    for user_id in rng.sample(sorted(queries), len(queries)):
        if len(found) == cases:
            break
        query, profile = queries[user_id], profiles[user_id]
        shown = [c.item_id for c in retriever.retrieve(query, 5)]
        item_id = rng.choice(shown)
        (evidence,) = finder.explain([item_id], SessionState(), profile, query)  # type: ignore[arg-type]
        cited = [e.item_id for e in evidence if e.kind is EvidenceKind.HISTORY and e.item_id]
        others = [h.item_id for h in query.history[-_WINDOW:] if h.signal > 0 and h.item_id not in cited]
        if not cited or not others:
            continue
        whole = served(retriever, query, item_id)
        lost = [served(retriever, without(query, {left}), item_id) for left in (cited[0], rng.choice(others))]
        if whole is None:
            continue
        # What is not even offered any more has lost more than its score.
        falls = [whole - score if score is not None else float("inf") for score in lost]
        found.append(Case(user_id, item_id, falls[0], falls[1]))
    return found


def main(
    cases: Annotated[int, typer.Option(help="How many")] = 200,
    share: Annotated[float, typer.Option(help="Of cases in which the cited item must cost more")] = 0.8,
    method: Annotated[str, typer.Option(help="leave-one-out or shapley")] = "leave-one-out",
    seed: int = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Where the demo's data is")] = None,
) -> None:
    """Count."""
    workshop = Workshop(load_settings(data_dir=data_dir))
    catalogue = workshop.catalogue()
    events = list(workshop.ledger.feedback())
    by_user: dict[str, list] = {}
    for event in events:
        by_user.setdefault(event.user_id, []).append(event)
    profiles = {u: build_profile(u, own, catalogue.domain.rating_scale) for u, own in by_user.items()}
    queries = {u: retrieval_query(SessionState(), p) for u, p in profiles.items() if len(p.history) > 5}
    with fitted_retriever(catalogue, events, workshop.embedder, workshop.hybrid) as retriever:
        measure: Method = "shapley" if method == "shapley" else "leave-one-out"
        finder = EvidenceFinder(catalogue, retriever, method=measure)
        found = check(retriever, finder, queries, dict(profiles), cases, seed)
    won = sum(case.cited > case.uncited for case in found)
    print(f"{won} of {len(found)} cases ({won / max(len(found), 1):.1%}): the cited item costs more than another")
    if won < share * len(found) or len(found) < cases:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
