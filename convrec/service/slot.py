"""Where the app finds what it serves: the recommender, which may arrive after the port is open. Owns no route."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from convrec.prompting import Prompts
from convrec.retrieval.base import Embedder
from convrec.service.experiment import Experiment
from convrec.service.metrics import Metrics
from convrec.service.problems import Problem
from convrec.service.recommender import Recommender
from convrec.service.turnstile import Turns
from convrec.service.versions import Versions

if TYPE_CHECKING:
    from convrec.service.erase import Erased
    from convrec.service.jobs import Jobs
    from convrec.service.shelf import Shelf
    from convrec.training.registry import Registry


@dataclass(frozen=True, slots=True)
class Office:
    """What operators change over HTTP.

    Args:
        shelf: The catalogue.
        registry: The adapters.
        jobs: The trainings.
        erase: Takes a person out of everything; blocks.
    """

    shelf: Shelf
    registry: Registry
    jobs: Jobs
    erase: Callable[[str], Erased]


class RecommenderSlot:
    """Holds the recommender once it is there.

    Args:
        recommender: None while it is being built.
        detail: What the server is doing until then, for people who ask /ready; may be changed at any time.
        versions: The adapter versions that requests may name, once they can be loaded.
        embedder: The text embedder, once it is loaded.
        prompts: The prompt versions that requests may name, with `versions`.

    Attributes:
        turns: Those that are under way.
        experiment: Which version ranks for whom; the active one for all until one begins.
        left_out: Feedback that does not train, by reason, as of the last look.
    """

    def __init__(
        self,
        recommender: Recommender | None = None,
        detail: str = "starting",
        versions: Versions | None = None,
        embedder: Embedder | None = None,
        prompts: Prompts | None = None,
    ) -> None:
        self._recommender = recommender
        self._office: Office | None = None
        self.detail = detail
        self.versions = versions
        self.embedder = embedder
        self.prompts = prompts
        self.turns = Turns()
        self.experiment = Experiment({})
        self.left_out: Mapping[str, int] = {}

    def fill(self, recommender: Recommender) -> None:
        """Begin to serve."""
        self._recommender = recommender

    def open(self, office: Office) -> None:
        """Let operators in."""
        self._office = office

    def adapters(self) -> Mapping[str, float]:
        """The adapter versions that rank, with their shares of the people; none until one does."""
        return {} if self._recommender is None else self.experiment.people(self._recommender.version.adapter)

    def get(self) -> Recommender:
        """The recommender.

        Raises:
            Problem: 503, it is not there yet.
        """
        if self._recommender is None:
            raise self.not_yet()
        return self._recommender

    @property
    def office(self) -> Office:
        """What operators change.

        Raises:
            Problem: 503, it is not open yet.
        """
        if self._office is None:
            raise self.not_yet()
        return self._office

    def not_yet(self) -> Problem:
        """503: what is asked for is not there yet."""
        message = f"the server is starting ({self.detail}); ask again when GET /ready answers 200"
        return Problem(503, message, code="starting", headers={"retry-after": "1"})


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the server says of itself.

    Args:
        model: Name of the language model.
        version: Of convrec.
        started: When it started, seconds since the epoch.
        embedder: Name of the text embedder.
    """

    model: str
    version: str
    started: float
    embedder: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """Everything that routes need, found in `app.state.served`."""

    slot: RecommenderSlot
    info: ServerInfo
    metrics: Metrics


async def _served(request: Request) -> Served:
    return cast(Served, request.app.state.served)


ServedDep = Annotated[Served, Depends(_served)]


async def _recommender(served: ServedDep) -> Recommender:
    return served.slot.get()


RecommenderDep = Annotated[Recommender, Depends(_recommender)]


async def _office(served: ServedDep) -> Office:
    return served.slot.office


OfficeDep = Annotated[Office, Depends(_office)]
