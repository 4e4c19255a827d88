"""A turn's events as what both of OpenAI's formats show: a slate, pieces of text, an end. Owns no format."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog

from convrec.data.catalogue import Catalogue
from convrec.dialogue.form import Form
from convrec.service.citations import Citation, citations
from convrec.service.metrics import Metrics
from convrec.service.problems import Problem, problem_of, traceback_of
from convrec.service.requests import ChatEvent, ReplyDelta, SlateReady, TurnDone
from convrec.service.views import SlateView, slate_view

_log = structlog.get_logger(__name__)


class TurnView(SlateView):
    """A slate, and which parts of the request had no effect."""

    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """How a reply ended.

    Args:
        text: All of it.
        refused: It is prose where JSON was asked for: the slate cannot fill the client's schema.
    """

    text: str
    done: TurnDone
    refused: bool
    citations: tuple[Citation, ...]


class Reply:
    """One turn as OpenAI's clients read it, whole or in pieces.

    Args:
        events: Of the turn.
        catalogue, metrics: Of the server.
        form: What the reply was asked to be.
        ignored: What of the request has no effect.
    """

    def __init__(
        self,
        events: AsyncGenerator[ChatEvent, None],
        catalogue: Catalogue,
        metrics: Metrics,
        form: Form | None = None,
        ignored: tuple[str, ...] = (),
    ) -> None:
        self.events = events
        self._catalogue = catalogue
        self._metrics = metrics
        self._form = form
        self._ignored = ignored

    async def slate(self) -> TurnView:
        """The slate, which is the first event of every turn."""
        ready = await anext(self.events)
        assert isinstance(ready, SlateReady)
        self._metrics.event(ready)
        return TurnView(**dict(slate_view(ready, self._catalogue)), ignored=self._ignored)

    async def pieces(self, slate: TurnView) -> AsyncGenerator[str | Finished, None]:
        """The prose as it comes, then how it ended; JSON is judged first, and is a single piece if it is one."""
        text = ""
        async for event in self.events:
            self._metrics.event(event)
            match event:
                case ReplyDelta():
                    text += event.text
                    if self._form is None:
                        yield event.text
                case TurnDone():
                    refused = self._form is not None and event.finish == "stop" and not self._form.accepts(text)
                    if self._form is not None and not refused:
                        yield text
                    yield Finished(text, event, refused, () if self._form else citations(text, slate))

    def broken(self, error: Exception) -> Problem:
        """What a stream says of an error that comes when its status line is out; it is in the log and counted."""
        problem = problem_of(error)
        _log.error("stream broke off", status=problem.status_code, traceback=traceback_of(error))
        self._metrics.error(problem.status_code)
        return problem
