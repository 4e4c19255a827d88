"""Owns what a model is taught about messages: the questions that understanding asks of them, answered."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convrec.dialogue.language import tokenise
from convrec.dialogue.questions import NONE, OPTIONS, Question, Questions, Subject
from convrec.dialogue.understanding import Understanding, option
from convrec.errors import DataError
from convrec.evaluation.messages import LabelledMessage
from convrec.training.templates import Labelled, Part
from convrec.types import IntentKind, SessionState


@dataclass(frozen=True, slots=True)
class MessageExample:
    """A message's questions and their answers.

    Args:
        unit: The template it comes from; no unit is both learned from and judged by.
        questions: As in serving.
        answers: For each question the position of the right option in OPTIONS.
    """

    unit: str
    questions: Questions
    answers: tuple[int, ...]


def message_example(labelled: Labelled, understanding: Understanding, earlier: bool) -> MessageExample:
    """What understanding asks of a message, answered by its labels.

    Titles and wishes that it does not find are asked as well: a model that is to know more than rules has to have
    seen more.
    """
    questions = understanding.questions(labelled.message, SessionState(turns=int(earlier)))
    tokens = tokenise(questions.message)
    asked, answers = [], []
    covered: set[Part] = set()
    for question in questions.asked:
        option = str(labelled.kind)
        if question.subject is not Subject.KIND:
            start, end = tokens[question.first].start, tokens[question.last - 1].end
            part = next((p for p in labelled.parts if p.start < end and start < p.end), None)
            option = NONE
            if part is not None and part.subject is question.subject:
                option = part.option
                covered.add(part)
            elif question.subject is Subject.ITEM and not question.words[:1].isalpha():
                continue
        asked.append(question)
        answers.append(OPTIONS[question.subject].index(option))
    for part in labelled.parts:
        span = [i for i, token in enumerate(tokens) if token.start < part.end and part.start < token.end]
        if part not in covered and span and part.end <= len(questions.message):
            words = questions.message[part.start : part.end]
            asked.append(Question(part.subject, words, span[0], span[-1] + 1, NONE))
            answers.append(OPTIONS[part.subject].index(part.option))
    return MessageExample(
        labelled.unit, Questions(questions.message, questions.earlier, tuple(asked)), tuple(answers)
    )


def labelled_example(one: LabelledMessage, understanding: Understanding, earlier: bool) -> MessageExample:
    """The same of a message that was labelled as a whole: an answer is right where its value is labelled so."""
    questions = understanding.questions(one.message, SessionState(turns=int(earlier)))
    felt = {mention.item_id: str(mention.polarity) for mention in one.intent.mentions}
    wishes = {(c.facet, str(c.value)): option(c) for c in one.intent.constraints}
    answers = []
    for question in questions.asked:
        right = str(one.intent.kind) if question.subject is Subject.KIND else NONE
        if question.subject is Subject.ITEM:
            right = next((felt[item_id] for _, item_id in question.values if item_id in felt), NONE)
        elif question.subject is not Subject.KIND:
            right = next((wishes[key] for key in question.values if key in wishes), NONE)
        answers.append(OPTIONS[question.subject].index(right))
    return MessageExample(f"development:{one.message_id}", questions, tuple(answers))


def kind_example(unit: str, message: str, kind: IntentKind, earlier: bool) -> MessageExample:
    """A message of which nothing but the kind is known."""
    question = Question(Subject.KIND, "", 0, 0, NONE)
    return MessageExample(
        unit, Questions(message, earlier, (question,)), (OPTIONS[Subject.KIND].index(str(kind)),)
    )


def masked_titles(questions: Questions) -> str:
    """The message with [title] in the place of every title that rules find, as the judge of kinds reads it."""
    message, tokens = questions.message, tokenise(questions.message)
    for question in sorted(questions.asked, key=lambda question: -question.first):
        if question.subject is Subject.ITEM and question.by_rule != NONE:
            start, end = tokens[question.first].start, tokens[question.last - 1].end
            message = f"{message[:start]}[title]{message[end:]}"
    return message


def write_examples(examples: Iterable[MessageExample], file: Path) -> int:
    """Write examples as gzipped lines of JSON; returns how many."""
    count = 0
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        for example in examples:
            asked = [[q.subject, q.words, q.first, q.last, q.by_rule] for q in example.questions.asked]
            told = {
                "unit": example.unit,
                "message": example.questions.message,
                "earlier": example.questions.earlier,
                "asked": asked,
                "answers": example.answers,
            }
            lines.write(json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def read_examples(file: Path) -> list[MessageExample]:
    """Examples as `write_examples` wrote them.

    Raises:
        DataError: The file is missing or malformed.
    """
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            return [_example(json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{file} holds no examples of messages: {error!r}") from error


def split_units(
    examples: Sequence[MessageExample], every: int = 10
) -> tuple[list[MessageExample], list[MessageExample]]:
    """To learn from, and to choose by: all examples of every so manyth unit."""
    units = sorted({example.unit for example in examples})
    chosen = set(units[::every])
    return [e for e in examples if e.unit not in chosen], [e for e in examples if e.unit in chosen]


def _example(told: dict[str, Any]) -> MessageExample:
    asked = tuple(
        Question(Subject(subject), words, first, last, by_rule)
        for subject, words, first, last, by_rule in told["asked"]
    )
    return MessageExample(told["unit"], Questions(told["message"], told["earlier"], asked), tuple(told["answers"]))
