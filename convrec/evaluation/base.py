"""What an evaluation is made of: tasks with their cases, and the systems that are judged on them.

Owns the seam between protocols (which make tasks) and systems (which rank); no split, no metric, no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from convrec.data.catalogue import Catalogue
from convrec.progress import Progress
from convrec.types import FeedbackEvent, RetrievalQuery


@dataclass(frozen=True, slots=True)
class Case:
    """One prediction: what is known of a person at a moment, and what they turned to next.

    Args:
        case_id: Unique within its task.
        unit: What a bootstrap resamples: the user, or the conversation.
        query: All that a system may use; `exclude` is the mask. `history` is what the person did, `seeds` what
            they named in conversation (first named first), `text` what they said.
        targets: item_ids that were held out, none of them excluded; each is ranked on its own in the same list.
        events: The feedback that the history was made of, oldest first; for systems that read more than signals.
        wanted: How much each target was, in [0, 1]; () where that is not known. No metric uses it.
    """

    case_id: str
    unit: str
    query: RetrievalQuery
    targets: tuple[str, ...]
    events: tuple[FeedbackEvent, ...] = ()
    wanted: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Items of one person with what they thought of them, to be told apart by a score.

    Args:
        liked: One truth value per item of `item_ids`.
    """

    unit: str
    query: RetrievalQuery
    item_ids: tuple[str, ...]
    liked: tuple[bool, ...]
    events: tuple[FeedbackEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A split, ready to be ranked: every system gets the same.

    Args:
        name: Protocol and part, as in "leave-one-out/test".
        catalogue: Every item competes, less those that a case excludes.
        train: Everything that a system may be fitted on; each user's own in order.
        cases: To be ranked.
        judgements: To be told apart, for the protocols that measure AUC.
        examples: Cases whose targets are known and may be learnt from (conversations), in the order of time.
        notes: What was left out, and how much.
    """

    name: str
    catalogue: Catalogue
    train: tuple[FeedbackEvent, ...]
    cases: tuple[Case, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    examples: tuple[Case, ...] = ()
    notes: tuple[str, ...] = ()


class FittedSystem(Protocol):
    """A system that has seen a task's training data; used by one thread."""

    def recommend(self, case: Case, k: int) -> Sequence[str]:
        """The k best items, best first: in the catalogue, none twice, none excluded.

        Equal scores are ordered by item_id. Fewer than k only where the system offers no more.
        """
        ...

    def score(self, judgement: Judgement) -> Sequence[float]:
        """One score per item of a judgement, higher for items that are wanted more."""
        ...

    def close(self) -> None:
        """Let go of files and processes. Idempotent."""
        ...


class System(Protocol):
    """A way to recommend, before it is fitted.

    Attributes:
        name: What `convrec evaluate --systems` calls it.
        settings: Everything that was chosen, in words for the report.
        stochastic: Whether a seed changes it; others are run once.
    """

    name: str
    settings: str
    stochastic: bool

    def fit(self, task: Task, seed: int, progress: Progress) -> FittedSystem:
        """Fit on `task.train` and `task.examples` and nothing else.

        Args:
            task: Its cases must not be looked at.
            seed: Of everything random.
            progress: Called with a fraction in [0, 1] and what is being done.
        """
        ...
