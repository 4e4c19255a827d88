"""The one place where the stages of a turn are composed. Owns no stage, no prompt and no HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from random import Random, SystemRandom
from uuid import uuid4

from convrec.data.catalogue import Catalogue
from convrec.dialogue.cut import Cut
from convrec.dialogue.evidence import EvidenceFinder
from convrec.dialogue.placement import Placement
from convrec.dialogue.reply import ReplyWriter
from convrec.dialogue.state import replay, retrieval_query, update
from convrec.dialogue.suggestions import Suggester
from convrec.engine.base import Engine, OpenPrompt
from convrec.errors import ForbiddenError
from convrec.ledger.ledger import Ledger
from convrec.ledger.profile import beliefs, build_profile
from convrec.ranking.base import RankingContext
from convrec.ranking.breaker import Breaker
from convrec.ranking.interleaving import interleaved
from convrec.ranking.ranker import BlendRanker, RankingVersion
from convrec.retrieval.base import Retriever
from convrec.retrieval.varied import varied
from convrec.service.explain import Explainer
from convrec.service.feedback import record
from convrec.service.listening import Listener
from convrec.service.requests import (
    ChatEvent,
    ChatRequest,
    RecommendRequest,
    ReplyDelta,
    SlateReady,
    TurnDone,
    UserView,
)
from convrec.service.stopwatch import Stage, Stopwatch
from convrec.types import (
    Candidate,
    Contest,
    FeedbackEvent,
    FeedbackType,
    ImpressionEvent,
    Intent,
    IntentKind,
    Item,
    Polarity,
    Profile,
    ReplyEvent,
    RetrievalQuery,
    SessionState,
    Slate,
    TurnEvent,
)

_STARTERS_AMONG = 8
"""Times as many items are retrieved as are offered to begin with."""
_SAID = {
    Polarity.LIKED: FeedbackType.LIKE,
    Polarity.DISLIKED: FeedbackType.DISLIKE,
    Polarity.SEEN: FeedbackType.SEEN,
}


class Recommender:
    """Answers turns, takes feedback, tells what it believes.

    Args:
        catalogue, ledger, retriever, ranker, engine: The collaborators of the stages.
        listener, evidence, writer: The dialogue's.
        candidates: How many items are retrieved for the LLM to score.
        k: Default length of a slate.
        clock: Seconds since the epoch, UTC.
        random: The coin of mixed slates.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        retriever: Retriever,
        ranker: BlendRanker,
        engine: Engine,
        listener: Listener,
        evidence: EvidenceFinder,
        writer: ReplyWriter,
        candidates: int,
        k: int,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.ledger = ledger
        self.engine = engine
        self.candidates = candidates
        self._retriever = retriever
        self._ranker = ranker
        self._listener = listener
        self._evidence = evidence
        self._explainer = Explainer(catalogue, retriever, ranker, evidence, candidates)
        self._writer = writer
        self._suggester = Suggester(catalogue, writer.tongues)
        self._k = k
        self._clock = clock
        self._random = random or SystemRandom()

    async def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Answer one message: first the slate, then the prose, then the end.

        Raises:
            LedgerError: The turn or the impression could not be made durable; nothing was answered.
            IndexUnavailableError: Retrieval is impossible.
            ForbiddenError: The session is somebody else's.
        """
        watch = Stopwatch()
        session_id, turn_id = request.session_id or _new_id("ses"), _new_id("turn")
        state = await self._session(request)
        watch.lap(Stage.LEDGER)
        intent = await self._listener.understand(request.message, state, request.user_id)
        state = update(state, intent)
        watch.lap(Stage.UNDERSTANDING)
        await self._append_turn(
            TurnEvent(turn_id, request.user_id, session_id, self._clock(), request.message, intent)
        )
        profile = await self._profile(request.user_id)
        watch.lap(Stage.LEDGER)
        k = request.k or state.k or self._k
        context = RankingContext(profile, state, request.message)
        query = retrieval_query(state, profile, self._clock())
        slate = Slate(())
        if state.asked is None:  # a question shows nothing: what was asked for must hold until it is answered
            candidates = await self._retrieved(query, k, watch)
            slate = await self._ranker.rank(context, candidates, k, request.version)
            watch.lap(Stage.RANKING)
            slate = await self._explained(slate, context, query)
            watch.lap(Stage.EVIDENCE)
        contest = request.contest
        ready = await self._show(request.user_id, session_id, turn_id, intent, state, slate, watch, contest)
        ready = replace(ready, suggestions=self._suggester.suggest(request.message, state, slate))
        yield ready
        first_token_s: float | None = None
        said = Cut(request.options, self.engine)

        def opened() -> OpenPrompt:
            return self._ranker.opened(context)

        about = await self._asked_about(intent, context, query, slate)
        try:
            reply = self._writer.write(intent, state, slate, opened, request.options, about, request.message)
            async with aclosing(said.of(reply)) as pieces:
                async for piece in pieces:
                    first_token_s = first_token_s or watch.seconds
                    yield ReplyDelta(piece)
        finally:  # a client that leaves has read this much
            done = watch.seconds
            await asyncio.to_thread(
                self.ledger.append,
                ReplyEvent(_new_id("rep"), request.user_id, session_id, turn_id, self._clock(), said.text, done),
            )
        count = self.engine.tokenizer.encode
        yield TurnDone(len(count(request.message)), len(count(said.text)), done, said.finish, first_token_s)

    async def recommend(self, request: RecommendRequest) -> SlateReady:
        """A slate without a conversation; its impression is in the ledger when this returns."""
        watch = Stopwatch()
        intent, context, query, slate = await self._unshown(request, watch)
        if request.explain:
            slate = await self._explained(slate, context, query)
            watch.lap(Stage.EVIDENCE)
        contest = request.contest and replace(request.contest, teams=slate.teams)
        return await self._show(request.user_id, None, None, intent, context.state, slate, watch, contest)

    async def rank(self, request: RecommendRequest) -> Slate:
        """The slate that `recommend` would show, for nobody to see: without evidence, the ledger as it was."""
        *_, slate = await self._unshown(request, Stopwatch())
        return slate

    async def explain(self, user_id: str, item_id: str, session_id: str | None = None) -> Placement:
        """Why an item would be shown to a user now, or would not; in a session, for what was asked there.

        Raises:
            NotFoundError: The catalogue has no such item.
            IndexUnavailableError: Retrieval is impossible.
        """
        state = await self._session(ChatRequest(user_id, "", session_id))
        profile = await self._profile(user_id)
        query = retrieval_query(state, profile, self._clock())
        return await self._explainer.explain(item_id, RankingContext(profile, state), query, state.k or self._k)

    @property
    def version(self) -> RankingVersion:
        """What ranks new slates."""
        return self._ranker.version

    @property
    def breaker(self) -> Breaker:
        """What knows whether the engine is well."""
        return self._ranker.breaker

    @property
    def reply_task(self) -> str:
        """The template by which replies are written; see ReplyWriter."""
        return self._writer.task

    def switch(self, version: RankingVersion) -> None:
        """Rank new slates by another version; those being made are finished by the one they began with."""
        self._ranker.version = version

    async def record_feedback(self, event: FeedbackEvent) -> bool:
        """Append a feedback event; it is durable when this returns, and the next turn sees it. See `record`."""
        return await asyncio.to_thread(record, event, self.catalogue, self.ledger)

    async def user(self, user_id: str) -> UserView:
        """What is known and believed about a user; an unknown user has an empty profile."""
        profile = await self._profile(user_id)
        return UserView(profile, beliefs(profile, self.catalogue, self.catalogue.facets))

    async def starters(self, user_id: str, k: int) -> tuple[Item, ...]:
        """k unlike items that many have chosen and this user has not met, to tell what they like by."""
        profile = await self._profile(user_id)
        query = RetrievalQuery(exclude=profile.excluded, now=self._clock())
        found = await asyncio.to_thread(self._retriever.retrieve, query, _STARTERS_AMONG * k)
        return varied(found, self.catalogue, k)

    async def _session(self, request: ChatRequest) -> SessionState:
        turns: tuple[TurnEvent, ...] = ()
        if request.session_id is not None:
            turns = await asyncio.to_thread(self.ledger.turns, request.session_id)
        if any(turn.user_id != request.user_id for turn in turns):
            raise ForbiddenError(
                f"session {request.session_id!r} is not of {request.user_id!r}; begin another, or name its user"
            )
        if not turns:
            return await asyncio.to_thread(self._fold, request.prior)
        impressions = await asyncio.to_thread(self.ledger.impressions, request.session_id)
        slates = {impression.turn_id: impression.slate for impression in impressions}
        return replay((turn.intent for turn in turns), [slates.get(turn.event_id, ()) for turn in turns])

    def _fold(self, messages: tuple[str, ...]) -> SessionState:
        state = SessionState()
        for message in messages:
            state = update(state, self._listener.by_rule(message, state))
        return state

    async def _profile(self, user_id: str) -> Profile:
        events = await asyncio.to_thread(self.ledger.feedback, user_id)
        return build_profile(user_id, events, self.catalogue.domain.rating_scale)

    async def _append_turn(self, turn: TurnEvent) -> None:
        """Store the turn and, when the message itself was feedback ("I hated X"), those events with it."""
        said: list[FeedbackEvent] = []
        if turn.intent.kind is IntentKind.FEEDBACK:
            said = [
                FeedbackEvent(
                    f"{turn.event_id}:{mention.item_id}",
                    turn.user_id,
                    _SAID[mention.polarity],
                    turn.timestamp,
                    mention.item_id,
                    session_id=turn.session_id,
                )
                for mention in turn.intent.mentions
                if mention.polarity in _SAID
            ]
        await asyncio.to_thread(self.ledger.append_many, [turn, *said])

    async def _unshown(
        self, request: RecommendRequest, watch: Stopwatch
    ) -> tuple[Intent, RankingContext, RetrievalQuery, Slate]:
        """The slate of a request without a conversation, and what it was made of."""
        intent = await self._listener.understand(request.query, SessionState(), request.user_id)
        intent = replace(intent, constraints=intent.constraints + request.constraints)
        state = update(SessionState(), intent)
        watch.lap(Stage.UNDERSTANDING)
        profile = await self._profile(request.user_id)
        watch.lap(Stage.LEDGER)
        query = retrieval_query(state, profile, self._clock())
        query = replace(query, exclude=query.exclude | request.exclude)
        context = RankingContext(profile, state, request.query)
        if request.candidates is None:
            k = request.k or state.k or self._k
            candidates = await self._retrieved(query, k, watch)
        else:
            candidates = await asyncio.to_thread(self._among, request.candidates - request.exclude, query)
            watch.lap(Stage.RETRIEVAL)
            k = request.k or state.k or len(candidates)
        slate = await self._ranker.rank(context, candidates, k, request.version)
        if request.rival is not None:
            other = await self._ranker.rank(context, candidates, k, request.rival)
            slate = interleaved(slate, other, k, self._random)
        watch.lap(Stage.RANKING)
        return intent, context, query, slate

    def _among(self, item_ids: frozenset[str], query: RetrievalQuery) -> list[Candidate]:
        """Those of the items that every required wish allows, as candidates."""
        musts = [wish for wish in query.constraints if wish.strength == "must"]
        allowed = [i for i in item_ids if all(self.catalogue.satisfies(i, must) for must in musts)]
        # The best first, so that equally good ones do not come in the order that the client happened to send.
        return sorted(self._retriever.assess(query, allowed), key=lambda c: (-c.score, c.item_id))

    async def _retrieved(self, query: RetrievalQuery, k: int, watch: Stopwatch) -> list[Candidate]:
        candidates = await asyncio.to_thread(self._retriever.retrieve, query, max(self.candidates, k))
        watch.lap(Stage.RETRIEVAL)
        return candidates

    async def _explained(self, slate: Slate, context: RankingContext, query: RetrievalQuery) -> Slate:
        """The slate with its evidence."""
        shown, scale = slate.recommendations, self._ranker.version.blend.w_retrieval
        found = await asyncio.to_thread(
            self._evidence.explain, [r.item.item_id for r in shown], context.state, context.profile, query, scale
        )
        explained = (replace(r, evidence=evidence) for r, evidence in zip(shown, found, strict=True))
        return replace(slate, recommendations=tuple(explained))

    async def _asked_about(
        self, intent: Intent, context: RankingContext, query: RetrievalQuery, slate: Slate
    ) -> Placement | None:
        """Where the item stands that a message asks the reasons for; None where it asks for none."""
        if intent.kind is not IntentKind.WHY or not intent.mentions:
            return None
        item_id = intent.mentions[0].item_id
        return await self._explainer.explain(item_id, context, query, len(slate.recommendations), slate)

    async def _show(
        self,
        user_id: str,
        session_id: str | None,
        turn_id: str | None,
        intent: Intent,
        state: SessionState,
        slate: Slate,
        watch: Stopwatch,
        contest: Contest | None,
    ) -> SlateReady:
        """Append the impression, then hand the slate out; one that retrieval alone made compares nothing."""
        impression_id, latency_s = _new_id("imp"), watch.seconds
        contest = None if slate.degraded or not slate.recommendations else contest
        await asyncio.to_thread(
            self.ledger.append,
            ImpressionEvent(
                event_id=impression_id,
                user_id=user_id,
                session_id=session_id,
                turn_id=turn_id,
                timestamp=self._clock(),
                slate=tuple(r.item.item_id for r in slate.recommendations),
                candidates=slate.scored,
                prompt_hash=slate.prompt_hash,
                engine=self.engine.name,
                adapter=slate.adapter,
                degraded=slate.degraded,
                latency_s=latency_s,
                contest=contest,
            ),
        )
        watch.lap(Stage.LEDGER)
        return SlateReady(
            user_id,
            session_id,
            turn_id,
            impression_id,
            intent,
            state,
            slate,
            self.engine.name,
            slate.adapter,
            latency_s,
            watch.laps,
            contest,
        )


def _new_id(kind: str) -> str:
    return f"{kind}-{uuid4().hex}"
