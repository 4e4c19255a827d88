"""Owns the hybrid retriever: candidates from two Chroma collections, re-scored exactly and fused into one score.

    score(i) = history + seeds + content + text + words + popularity + wishes + rejected + away

    history      what the user's history says: the learned combination of fusion.py, at most 1
    seeds        EASE weights of the items that the conversation named (behaviour.py), over their largest
    content      cosine of the item's description with those of the named items
    text         cosine of the item's description with the request
    words        what the item's title and attributes share of the request's words (lexical.py)
    popularity   log(1 + users) over its largest
    wishes       `prefer` constraints met minus `avoid` constraints met
    rejected     minus the cosine of the item's description with those of recently rejected items: behaviour alone
                 moves too little when a person says no to the very thing they asked for

    away         minus the cosine of the item's description with words that the request wants less of

each times its weight in HybridConfig. Cosines are not scaled: words that match nothing then change nothing. For a
user with a history, no rejection and no request, popularity does not count beyond what the combination has learned
of it, and the order is exactly the combination's.

The weights were chosen on MovieLens-100K, on the 2nd to 4th last event of every user (2,829 predictions; the last
event, the test, took no part), NDCG@10 with standard error .006. History and a request made of the wanted item's
genres ("crime, drama film"), over `text`:

    text              0      1      2      3      4      5      6      8
    popularity 0      .126   .206   .282   .326   .340   .332   .321   .292
    popularity .3     .126   .202   .271   .319   .340   .340   .330   .306
    popularity .6     .125   .196   .262   .311   .334   .339   .331   .315

The request alone, over popularity / text: 0: .160, .05: .186, .1: .204, .2: .219, .4: .223. The item before as
the only seed, popularity .3, over `content`: 0: .089, .5: .089, 1: .089, 2: .086, 4: .073 (Recall@50 .368,
.382, .379, .358, .297). The tables had seeds and content 1, wish 1.5, and for history plain EASE over its
largest. What a person named weighs more than their history, and a `prefer` that is met outweighs both: set by
reading slates of active users and of a new one ("something like Alien but funnier" must begin with comedies,
and they must be nearer to Alien than to last week; "something with dinosaurs" must begin with them for somebody
who has only seen gangsters).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convrec.data.catalogue import Catalogue
from convrec.errors import SettingsError
from convrec.progress import Progress, silent
from convrec.retrieval.base import Embedder, Floats
from convrec.retrieval.index import Index, build_index, open_index
from convrec.retrieval.manifest import read_manifest
from convrec.retrieval.sequences import Rows
from convrec.retrieval.signals import Links, Past
from convrec.retrieval.texts import Texts, Words
from convrec.types import Candidate, Constraint, FeedbackEvent, RetrievalQuery

Scores = NDArray[np.float64]

_SEARCHED = 20_000
"""Items that are looked through for preferences: 20,000 take 40 ms."""


@dataclass(frozen=True, slots=True)
class HybridConfig:
    """How candidates are found and fused.

    Args:
        pool: How many candidates each source offers before they are re-scored.
        history, seeds, content, text, words, popularity, wish, rejected, away: Weights of the parts of the score.
    """

    pool: int = 300
    history: float = 0.75
    seeds: float = 1.5
    content: float = 2.5
    text: float = 5.0
    words: float = 0.25
    popularity: float = 0.5
    wish: float = 2.5
    rejected: float = 1.0
    away: float = 2.5


def hybrid_config(embedder: str | None) -> HybridConfig:
    """The weights that a tuned embedder was judged with; the defaults for any other model.

    Raises:
        SettingsError: It is a version that did not pass its gate.
    """
    manifest = read_manifest(embedder) if embedder else None
    if manifest is None:
        return HybridConfig()
    if not manifest.accepted:
        raise SettingsError(
            f"the embedder {embedder} did not pass its gate ({'; '.join(manifest.reasons)}); "
            "set CONVREC_EMBEDDER to another or train it on more"
        )
    own, learned = HybridConfig(), manifest.weights
    return replace(
        own,
        text=learned.get("text", own.text),
        words=learned.get("words", own.words),
        content=learned.get("content", own.content),
        seeds=learned.get("seeds", own.seeds),
        popularity=learned.get("popularity", own.popularity),
    )


@dataclass(frozen=True, slots=True)
class _Signals:
    """A query as rows and vectors; vectors are of unit length, or None where the query has no such part."""

    history: Past
    seeds: Mapping[int, float]
    text: Floats | None
    words: Words | None
    content: Floats | None
    rejected: Floats | None
    away: Floats | None


class HybridRetriever:
    """The Retriever over an open index. Deterministic; safe to call from several threads.

    Args:
        index: Open; the caller closes it.
        catalogue: What may be returned. Items newer than the index are found by their texts, see texts.py.
        embedder: The one the index was built with.
        config: Weights; the defaults when None.
    """

    def __init__(
        self, index: Index, catalogue: Catalogue, embedder: Embedder, config: HybridConfig | None = None
    ) -> None:
        self._index = index
        self._catalogue = catalogue
        self._embedder = embedder
        self._config = config or HybridConfig()
        self._row = {item_id: idx for idx, item_id in enumerate(index.item_ids)}
        self._texts = Texts(index, self._row, catalogue, embedder)
        counts_N = index.signals.popularity.counts_N
        order = sorted(range(len(index.item_ids)), key=lambda idx: (-int(counts_N[idx]), idx))
        self._by_popularity = tuple(index.item_ids[idx] for idx in order)
        self._prior_N: Scores = np.log1p(counts_N)
        self._prior_N /= max(float(self._prior_N.max()), 1.0)

    def retrieve(self, query: RetrievalQuery, k: int) -> list[Candidate]:
        """The k best items for a query; see Retriever.

        Raises:
            IndexUnavailableError: The index is damaged.
        """
        signals = self._signals(query)
        found = self._found(signals, query, k)
        parts = self._parts(found, signals, query)
        best = _best(_sum(parts, len(found)), found, k)
        return self._candidates(
            [found[n] for n in best], {name: part[best] for name, part in parts.items()}, query
        )

    def assess(self, query: RetrievalQuery, item_ids: Sequence[str]) -> list[Candidate]:
        """Given items as candidates, in their order, whether or not they would be retrieved.

        Their scores are comparable within the call.
        """
        return self._candidates(item_ids, self._parts(item_ids, self._signals(query), query), query)

    def rescore(
        self, query: RetrievalQuery, item_ids: Sequence[str], variants: Sequence[RetrievalQuery]
    ) -> list[list[float]]:
        """What items would score for other queries among the candidates of one; see Retriever."""
        own = self._signals(query)
        pool = list(dict.fromkeys([*self._found(own, query, len(item_ids)), *item_ids]))
        asked = [self._signals(variant, own if variant.text == query.text else None) for variant in variants]
        rows_H = np.unique(np.concatenate([own.history.rows_H, *(signals.history.rows_H for signals in asked)]))
        rows_C = np.array([self._row[item_id] for item_id in pool if item_id in self._row], np.int64)
        links = self._index.signals.links(rows_H, rows_C)
        places = [pool.index(item_id) for item_id in item_ids]
        return [
            [float(total) for total in _sum(self._parts(pool, signals, variant, links), len(pool))[places]]
            for variant, signals in zip(variants, asked, strict=True)
        ]

    def similar(self, item_id: str, others: Sequence[str]) -> list[float]:
        """What each of the others in a history adds to an item's behaviour score (0 where unknown)."""
        if (row := self._row.get(item_id)) is None:
            return [0.0] * len(others)
        known = {place: self._row[other] for place, other in enumerate(others) if other in self._row}
        found = np.zeros(len(others))
        found[list(known)] = self._index.signals.behaviour.added(np.array(list(known.values()), np.int64), row)
        return [float(weight) for weight in found]

    def _found(self, signals: _Signals, query: RetrievalQuery, k: int) -> list[str]:
        """Everything that is scored for a query: what its sources offer and qualifies; all where that is few."""
        barred = query.exclude | query.seeds.keys()
        musts = [wish for wish in query.constraints if wish.strength == "must"]
        found = [i for i in self._pool(signals, query, len(barred)) if self._qualifies(i, barred, musts)]
        if len(found) < k:
            found = [i for i in self._catalogue.ids if self._qualifies(i, barred, musts)]
        return found

    def _candidates(
        self, item_ids: Sequence[str], parts: Mapping[str, Scores], query: RetrievalQuery
    ) -> list[Candidate]:
        total = _sum(parts, len(item_ids))
        expected = self._expected(item_ids, query)
        return [
            Candidate(
                item_id,
                float(total[n]),
                {name: float(part[n]) for name, part in parts.items()},
                expected.get(item_id),
            )
            for n, item_id in enumerate(item_ids)
        ]

    def _expected(self, item_ids: Sequence[str], query: RetrievalQuery) -> dict[str, float | None]:
        """What the person is expected to think of the items that the index knows."""
        told = {
            self._row[entry.item_id]: entry.opinion
            for entry in query.history
            if entry.opinion is not None and entry.item_id in self._row
        }
        known = [item_id for item_id in item_ids if item_id in self._row]
        rows_H, opinions_H = np.array(list(told), np.int64), np.array(list(told.values()), np.float64)
        rows_C = np.array([self._row[item_id] for item_id in known], np.int64)
        return dict(zip(known, self._index.expectation.of(rows_H, opinions_H, rows_C), strict=True))

    def _signals(self, query: RetrievalQuery, spoken: _Signals | None = None) -> _Signals:
        """Of a query; `spoken` are those of one with the same text, which then is not embedded again."""
        seeds = self._rows(query.seeds)
        history = self._past(query)
        if spoken is not None:
            text, words = spoken.text, spoken.words
        else:
            text = self._embedder.embed([query.text])[0] if query.text.strip() else None
            words = self._texts.shared(query.text)
        return _Signals(
            history=history,
            seeds=seeds,
            text=text,
            words=words,
            content=self._content(self._text_rows(query.seeds)),
            rejected=self._rejected(history),
            away=-self._embedder.embed([query.away])[0] if query.away.strip() else None,
        )

    def _past(self, query: RetrievalQuery) -> Past:
        entries = query.history[-self._index.meta.config.window :]
        known = [entry for entry in entries if entry.item_id in self._row]
        return Past(
            np.array([self._row[entry.item_id] for entry in known], np.int64),
            np.array([entry.signal for entry in known], np.float32),
            query.now if query.now is not None else max((entry.timestamp for entry in known), default=0.0),
        )

    def _rows(self, weights: Mapping[str, float]) -> dict[int, float]:
        return {self._row[item_id]: weight for item_id, weight in weights.items() if item_id in self._row}

    def _text_rows(self, weights: Mapping[str, float]) -> dict[int, float]:
        found = ((self._texts.row(item_id), weight) for item_id, weight in weights.items())
        return {row: weight for row, weight in found if row is not None}

    def _content(self, weights: Mapping[int, float]) -> Floats | None:
        """The direction of some items' descriptions, so that items without interactions count as well."""
        rows_S, weights_S = np.array(list(weights), np.int64), np.array(list(weights.values()), np.float32)
        total_D: Floats = weights_S @ self._texts.vectors(rows_S)
        length = float(np.linalg.norm(total_D))
        return total_D / length if length > 0 else None

    def _rejected(self, history: Past) -> Floats | None:
        """Away from the descriptions of rejected items, the less the longer ago they were rejected."""
        recent_H = history.weights(self._index.meta.config.decay)
        weights: dict[int, float] = {}
        for row, weight in zip(history.rows_H.tolist(), recent_H.tolist(), strict=True):
            if weight < 0:
                weights[row] = weights.get(row, 0.0) + weight
        away_D = self._content(weights) if weights else None
        return None if away_D is None else away_D * np.float32(min(1.0, -sum(weights.values())))

    def _pool(self, signals: _Signals, query: RetrievalQuery, barred: int) -> list[str]:
        """Candidates from every source that the query speaks to, in a stable order."""
        # What is barred would be found first: it is what the query's vectors are made of.
        n = min(self._config.pool + barred, len(self._row))
        found: dict[str, None] = {}
        history, seeds = signals.history, signals.seeds
        if (history.signals_H > 0).any():
            for vector_F, share in self._index.signals.asked(history, self._index.meta.config.decay, n):
                found |= self._near(vector_F, share)
            followers = self._index.signals.followers(history, n // 2)
            found |= dict.fromkeys(self._index.item_ids[row] for row in followers.tolist())
        if any(weight > 0 for weight in seeds.values()):
            rows, weights = np.array(list(seeds)), np.array(list(seeds.values()))
            found |= self._near(self._index.signals.behaviour.vector(rows, weights), n)
        for vector_D in (signals.text, signals.content):
            if vector_D is not None:
                found |= dict.fromkeys(self._texts.nearest(vector_D, n))
        if signals.words is not None:
            found |= dict.fromkeys(signals.words.nearest(n))
        if not found or query.constraints or not len(history.rows_H):
            found |= dict.fromkeys(self._by_popularity[:n])
        prefers = [wish for wish in query.constraints if wish.strength == "prefer"]
        if prefers:
            found |= dict.fromkeys(islice(self._preferred(query, prefers), n))
        return list(found)

    def _preferred(self, query: RetrievalQuery, prefers: Sequence[Constraint]) -> Iterator[str]:
        """Popular items that meet a preference and all that is required: the other sources may hold none."""
        musts = [wish for wish in query.constraints if wish.strength == "must"]
        barred = query.exclude | query.seeds.keys()
        for item_id in self._by_popularity[:_SEARCHED]:
            if self._qualifies(item_id, barred, musts) and any(
                self._catalogue.satisfies(item_id, wish) for wish in prefers
            ):
                yield item_id

    def _near(self, vector_F: Floats, n: int) -> dict[str, None]:
        return dict.fromkeys(item_id for item_id, _ in self._index.store.nearest("behaviour", vector_F, n))

    def _qualifies(self, item_id: str, barred: frozenset[str], musts: Sequence[Constraint]) -> bool:
        return item_id not in barred and item_id in self._catalogue and self._catalogue.meets(item_id, musts)

    def _parts(
        self, item_ids: Sequence[str], signals: _Signals, query: RetrievalQuery, links: Links | None = None
    ) -> dict[str, Scores]:
        """The parts of the items' scores, each times its weight; 0 where the index does not know an item."""
        config, index = self._config, self._index
        places = [place for place, item_id in enumerate(item_ids) if item_id in self._row]
        rows_C = np.array([self._row[item_ids[place]] for place in places], np.int64)
        told = {place: row for place, i in enumerate(item_ids) if (row := self._texts.row(i)) is not None}
        texts_T = np.array(list(told.values()), np.int64)

        def spread(scores_C: Scores, among: Sequence[int] = places) -> Scores:
            scores = np.zeros(len(item_ids))
            scores[among] = scores_C
            return scores

        parts: dict[str, Scores] = {}
        if len(signals.history.rows_H) and places:
            combined_C = index.meta.fusion.combine(index.signals.features(signals.history, rows_C, links))
            # However sure of itself a history is, a request must be able to outweigh it.
            parts["history"] = config.history * spread(combined_C / max(1.0, float(combined_C.max(initial=0.0))))
        if signals.seeds:
            parts["seeds"] = config.seeds * spread(self._behaviour(rows_C, signals.seeds))
        if signals.words is not None:
            parts["words"] = config.words * spread(signals.words.scores(texts_T), [*told])
        for name, weight, vector_D in (
            ("text", config.text, signals.text),
            ("content", config.content, signals.content),
            ("rejected", config.rejected, signals.rejected),
            ("away", config.away, signals.away),
        ):
            if vector_D is not None:
                parts[name] = weight * spread(self._cosines(vector_D, texts_T), [*told])
        wishes = [wish for wish in query.constraints if wish.strength != "must"]
        if wishes:
            parts["wishes"] = config.wish * np.array([self._met(i, wishes) for i in item_ids], np.float64)
        # A history without a request is judged by itself, unless it is all rejections or unknown to the index.
        chosen = index.signals.popularity.counts_N[signals.history.rows_H] > 0
        wanted = bool((chosen & (signals.history.signals_H > 0)).any())
        if not (wanted and parts.keys() <= {"history", "rejected", "wishes"}):
            parts["popularity"] = config.popularity * spread(self._prior_N[rows_C])
        return parts

    def _behaviour(self, rows_C: Rows, weights: Mapping[int, float]) -> Scores:
        """Exact EASE scores of items, over the largest of them by absolute value."""
        rows, weights_H = np.array(list(weights)), np.array(list(weights.values()))
        scores_C: Scores = self._index.signals.behaviour.scores(rows, weights_H, rows_C)
        largest = float(np.abs(scores_C).max(initial=0.0))
        return scores_C / largest if largest > 0 else scores_C

    def _cosines(self, vector_D: Floats, rows_C: Rows) -> Scores:
        # Without BLAS, whose threads wait for cores that an embedder or LLM keeps busy.
        cosines_C: Scores = np.einsum("cd,d->c", self._texts.vectors(rows_C), vector_D).astype(np.float64)
        return cosines_C

    def _met(self, item_id: str, wishes: Sequence[Constraint]) -> float:
        """Preferences met less values to be avoided that the item has; one of several alternatives is enough."""
        met = sum(wish.strength == "prefer" and self._catalogue.satisfies(item_id, wish) for wish in wishes)
        had = sum(
            wish.strength == "avoid" and self._catalogue.satisfies(item_id, wish) != (wish.op == "exclude")
            for wish in wishes
        )
        return float(met - had)


@contextmanager
def fitted_retriever(
    catalogue: Catalogue,
    events: Iterable[FeedbackEvent],
    embedder: Embedder,
    config: HybridConfig | None = None,
    progress: Progress = silent,
) -> Iterator[HybridRetriever]:
    """A retriever over an index of its own, which is gone afterwards.

    Args:
        catalogue, events, embedder, progress: As for build_index.
        config: As for HybridRetriever.
    """
    with tempfile.TemporaryDirectory(prefix="convrec-") as folder:
        build_index(Path(folder), catalogue, events, embedder, progress=progress)
        with open_index(Path(folder), embedder) as index:
            yield HybridRetriever(index, catalogue, embedder, config)


def _sum(parts: Mapping[str, Scores], items: int) -> Scores:
    total: Scores = sum(parts.values(), start=np.zeros(items))
    return total


def _best(total: Scores, item_ids: Sequence[str], k: int) -> list[int]:
    """The places of the k highest scores, best first, equal ones by item_id."""
    if len(total) > k:
        # Ties with the k-th are kept until the item_ids have decided.
        places = np.flatnonzero(total >= np.partition(total, len(total) - k)[len(total) - k]).tolist()
    else:
        places = list(range(len(total)))
    return sorted(places, key=lambda place: (-total[place], item_ids[place]))[:k]
