"""Owns our own systems as they are served: the retriever through a real index, and its blend with the LLM."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue
from convrec.evaluation.base import Case, Judgement, Task
from convrec.progress import Progress
from convrec.ranking.blend import Blend
from convrec.ranking.calibration import CalibrationConfig, calibrate
from convrec.ranking.examples import context_of
from convrec.ranking.interest import Interest
from convrec.retrieval.base import Embedder
from convrec.retrieval.hybrid import HybridConfig, HybridRetriever, fitted_retriever
from convrec.types import Candidate, FeedbackEvent, RetrievalQuery


class RetrievalSystem:
    """The retriever alone, built from a task's training data with the settings that serve.

    Args:
        embedder: Of the texts.
        config: Weights of the parts of the score; the defaults when None.
    """

    name = "retrieval"
    stochastic = False

    def __init__(self, embedder: Embedder, config: HybridConfig | None = None) -> None:
        self._embedder, self._config = embedder, config
        self.settings = "served settings, combination learned on train" + (f", {config}" if config else "")

    def fit(self, task: Task, seed: int, progress: Progress) -> FittedRetrieval:  # noqa: ARG002
        """Build an index in a temporary folder."""
        stack = ExitStack()
        made = fitted_retriever(task.catalogue, task.train, self._embedder, self._config, progress)
        return FittedRetrieval(stack.enter_context(made), stack)


class FittedRetrieval:
    """An open index and its retriever."""

    def __init__(self, retriever: HybridRetriever, stack: ExitStack) -> None:
        self.retriever, self._stack = retriever, stack

    def recommend(self, case: Case, k: int) -> Sequence[str]:
        """The k best retrieved."""
        return [candidate.item_id for candidate in self.retriever.retrieve(case.query, k)]

    def score(self, judgement: Judgement) -> Sequence[float]:
        """Retrieval scores."""
        return [found.score for found in self.retriever.assess(judgement.query, judgement.item_ids)]

    def close(self) -> None:
        """Remove the index."""
        self._stack.close()


@dataclass(frozen=True, slots=True)
class Scorer:
    """An engine that scores, with what belongs to it.

    Args:
        interest: f(u, i).
        close: Stops the engine.
    """

    interest: Interest
    close: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What ranks beside retrieval.

    Args:
        adapter: Name of an adapter that `start` loads; None is the base model.
        blend: That goes with it.
    """

    adapter: str | None
    blend: Blend


class BlendSystem:
    """The retriever's candidates in the order of its blend with the LLM, fitted on training data.

    Where the blend's test gives the LLM no weight, the order is the retriever's and the LLM is not asked.

    Args:
        embedder, config: Of the retriever.
        start: Starts the engine for a catalogue.
        candidates: How many the LLM scores; what retrieval ranks after them follows in its order.
        tuned: An adapter with the blend that was fitted with it; None is the base model, for which one is fitted.
        examples: Held-out events on which that is.
    """

    stochastic = False

    def __init__(
        self,
        embedder: Embedder,
        config: HybridConfig | None,
        start: Callable[[Catalogue], Awaitable[Scorer]],
        candidates: int = 20,
        tuned: Tuned | None = None,
        examples: int = 40,
    ) -> None:
        self.name = "blend" if tuned is None else f"blend+{tuned.adapter}"
        fitted = f"fitted on {examples} held-out training events" if tuned is None else f"{tuned.blend}"
        self.settings = f"{candidates} candidates, blend {fitted}"
        self._retrieval = RetrievalSystem(embedder, config)
        self._start, self._tuned = start, tuned
        self._config = CalibrationConfig(examples=examples, candidates=candidates)

    def fit(self, task: Task, seed: int, progress: Progress) -> FittedBlend:
        """Build the index, start the engine, fit the blend."""
        retrieval = self._retrieval.fit(task, seed, lambda done, what: progress(0.5 * done, what))
        loop = asyncio.new_event_loop()
        scorer = loop.run_until_complete(self._start(task.catalogue))
        tuned = self._tuned
        if tuned is None:
            blend = loop.run_until_complete(
                calibrate(
                    task.train,
                    task.catalogue,
                    scorer.interest,
                    self._config,
                    lambda done, what: progress(0.5 + 0.5 * done, what),
                )
            )
            tuned = Tuned(None, blend)
        return FittedBlend(retrieval, loop, scorer, tuned, self._config.candidates, task.catalogue)


class FittedBlend:
    """A retriever, a running engine and a fitted blend."""

    def __init__(
        self,
        retrieval: FittedRetrieval,
        loop: asyncio.AbstractEventLoop,
        scorer: Scorer,
        tuned: Tuned,
        candidates: int,
        catalogue: Catalogue,
    ) -> None:
        self.blend = tuned.blend
        self._retrieval, self._loop, self._scorer = retrieval, loop, scorer
        self._candidates, self._adapter, self._catalogue = candidates, tuned.adapter, catalogue

    def recommend(self, case: Case, k: int) -> Sequence[str]:
        """The blend's order of the first candidates, then retrieval's."""
        found = self._retrieval.retriever.retrieve(case.query, k)
        head, tail = found[: self._candidates], [candidate.item_id for candidate in found[self._candidates :]]
        if self.blend.w_interest == 0.0:
            return [candidate.item_id for candidate in head] + tail
        values = self._ask(case.unit, case.events, case.query, head)
        scored = [(self.blend.score(c.score, f), c.item_id) for c, f in zip(head, values, strict=True)]
        return [item_id for _, item_id in sorted(scored, key=lambda pair: -pair[0])] + tail

    def score(self, judgement: Judgement) -> Sequence[float]:
        """f(u, i) alone, which is what an AUC of the LLM is about."""
        found = self._retrieval.retriever.assess(judgement.query, judgement.item_ids)
        return self._ask(judgement.unit, judgement.events, judgement.query, found)

    def close(self) -> None:
        """Stop the engine and remove the index."""
        if not self._loop.is_closed():
            self._loop.run_until_complete(self._scorer.close())
            self._loop.close()
        self._retrieval.close()

    def _ask(
        self, user_id: str, events: Sequence[FeedbackEvent], query: RetrievalQuery, found: Sequence[Candidate]
    ) -> list[float]:
        context = context_of(user_id, events, query, self._catalogue)
        values, _ = self._loop.run_until_complete(self._scorer.interest.score(context, found, self._adapter))
        return values
