"""Owns the division of a ledger in time: what is learned from, what chooses the weights, what judges them.

    --- learn ---|choose|--- judge ---> time

Nothing at or after a part's beginning reaches what comes before it: neither its examples nor the retriever that
makes its offers. What people do in their own time before a prediction is its history, in whatever part that lies.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from convrec.data.catalogue import Catalogue
from convrec.errors import DataError
from convrec.evaluation.base import Case
from convrec.ledger.profile import signal
from convrec.progress import Progress
from convrec.ranking.examples import Example
from convrec.retrieval.embedding import NoText
from convrec.retrieval.hybrid import fitted_retriever
from convrec.training.examples import ExamplesConfig, Make, choice_cases, cross_fitted, offered, received
from convrec.training.impressions import feedback_examples
from convrec.training.lineage import lineage
from convrec.training.objective import fit_offset
from convrec.training.opinions import Opinions, expressed, opinion_groups
from convrec.training.screening import ScreeningConfig, capped, screen
from convrec.types import FeedbackEvent, ImpressionEvent, TurnEvent

_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class LessonsConfig:
    """How a ledger is divided.

    Args:
        choose, judge: Shares of all choices, the latest.
        learn_examples, choose_examples, judge_examples: At most so many.
        opinions: Share of these that are groups of opinions, as far as there are any; opinion_items in each,
            opinion_groups of each person.
        matched: Of learn_examples, targets among other people's, where conversations were recorded.
        newest: Share of what is learned from that is the newest; the rest is drawn from everything before.
        offers: How examples are made of choices.
        screening: What does not train, and so does not judge.
    """

    choose: float = 0.1
    judge: float = 0.15
    learn_examples: int = 600
    choose_examples: int = 40
    judge_examples: int = 200
    opinions: float = 0.4
    opinion_items: int = 12
    opinion_groups: int = 2
    matched: int = 0
    newest: float = 0.5
    offers: ExamplesConfig = field(default_factory=ExamplesConfig)
    screening: ScreeningConfig = field(default_factory=ScreeningConfig)


@dataclass(frozen=True, slots=True)
class Lessons:
    """Examples by what they are for, and where they come from.

    Args:
        coverage: Share of the choices and slates to be judged that retrieval offered.
        lineage: Counts and moments, how much was left out and why, and what lineage.py keeps of the events read.
    """

    learn: list[Example]
    choose: list[Example]
    judge: list[Example]
    coverage: float
    lineage: dict[str, Any]


def make_lessons(
    events: Sequence[FeedbackEvent],
    impressions: Sequence[ImpressionEvent],
    turns: Callable[[str], Sequence[TurnEvent]],
    catalogue: Catalogue,
    config: LessonsConfig,
    progress: Progress,
) -> Lessons:
    """Divide a ledger.

    Args:
        events: Feedback of all users, by time.
        impressions: What was shown.
        turns: The turns of a session.

    Raises:
        DataError: There are too few choices.
    """
    screened = screen(events, impressions, config.screening)
    events, left_out = screened.trains, Counter(screened.counts)
    scale = catalogue.domain.rating_scale
    moments = [event.timestamp for event in events if (signal(event, scale) or 0.0) > 0]
    if len(moments) < 2:
        raise DataError(f"{len(moments)} choices in the ledger are too few to learn from; collect more feedback")
    to_choose, to_judge = (
        float(np.quantile(moments, 1 - share)) for share in (config.choose + config.judge, config.judge)
    )
    early = [event for event in events if event.timestamp < to_choose]
    offers = config.offers
    cases = _some(choice_cases(early, catalogue, offers.cuts), 4 * config.learn_examples, offers.seed)
    groups = _groups(early, catalogue, config, config.learn_examples)

    def spoken(known: Sequence[FeedbackEvent], since: float, until: float) -> list[Example]:
        shown = [impression for impression in impressions if since <= impression.timestamp < until]
        return capped(feedback_examples(shown, turns, known, catalogue), config.screening, left_out)

    shown = spoken(early, -math.inf, to_choose)[-config.learn_examples :]
    replay, opinions, slates = cross_fitted(
        {case.unit for case in cases} | {group.unit for group in groups} | {slate.user_id for slate in shown},
        (
            *by_source(cases, groups, catalogue, offers.candidates),
            lambda units, eyes: received([slate for slate in shown if slate.user_id in units], eyes),
        ),
        early,
        catalogue,
        lambda _: NoText(),
        None,
        offers,
        lambda done, what: progress(0.6 * done, what),
    )
    choices = _newest(
        capped(replay, config.screening, left_out), config.learn_examples - len(slates) - len(opinions), config
    )
    of_slates, of_choices, of_opinions = fit_offset(slates), fit_offset(choices), fit_offset(opinions)
    middle = [event for event in events if event.timestamp < to_judge]
    chosen, told, said, _ = _later(
        middle, to_choose, spoken(middle, to_choose, to_judge), catalogue, config, config.choose_examples
    )
    choose = of_choices.on(chosen) + of_slates.on(told) + of_opinions.on(said)
    progress(0.8, "retrieving for examples")
    chosen, told, said, coverage = _later(
        events, to_judge, spoken(events, to_judge, math.inf), catalogue, config, config.judge_examples
    )
    judge = chosen + told + said
    progress(1.0, "retrieving for examples")
    learn = of_slates.on(slates) + of_choices.on(choices) + of_opinions.on(opinions)
    counts = {"learn": len(learn), "choose": len(choose), "judge": len(judge), "left_out": dict(left_out)}
    bounds = {"choose_from": to_choose, "judge_from": to_judge}
    return Lessons(learn, choose, judge, coverage, lineage(events) | counts | bounds)


def _later(
    events: Sequence[FeedbackEvent],
    since: float,
    slates: Sequence[Example],
    catalogue: Catalogue,
    config: LessonsConfig,
    most: int,
) -> tuple[list[Example], list[Example], list[Example], float]:
    """Examples from a moment on, made with an index of what was before it.

    Args:
        slates: Of that time.
        most: Slates, and examples of other kinds together.

    Returns:
        The examples of choices, slates and opinions, and the share of choices and slates that was offered.
    """
    before = [event for event in events if event.timestamp < since]
    offers = config.offers
    cases = _some(choice_cases(events, catalogue, offers.cuts, since), 4 * most, offers.seed)
    with fitted_retriever(catalogue, before, NoText()) as retriever:
        found = offered(cases, retriever, catalogue, offers.candidates)
        told = received(slates[:most], retriever)
        said = expressed(_groups(events, catalogue, config, most, since), retriever)
    coverage = (len(found) + len(told)) / max(len(cases) + len(told), 1)
    kept = capped(found, config.screening, Counter())
    return kept[: most - len(said)], told, said, coverage


def _groups(
    events: Sequence[FeedbackEvent],
    catalogue: Catalogue,
    config: LessonsConfig,
    most: int,
    since: float = -math.inf,
) -> list[Opinions]:
    """The opinions' share of so many examples."""
    groups = opinion_groups(events, catalogue, config.opinion_items, config.opinion_groups, since)
    return _some(groups, int(config.opinions * most), config.offers.seed)


def by_source(
    cases: Sequence[Case], groups: Sequence[Opinions], catalogue: Catalogue, candidates: int
) -> tuple[Make, Make]:
    """How examples are made of choices and of opinions."""
    return (
        lambda units, eyes: offered((c for c in cases if c.unit in units), eyes, catalogue, candidates),
        lambda units, eyes: expressed([g for g in groups if g.unit in units], eyes),
    )


def _some(things: Sequence[_Thing], most: int, seed: int) -> list[_Thing]:
    """In random order, at most so many."""
    return random.Random(seed).sample(things, min(most, len(things)))


def _newest(examples: Sequence[Example], most: int, config: LessonsConfig) -> list[Example]:
    """The newest, and a draw from what is older."""
    by_time = sorted(examples, key=lambda example: -example.moment)
    new = by_time[: int(most * config.newest)]
    older = by_time[len(new) :]
    return new + random.Random(config.offers.seed).sample(older, min(max(most - len(new), 0), len(older)))
