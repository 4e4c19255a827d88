"""Owns the fitting of what a model's answers count beside rules and judges (dialogue/fusing.py). Asks nothing.

Maximises the likelihood of the right options under a softmax of s * model + gain of the rules' option + j * judge,
with a ridge towards s = 1, gain = 1, j = 0.5, and divides by s: sums are compared in units of the model's logs. Of
wishes there is no gain: their judge knows what rules say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from convrec.dialogue.fusing import TITLE, Fusion, directed
from convrec.dialogue.questions import NONE, OPTIONS, Answers, Subject
from convrec.dialogue.wishes import DIRECTIONS, Place, certain
from convrec.retrieval.base import Floats
from convrec.training.message_examples import MessageExample
from convrec.training.wishes import WISHES, WISHING

_RIDGE = 1.0
_LEAST_SLOPE = 0.05


@dataclass(frozen=True, slots=True)
class Weighed:
    """One question with everything that is said of it.

    Args:
        by_rule: The rules' option.
        logs: The model's log probabilities, in the order of OPTIONS; of an interval it is not asked.
        right: The place of the right option there.
        judged: A judge's log probabilities, of a kind or a wish; of a wish in the order of a set's options.
    """

    subject: Subject
    by_rule: str
    logs: tuple[float, ...]
    right: int
    judged: tuple[float, ...] | None = None


def weigh(
    example: MessageExample,
    answers: Answers,
    judged: tuple[float, ...] | None,
    wishes: Mapping[Place, tuple[float, ...]],
) -> list[Weighed]:
    """The questions of an example that were answered; wishes where rules found one and the message asks.

    Args:
        judged: The judge's log probabilities of the message's kinds.
        wishes: Those of the options of the wishes that rules found, by place.
    """
    kind = OPTIONS[Subject.KIND][example.answers[0]] if example.questions.asked[0].subject is Subject.KIND else ""
    found = []
    for question, right in zip(example.questions.asked, example.answers, strict=True):
        place = (question.first, question.last)
        logs = answers.of(question.subject, *place)
        told = judged if question.subject is Subject.KIND else None
        if question.subject in WISHES:
            told = wishes.get(place)
            if told is None or kind not in WISHING:
                continue
        if logs is None and question.subject is Subject.RANGE:
            logs = ()
        if logs is not None:
            found.append(Weighed(question.subject, str(question.by_rule), logs, right, told))
    return found


def cross_validated(cases: Mapping[str, Sequence[Weighed]], folds: int = 5) -> dict[str, dict[str, float]]:
    """The share of right decisions by rules, judges, model and all, weights fitted without the units judged.

    Args:
        cases: By unit.
    """
    hits: dict[str, dict[str, list[bool]]] = {}
    units = sorted(cases)
    for fold in range(folds):
        judged = units[fold::folds]
        fusion = fit_fusion([case for unit in units if unit not in judged for case in cases[unit]])
        for case in (case for unit in judged for case in cases[unit]):
            for decision, told in _decided(case, fusion).items():
                for who, right in told.items():
                    hits.setdefault(decision, {}).setdefault(who, []).append(right)
    return {
        decision: {**{who: round(float(np.mean(own)), 4) for who, own in told.items()}, "of": len(told["all"])}
        for decision, told in hits.items()
    }


def _decided(case: Weighed, fusion: Fusion) -> dict[str, dict[str, bool]]:
    """For every decision of a question, who is right about it."""
    options = OPTIONS[case.subject]
    right = options[case.right]
    if case.subject is not Subject.ITEM:
        told = {"rules": case.by_rule == right, "all": _together(case, fusion) == right}
        if case.judged:
            is_wish = case.subject is not Subject.KIND
            judged = dict(zip(OPTIONS[Subject.SET] if is_wish else options, case.judged, strict=True))
            told["judge"] = max(options, key=lambda option: judged[option]) == right
        if case.logs:
            told["model"] = options[int(np.argmax(case.logs))] == right
        return {str(case.subject): told}
    named, is_title = case.by_rule != NONE, right != NONE
    found = {
        TITLE: {
            "rules": named == is_title,
            "model": (int(np.argmax(case.logs)) != len(options) - 1) == is_title,
            "all": fusion.is_title(named, case.logs) == is_title,
        }
    }
    if named and is_title:
        found["polarity"] = {
            "rules": case.by_rule == right,
            "model": options[int(np.argmax(case.logs[:-1]))] == right,
            "all": fusion.option(case.subject, case.by_rule, case.logs) == right,
        }
    return found


def fit_fusion(cases: Sequence[Weighed]) -> Fusion:
    """The weights.

    Args:
        cases: Of messages that neither the model nor the judge has learned from.
    """
    gains: dict[str, Mapping[str, float]] = {}
    judge, wishes = 0.0, 1.0
    for subject in (Subject.KIND, Subject.ITEM, Subject.SET):
        own = [case for case in cases if case.subject is subject]
        options = OPTIONS[subject]
        if subject is Subject.ITEM:
            gains[TITLE] = _title_gains(own)
            options = tuple(option for option in options if option != NONE)
            own = [case for case in own if case.by_rule in options and OPTIONS[subject][case.right] in options]
        if own and subject is Subject.SET:
            wishes = _wish_weight(own)
        elif own:
            gains[subject], weight = _fitted(own, options)
            judge = weight if subject is Subject.KIND else judge
    return Fusion(gains, judge=judge, wishes=wishes)


def _fitted(cases: Sequence[Weighed], options: Sequence[str]) -> tuple[dict[str, float], float]:
    """What each of the rules' options gains, and the judge's weight."""
    n = len(options)
    logs_C_O = np.array([case.logs[:n] for case in cases])
    judged_C_O = np.array([case.judged or (0.0,) * n for case in cases])
    rule_C = np.array([options.index(case.by_rule) for case in cases])
    right_C = np.array([case.right for case in cases])
    rows = np.arange(len(cases))

    def scores(weights: Floats) -> Floats:
        score_C_O: Floats = weights[0] * logs_C_O + weights[1] * judged_C_O
        score_C_O[rows, rule_C] += weights[2:][rule_C]
        return score_C_O

    found = _likeliest(scores, right_C, np.array([1.0, 0.5, *([1.0] * n)]))
    slope = max(float(found[0]), _LEAST_SLOPE)
    told = {option: round(float(gain) / slope, 3) for option, gain in zip(options, found[2:], strict=True)}
    return told, round(float(found[1]) / slope, 3)


def _together(case: Weighed, fusion: Fusion) -> str:
    if case.subject in WISHES:
        heard = case.logs if case.subject is Subject.SET else None
        return fusion.wish(case.subject, case.judged or certain(case.by_rule), heard)
    return fusion.option(case.subject, case.by_rule, case.logs, case.judged)


def _wish_weight(cases: Sequence[Weighed]) -> float:
    """What the judge of wishes counts beside the model."""
    heard = [directed(case.logs) for case in cases]
    logs_C_O = np.array([[told[DIRECTIONS[option]] for option in OPTIONS[Subject.SET]] for told in heard])
    judged_C_O = np.array([case.judged or certain(case.by_rule) for case in cases])
    right_C = np.array([case.right for case in cases])
    found = _likeliest(lambda w: w[0] * logs_C_O + w[1] * judged_C_O, right_C, np.array([1.0, 1.0]))
    return round(float(found[1]) / max(float(found[0]), _LEAST_SLOPE), 3)


def _likeliest(scores: Callable[[Floats], Floats], right_C: NDArray[np.intp], start: Floats) -> Floats:
    """The weights under which a softmax of their scores (C, O) makes the right options likeliest, near a start."""
    from scipy.optimize import minimize

    def loss(weights: Floats) -> float:
        score_C_O = scores(weights)
        total_C = np.logaddexp.reduce(score_C_O, axis=1)
        right = score_C_O[np.arange(len(right_C)), right_C]
        return float((total_C - right).sum() + _RIDGE * ((weights - start) ** 2).sum())

    found: Floats = minimize(loss, start, method="L-BFGS-B").x
    return found


def _title_gains(cases: Sequence[Weighed]) -> dict[str, float]:
    """Log odds that words are a title gain where rules say so, and lose where they doubt it."""
    from scipy.optimize import minimize

    odds_C = np.array([_odds(case.logs[-1]) for case in cases])
    named_C = np.array([case.by_rule != NONE for case in cases])
    sign_C = np.array([1.0 if case.right != len(OPTIONS[Subject.ITEM]) - 1 else -1.0 for case in cases])
    start = np.array([1.0, 1.0, 1.0])

    def loss(weights: Floats) -> float:
        score_C = weights[0] * odds_C + np.where(named_C, weights[1], -weights[2])
        return float(np.logaddexp(0, -sign_C * score_C).sum() + _RIDGE * ((weights - start) ** 2).sum())

    found = minimize(loss, start, method="L-BFGS-B").x
    slope = max(float(found[0]), _LEAST_SLOPE)
    return {"named": round(float(found[1]) / slope, 3), "doubtful": round(float(found[2]) / slope, 3)}


def _odds(log_none: float) -> float:
    none = min(max(exp(log_none), 1e-9), 1 - 1e-9)
    return log(1 - none) - log(none)
