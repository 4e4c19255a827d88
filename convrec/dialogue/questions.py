"""Owns what a language model is asked about a message: one question per kind, title and wish. Decides nothing.

A question's options exclude each other; each is a short segment after one shared prefix, and what the engine makes
of "Yes" after it is set against the others. So nothing is generated, nothing can be made up, and every answer is
about words that code found in the message (decision 6 of the design).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from math import log

from convrec.engine.base import PREFIX_BLOCK, Engine, Labels, Message, Tokenizer
from convrec.errors import PromptError
from convrec.prompting import Prompt
from convrec.types import Domain, IntentKind, Polarity

MESSAGE_CHARS = 600
_WORDS_CHARS = 48
_MOST = 8
_LEAST = 1e-6


class Subject(StrEnum):
    """What a question is about, named as its block of the prompt."""

    KIND = "kind"
    ITEM = "item"
    SET = "set"
    RANGE = "range"


NONE = "none"
OPTIONS: Mapping[Subject, tuple[str, ...]] = {
    Subject.KIND: tuple(IntentKind),
    Subject.ITEM: (*(p for p in Polarity), NONE),
    Subject.SET: ("must", "prefer", "exclude", "avoid", NONE),
    Subject.RANGE: ("must", "prefer", NONE),
}
"""Of a title how it is felt, of a wish its strength (`exclude` is a must), of both that it is none."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of some words of a message.

    Args:
        subject: Which options there are.
        words: As the message has them; "" for the kind, which is of all of it.
        first, last: Their tokens, first <= i < last; what answers are found by.
        by_rule: The option that code alone would take.
        values: What the words stand for: ("", item_id), or facet and value of each constraint.
    """

    subject: Subject
    words: str
    first: int
    last: int
    by_rule: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Questions:
    """Everything that is asked about one message.

    Args:
        message: The text.
        earlier: Whether items were shown before it.
        asked: The kind's question first.
    """

    message: str
    earlier: bool
    asked: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """Natural logarithms of the probability of each option, in the order of OPTIONS, by subject and tokens."""

    logs: Mapping[tuple[Subject, int, int], tuple[float, ...]]

    def of(self, subject: Subject, first: int, last: int) -> tuple[float, ...] | None:
        """The answer to the question about some tokens; None where it was not asked."""
        return self.logs.get((subject, first, last))


@dataclass(frozen=True, slots=True)
class QuestionPrompt:
    """What an engine scores: segments after a prefix, the options of one question after those of the other."""

    prefix: list[int]
    segments: list[list[int]]
    labels: Labels
    prompt_hash: str


class QuestionPrompts:
    """Renders questions, for serving and for training alike.

    Args:
        prompt: With blocks `system`, `user` and one per subject, and single-token labels.
        domain: What is talked about.
    """

    def __init__(self, prompt: Prompt, domain: Domain) -> None:
        self._prompt, self._domain = prompt, domain
        self.name = f"{prompt.name}:{prompt.hash}"

    def make(self, tokenizer: Tokenizer, questions: Questions) -> QuestionPrompt:
        """The token ids that ask.

        Raises:
            PromptError: A label is not a single token of the tokenizer.
        """
        said = tokenizer.escape(" ".join(questions.message.split())[:MESSAGE_CHARS])
        text = tokenizer.chat(
            [
                Message("system", self._prompt.render("system", domain=self._domain)),
                Message(
                    "user",
                    self._prompt.render("user", domain=self._domain, message=said, earlier=questions.earlier),
                ),
            ]
        )
        before = tokenizer.encode(text)
        filler = tokenizer.encode("\n")[-1:]
        segments = [
            tokenizer.encode(self._statement(tokenizer, question, option))
            for question in questions.asked
            for option in OPTIONS[question.subject]
        ]
        digest = sha256(f"{self._prompt.hash}\n{before}".encode()).hexdigest()[:12]
        return QuestionPrompt(
            before + filler * (-len(before) % PREFIX_BLOCK),
            segments,
            self.labels(tokenizer),
            f"{self._prompt.name}:{digest}",
        )

    def labels(self, tokenizer: Tokenizer) -> Labels:
        """The ids of the two answers.

        Raises:
            PromptError: One is not a single token of the tokenizer.
        """
        ids = {name: tokenizer.encode(self._prompt.labels[name]) for name in ("yes", "no")}
        for name, tokens in ids.items():
            if len(tokens) != 1:
                raise PromptError(
                    f"{self._prompt.name}: label {name} = {self._prompt.labels[name]!r} is {len(tokens)} tokens "
                    "for this model; choose a word that is one token"
                )
        return Labels(yes=ids["yes"][0], no=ids["no"][0])

    def _statement(self, tokenizer: Tokenizer, question: Question, option: str) -> str:
        if question.subject is Subject.KIND:
            return self._prompt.render("kind", domain=self._domain, option=option)
        words = tokenizer.escape(" ".join(question.words.split())[:_WORDS_CHARS])
        return self._prompt.render(question.subject, option=option, words=words)


class QuestionReader:
    """Asks an engine.

    Args:
        engine: Any engine; its tokenizer renders the prompts.
        prompts: The questions' texts.
        adapter: Name of a loaded adapter that was trained on them; None asks the base model.
    """

    def __init__(self, engine: Engine, prompts: QuestionPrompts, adapter: str | None = None) -> None:
        self._engine, self._prompts, self._adapter = engine, prompts, adapter

    async def answer(self, questions: Questions, salt: str | None = None) -> Answers:
        """What the model answers.

        Args:
            questions: At most the first so many are asked that the time of a turn allows for.
            salt: Of the person; see Engine.score.

        Raises:
            EngineError: The engine could not score.
            PromptError: A label is not a single token of the engine's model.
        """
        asked = Questions(questions.message, questions.earlier, questions.asked[:_MOST])
        prompt = self._prompts.make(self._engine.tokenizer, asked)
        scores = await self._engine.score(prompt.prefix, prompt.segments, prompt.labels, self._adapter, salt)
        return answered(asked.asked, scores)


def answered(asked: Sequence[Question], scores: Sequence[float]) -> Answers:
    """Scores of all options as answers: a softmax of their log odds within each question."""
    logs = {}
    start = 0
    for question in asked:
        end = start + len(OPTIONS[question.subject])
        odds = [max(f, _LEAST) / max(1.0 - f, _LEAST) for f in scores[start:end]]
        logs[question.subject, question.first, question.last] = tuple(log(o / sum(odds)) for o in odds)
        start = end
    return Answers(logs)
