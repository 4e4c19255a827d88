"""Owns examples from what people chose: interactions and recorded conversations, cross-fitted.

They say what was chosen, not what was offered. So a retriever makes the offer, one that has not seen the person:
people are dealt into folds, and each fold is offered items by an index of the others. What the retriever did not
offer makes no example: a positive that was put among the candidates by hand would differ from them in ways that a
model learns to spot.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from convrec.data.catalogue import Catalogue
from convrec.evaluation.base import Case
from convrec.evaluation.protocols import case_at
from convrec.ledger.profile import how_wanted, standing
from convrec.progress import Progress
from convrec.ranking.examples import Example, choice, context_of
from convrec.retrieval.base import Embedder, Retriever
from convrec.retrieval.hybrid import HybridConfig, HybridRetriever, fitted_retriever
from convrec.types import Candidate, FeedbackEvent, RetrievalQuery

Make = Callable[[frozenset[str], HybridRetriever], list[Example]]
"""Makes the examples of some people with a retriever that has not seen them."""


@dataclass(frozen=True, slots=True)
class ExamplesConfig:
    """How examples are made of what people did.

    Args:
        candidates: Items that the retriever offers.
        folds: Parts that people are dealt into.
        cuts: Latest choices of a person that become examples.
        seed: Of the dealing.
    """

    candidates: int = 20
    folds: int = 4
    cuts: int = 5
    seed: int = 0


def choice_cases(
    events: Iterable[FeedbackEvent], catalogue: Catalogue, cuts: int, since: float = -math.inf
) -> list[Case]:
    """The last `cuts` choices of every person from a moment on, each to be predicted from what was before it.

    It was wanted as much as its event says (ledger.profile.opinion), wholly where that does not say.
    """
    by_user: defaultdict[str, list[FeedbackEvent]] = defaultdict(list)
    for event in standing(events):
        by_user[event.user_id].append(event)
    cases = []
    for user_id, own in by_user.items():
        for cut in range(max(1, len(own) - cuts), len(own)):
            case = case_at(f"{user_id}@{cut}", user_id, own[:cut], own[cut], catalogue)
            if case is not None and own[cut].timestamp >= since:
                cases.append(replace(case, wanted=(how_wanted(own[cut], catalogue.domain.rating_scale),)))
    return cases


def offered(cases: Iterable[Case], retriever: Retriever, catalogue: Catalogue, candidates: int) -> list[Example]:
    """Examples of the cases' targets among what a retriever offers; targets that it does not offer make none."""
    examples = []
    for case in cases:
        found = retriever.retrieve(case.query, candidates)
        context = context_of(case.unit, case.events, case.query, catalogue)
        for target, wanted in zip(case.targets, case.wanted or (1.0,) * len(case.targets), strict=True):
            example = choice(
                case.unit, _moment(case), context, found, target, wanted, case.targets, (case.case_id,)
            )
            if example is not None:
                examples.append(example)
    return examples


def matched(cases: Sequence[Case], catalogue: Catalogue, candidates: int, seed: int) -> list[Example]:
    """Examples that need no retriever: each target among targets of other people's cases.

    What is wanted and what is not come from the same distribution here, so that nothing but the match of context
    and item tells them apart: not even how popular an item is. Retrieval scores are all 0.

    Tried on ReDial with 100 candidates: two of three cross-fitted parts of the conversations are learned from, the
    third chooses by the likelihood ratio of f (134 examples) and judges (292, NDCG@10 over retrieval's .0973);
    135M model, one H100, bfloat16, before logits were exact (packed.py):

        bce+offset, 887 offers, 3 passes                        1.6   +.0026 [-.0005, +.0059]   rejected
        softmax, the same                                       0.0   0                         rejected
        bce+offset, 887 offers and 1,549 matches, 1 pass        3.2   +.0060 [+.0006, +.0119]   accepted

    Args:
        cases: Whose targets make the draw.
        candidates: Items per example; fewer where the draw repeats itself.
        seed: Of the draw.
    """
    source = random.Random(seed)
    pool = [(case.unit, target) for case in cases for target in case.targets]
    examples = []
    for case in cases:
        for target in case.targets:
            known = {*case.targets, *case.query.exclude}
            drawn = [item_id for unit, item_id in source.choices(pool, k=candidates - 1) if unit != case.unit]
            others = [item_id for item_id in dict.fromkeys(drawn) if item_id not in known]
            offers = [Candidate(item_id, 0.0) for item_id in (target, *others)]
            source.shuffle(offers)
            context = context_of(case.unit, case.events, case.query, catalogue)
            example = choice(case.unit, _moment(case), context, offers, target, event_ids=(case.case_id,))
            if example is not None:
                examples.append(replace(example, offered=False))
    return examples


def _moment(case: Case) -> float:
    return max((event.timestamp for event in case.events), default=0.0)


def received(examples: Iterable[Example], retriever: HybridRetriever) -> list[Example]:
    """Examples that no retriever offered, with what one tells of their items; their retrieval scores stay."""
    return [
        replace(
            example,
            expected=tuple(
                candidate.expected
                for candidate in retriever.assess(
                    RetrievalQuery(history=example.context.profile.history), example.item_ids
                )
            ),
        )
        for example in examples
    ]


def cross_fitted(
    units: Iterable[str],
    makes: Sequence[Make],
    events: Sequence[FeedbackEvent],
    catalogue: Catalogue,
    embedder: Callable[[frozenset[str]], Embedder],
    weights: HybridConfig | None,
    config: ExamplesConfig,
    progress: Progress,
) -> list[list[Example]]:
    """Examples that are made, for each person, with an index that has not seen them.

    Args:
        units: The people (or conversations).
        makes: Each makes examples of one kind, of a fold's units with such a retriever.
        events: What indices are built of; their user_id is the unit.
        catalogue: Its items compete.
        embedder: Gives the embedder for a fold: one that has not learned from these units.
        weights: Of the parts of the retrieval score; the defaults when None.
        config: Says how many folds.
        progress: Called with the fraction done.

    Returns:
        Of each kind, fold by fold; deterministic by seed.
    """
    dealt = sorted(set(units))
    random.Random(config.seed).shuffle(dealt)
    kinds: list[list[Example]] = [[] for _ in makes]
    for fold in range(config.folds if dealt else 0):
        left_out = frozenset(dealt[fold :: config.folds])
        seen = [event for event in events if event.user_id not in left_out]
        with fitted_retriever(catalogue, seen, embedder(left_out), weights) as retriever:
            for examples, make in zip(kinds, makes, strict=True):
                examples += make(left_out, retriever)
        progress((fold + 1) / config.folds, "retrieving for examples")
    return kinds
