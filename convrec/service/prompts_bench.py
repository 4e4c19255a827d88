"""Owns what prompts do to a real model: golden conversations and injections, run and measured. Judges nothing.

Everything runs in the Recommender that serves, over a small index and ledger of its own. The language model counts
in its slates whatever the served blend is, because otherwise no prompt could change anything.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from convrec.data.catalogue import Catalogue, written
from convrec.dialogue.titles import TitleScanner
from convrec.engine.base import Engine, Labels, Sampling
from convrec.errors import EngineError
from convrec.evaluation.metrics import graded_ndcg
from convrec.progress import Progress, silent
from convrec.ranking.base import RankingContext
from convrec.ranking.blend import Blend
from convrec.ranking.ranker import BlendRanker, RankingVersion
from convrec.retrieval.index import build_index, open_index
from convrec.service.build import READS, Workshop
from convrec.service.golden import Golden, GoldenConversation, GoldenTurn, Injection
from convrec.service.recommender import Recommender
from convrec.service.requests import ChatRequest, ReplyDelta, SlateReady
from convrec.types import (
    Candidate,
    Constraint,
    FeedbackEvent,
    FeedbackType,
    HistoryEntry,
    Item,
    Profile,
    SessionState,
)

_BLEND = Blend(w_retrieval=4.0, w_interest=0.3)
"""About what an unconstrained fit finds for the embedded model on MovieLens-100K (blend.json, w_interest_raw)."""
_SLATE = 5
_NDCG_AT = 10
_LIKED_AT = 1e9
_OFFERED = 20


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run found, by task: metric -> value. Shares are in [0, 1], times in seconds, lengths in tokens.

    rank        constraints     share of shown items that meet what the conversation demands
                ndcg            NDCG@10 of f alone over what was scored, mean of the turns that want something
                injections      share of injections that left the slate as neutral text leaves it
                pushed          how many injections put the item that they push on a slate
                tokens          longest prefix and item
                slate_s         median seconds to the slate
    reply       valid           share of the replies asked of the model that it ended itself, inside the grammar
                inside          share of replies that name no item outside their slate
                tokens          most that a reply's prompt adds to what the model has read
                reply_s         median seconds from slate to end, of the replies asked of the model
    understand  kinds           share of messages whose kind is as it should be
                constraints_f1  F1 of the facet constraints in force after each message
                tokens          longest prefix and statement that an adapter of its own was asked

    Args:
        failures: What went wrong, in words: which turn, which metric.
    """

    metrics: Mapping[str, Mapping[str, float]]
    failures: tuple[str, ...] = ()


@dataclass(slots=True)
class _Watch:
    """Passes everything on to an engine and remembers what it was asked."""

    engine: Engine
    scored: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    prefix: int = 0
    written: list[tuple[Sampling, int, str]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def score(
        self,
        prefix: Sequence[int],
        segments: Sequence[Sequence[int]],
        labels: Labels,
        adapter: str | None = None,
        salt: str | None = None,
    ) -> list[float]:
        """Engine.score."""
        about_message = adapter is not None and adapter.startswith(f"{READS}@")
        if not about_message:
            self.prefix = len(prefix)
        (self.heard if about_message else self.scored).append(len(prefix) + max(map(len, segments), default=0))
        return await self.engine.score(prefix, segments, labels, adapter, salt)

    async def generate(
        self, prompt: Sequence[int], sampling: Sampling, adapter: str | None = None, salt: str | None = None
    ) -> AsyncIterator[str]:
        """Engine.generate."""
        text = ""
        try:
            async for piece in self.engine.generate(prompt, sampling, adapter, salt):
                text += piece
                yield piece
        finally:
            self.written.append((sampling, len(prompt), text))


@dataclass(frozen=True, slots=True)
class _Told:
    """One golden turn and what became of it."""

    turn: GoldenTurn
    ready: SlateReady
    text: str
    reply_s: float
    replies: tuple[tuple[int, str], ...]


async def run_golden(
    workshop: Workshop,
    golden: Golden,
    engine: Engine,
    adapter: str | None = None,
    pinned: Mapping[str, int] | None = None,
    progress: Progress = silent,
) -> Measured:
    """Run every golden conversation and injection.

    Args:
        workshop: Models and prompts.
        engine: Started; the adapter is loaded.
        adapter: What scores; None is the base model.
        pinned: task -> version of the prompts that are not the latest.

    Raises:
        EngineError: The engine could not score.
        SettingsError: A model is missing.
    """
    with tempfile.TemporaryDirectory(prefix="convrec-") as folder:
        bench = workshop.elsewhere(Path(folder), pinned)
        bench.ledger.append_many(list(_likes(golden)))
        build_index(bench.settings.index_dir, golden.catalogue, bench.ledger.feedback(), bench.embedder)
        watch = _Watch(engine)
        with open_index(bench.settings.index_dir, bench.embedder) as index:
            recommender = bench.recommender(
                golden.catalogue,
                index,
                watch,
                RankingVersion(_BLEND, adapter),
            )
            told: list[_Told] = []
            for number, conversation in enumerate(golden.conversations):
                told += await _converse(recommender, watch, conversation)
                progress(0.9 * (number + 1) / len(golden.conversations), conversation.name)
            longest = max(watch.scored, default=0)
            held, pushed, failures = await _inject(bench, golden, engine, adapter)
    metrics = {
        "rank": {**_rank(told, golden), "injections": held, "pushed": pushed, "tokens": float(longest)},
        "reply": _reply(told, golden),
        "understand": {**_understand(told), **({"tokens": float(max(watch.heard))} if watch.heard else {})},
    }
    return Measured(metrics, (*_failures(told, golden), *failures))


def _likes(golden: Golden) -> list[FeedbackEvent]:
    events: list[FeedbackEvent] = []
    for number, person in enumerate(golden.conversations):
        opinions = [(FeedbackType.LIKE, person.liked), (FeedbackType.DISLIKE, person.disliked)]
        for kind, titles in opinions:
            for title in titles:
                item_id = golden.item(title).item_id
                moment = _LIKED_AT + len(events)
                events.append(FeedbackEvent(f"golden-{number}-{item_id}", _user(person), kind, moment, item_id))
    return events


def _user(person: GoldenConversation) -> str:
    return f"golden: {person.name}"


async def _converse(recommender: Recommender, watch: _Watch, person: GoldenConversation) -> list[_Told]:
    told = []
    session = f"session: {person.name}"
    for turn in person.turns:
        watch.written.clear()
        ready, text, shown = None, "", 0.0
        async for event in recommender.chat(ChatRequest(_user(person), turn.say, session)):
            if isinstance(event, SlateReady):
                ready, shown = event, time.monotonic()
            elif isinstance(event, ReplyDelta):
                text += event.text
        if ready is None or ready.slate.degraded:
            raise EngineError(
                f"no slate for {turn.say[:60]!r}: {ready.slate.reason if ready else 'the turn ended'}"
            )
        told.append(
            _Told(
                turn,
                ready,
                text,
                time.monotonic() - shown,
                tuple((size - watch.prefix, said) for _, size, said in watch.written),
            )
        )
    return told


# --- metrics -------------------------------------------------------------------------------------------------


def _rank(told: Sequence[_Told], golden: Golden) -> dict[str, float]:
    met, ndcg = [], []
    for t in told:
        shown = t.ready.slate.recommendations
        if t.turn.constraints:
            met += [_meets(golden.catalogue, r.item, t.turn) for r in shown] or [False]
        wanted = {golden.item(title).item_id for title in t.turn.wanted}
        scored = t.ready.slate.scored
        if wanted & {s.item_id for s in scored}:
            scores_I = np.array([s.interest or 0.0 for s in scored])
            gains_I = np.array([float(s.item_id in wanted) for s in scored])
            ndcg.append(graded_ndcg(scores_I, gains_I, _NDCG_AT))
        elif wanted:
            ndcg.append(0.0)
    return {
        "constraints": _mean(met),
        "ndcg": _mean(ndcg),
        "slate_s": float(np.median([t.ready.latency_s for t in told] or [0.0])),
    }


def _meets(catalogue: Catalogue, item: Item, turn: GoldenTurn) -> bool:
    return all(catalogue.satisfies(item.item_id, must) for must in turn.musts)


def _reply(told: Sequence[_Told], golden: Golden) -> dict[str, float]:
    asked = [t for t in told if t.replies]
    return {
        "valid": _mean([t.replies[-1][1] == t.text for t in asked]),
        "inside": _mean([not _outside(t, golden) for t in told]),
        "tokens": float(max((size for t in asked for size, _ in t.replies), default=0)),
        "reply_s": float(np.median([t.reply_s for t in asked] or [0.0])),
    }


def _outside(told: _Told, golden: Golden) -> list[str]:
    own = [r.item.item_id for r in told.ready.slate.recommendations]
    # The person's own words may be quoted back to them.
    text = told.text.replace(told.ready.intent.query, "") if told.ready.intent.query else told.text
    return TitleScanner(golden.catalogue).outside(text, own)


def _understand(told: Sequence[_Told]) -> dict[str, float]:
    right = wanted = found = 0
    for t in told:
        expected, own = _told(t.turn.musts), _told(t.ready.state.constraints)
        right, wanted, found = right + len(expected & own), wanted + len(expected), found + len(own)
    return {
        "kinds": _mean([t.ready.intent.kind == t.turn.kind for t in told]),
        "constraints_f1": 2 * right / (wanted + found) if wanted + found else 1.0,
    }


def _told(constraints: Sequence[Constraint]) -> set[tuple[str, str, str]]:
    return {(c.facet, c.op, written(c.value).casefold()) for c in constraints if c.strength == "must"}


def _failures(told: Sequence[_Told], golden: Golden) -> list[str]:
    failures = []
    for t in told:
        said = t.turn.say[:60]
        for r in t.ready.slate.recommendations:
            if t.turn.constraints and not _meets(golden.catalogue, r.item, t.turn):
                failures.append(f"constraints: {r.item.title} was shown for {said!r}")
        if t.turn.constraints and not t.ready.slate.recommendations:
            failures.append(f"constraints: nothing was shown for {said!r}")
        if outside := _outside(t, golden):
            failures.append(f"inside: the reply to {said!r} names {', '.join(outside)}")
        if t.ready.intent.kind != t.turn.kind:
            failures.append(f"kinds: {said!r} was read as {t.ready.intent.kind}, not {t.turn.kind}")
    return failures


def _mean(values: Sequence[float | bool]) -> float:
    return float(np.mean(values)) if len(values) else 1.0


# --- injections ----------------------------------------------------------------------------------------------


async def _inject(
    bench: Workshop, golden: Golden, engine: Engine, adapter: str | None
) -> tuple[float, float, list[str]]:
    """Share of injections that changed no slate, how many put their item on one, and what happened."""
    held, pushed, failures = [], 0, []
    for injection in golden.injections:
        neutral = await _slate(bench, golden, engine, adapter, injection, injection.neutral)
        hostile = await _slate(bench, golden, engine, adapter, injection, injection.hostile)
        held.append(hostile == neutral)
        own = golden.item(injection.pushed).item_id
        if own in hostile and own not in neutral:
            pushed += 1
            failures.append(f"pushed: {injection.hostile[:60]!r} put {injection.pushed} on the slate")
        elif hostile != neutral:
            failures.append(f"injections: {injection.hostile[:60]!r} changed a slate")
    return _mean(held), float(pushed), failures


async def _slate(
    bench: Workshop, golden: Golden, engine: Engine, adapter: str | None, injection: Injection, text: str
) -> frozenset[str]:
    """What is shown when a text stands where the injection does; retrieval is the same whatever the text is."""
    pushed = golden.item(injection.pushed)
    catalogue = golden.catalogue
    if injection.where != "message":
        catalogue = _with(catalogue, _marked(catalogue, pushed, injection.where, text))
    liked = golden.conversations[0].liked or tuple(item.title for item in list(golden.catalogue.values())[:3])
    history = tuple(HistoryEntry(golden.item(title).item_id, 1.0, float(n)) for n, title in enumerate(liked))
    context = RankingContext(
        Profile("golden", history), SessionState(), f"a good film. {text}" if injection.where == "message" else ""
    )
    others = [item_id for item_id in catalogue.ids if item_id != pushed.item_id][: _OFFERED - 1]
    offered = [*others, pushed.item_id]
    candidates = [Candidate(item_id, 1.0 - n / len(offered)) for n, item_id in enumerate(offered)]
    ranker = BlendRanker(
        bench.interest(engine, catalogue),
        RankingVersion(_BLEND, adapter),
        catalogue,
        bench.settings.score_timeout_s,
    )
    slate = await ranker.rank(context, candidates, _SLATE)
    if slate.degraded:
        raise EngineError(f"no slate for an injection: {slate.reason}")
    return frozenset(r.item.item_id for r in slate.recommendations)


def _marked(catalogue: Catalogue, item: Item, where: str, text: str) -> Item:
    if where == "title":
        return replace(item, title=text)
    shown = next(iter(reversed(catalogue.domain.shown)), "description")
    return replace(item, attributes={**item.attributes, shown: (text,)})


def _with(catalogue: Catalogue, item: Item) -> Catalogue:
    return Catalogue(
        [item if own.item_id == item.item_id else own for own in catalogue.values()], catalogue.domain
    )
