"""Evidence is what the data says, strongest first."""

from collections.abc import Mapping, Sequence

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.evidence import EvidenceFinder, why
from convrec.dialogue.state import retrieval_query
from convrec.types import (
    Candidate,
    Constraint,
    Evidence,
    EvidenceKind,
    HistoryEntry,
    Mention,
    Polarity,
    Profile,
    RetrievalQuery,
    SessionState,
)


class Neighbours:
    """A Retriever in which each item of a history or conversation adds a fixed amount to every score."""

    def __init__(self, near: Mapping[str, float] | None = None) -> None:
        self._near = near or {}

    def retrieve(self, query: RetrievalQuery, k: int) -> list[Candidate]:
        return []

    def rescore(
        self, query: RetrievalQuery, item_ids: Sequence[str], variants: Sequence[RetrievalQuery]
    ) -> list[list[float]]:
        return [
            [sum(self._near.get(i, 0.0) for i in {*(h.item_id for h in v.history), *v.seeds})] * len(item_ids)
            for v in variants
        ]

    def similar(self, item_id: str, others: Sequence[str]) -> list[float]:
        return [self._near.get(other, 0.0) for other in others]


NOBODY = Profile("nobody")


def explain(
    catalogue: Catalogue,
    item_id: str,
    state: SessionState,
    profile: Profile = NOBODY,
    near: Mapping[str, float] | None = None,
    popularity: Mapping[str, int] | None = None,
) -> tuple[Evidence, ...]:
    finder = EvidenceFinder(catalogue, Neighbours(near), popularity)
    (found,) = finder.explain([item_id], state, profile, retrieval_query(state, profile), scale=2.0)
    return found


def wish(*constraints: Constraint, query: str = "") -> SessionState:
    return SessionState(query=query, constraints=constraints, turns=1)


def test_attributes_that_were_asked_for_and_that_the_item_has(movies: Catalogue) -> None:
    state = wish(
        Constraint("genre", "include", "comedy", "must"),
        Constraint("genre", "include", "Western", "prefer"),
        Constraint("genre", "include", "Fantasy", "avoid"),
        Constraint("genre", "exclude", "Horror", "must"),
        Constraint("year", ">=", 1980.0, "must"),
        Constraint("year", "<=", 1989.0, "must"),
    )
    evidence = explain(movies, "big", state)
    assert [(e.kind, e.facet, e.value, e.title) for e in evidence] == [
        (EvidenceKind.ATTRIBUTE, "genre", "Comedy", None),
        (EvidenceKind.ATTRIBUTE, "year", "1988", None),
    ]
    assert explain(movies, "toy", wish(Constraint("year", "<", 1980.0, "prefer"))) == ()


def test_words_of_the_request_that_the_item_contains(movies: Catalogue) -> None:
    state = wish(query="stories about toys and trains")
    assert [(e.kind, e.value) for e in explain(movies, "toy", state)] == [(EvidenceKind.REQUEST, "stories toys")]
    assert explain(movies, "alien", state) == ()


def test_the_two_without_which_the_score_would_fall_furthest(movies: Catalogue) -> None:
    profile = Profile(
        "u",
        history=tuple(HistoryEntry(i, s, 0.0) for i, s in (("heat", 0.5), ("fargo", 1.0), ("go", -1.0))),
        liked=("fargo",),
    )
    mentions = (Mention("pulp", "Pulp Fiction", Polarity.LIKED), Mention("big", "Big", Polarity.DISLIKED))
    near = {"heat": 0.1, "fargo": 0.2, "pulp": 0.4, "big": 9.0, "go": 9.0}
    found = explain(movies, "scream", SessionState(mentions=mentions), profile, near)
    history = [e for e in found if e.kind is EvidenceKind.HISTORY]
    assert [(e.item_id, e.title, e.value) for e in history] == [
        ("pulp", "Pulp Fiction", "named"),
        ("fargo", "Fargo", "liked"),
    ]
    assert history[0].weight > history[1].weight > 0
    assert [e.effect for e in history] == pytest.approx([0.8, 0.4])  # in units of the served score
    unknown = explain(movies, "scream", SessionState(mentions=mentions), profile)
    assert not any(e.kind is EvidenceKind.HISTORY for e in unknown)


def test_what_speaks_against_an_item_is_no_evidence(movies: Catalogue) -> None:
    profile = Profile("u", history=(HistoryEntry("heat", 1.0, 0.0), HistoryEntry("fargo", 1.0, 1.0)))
    found = explain(movies, "scream", SessionState(), profile, {"heat": -0.3, "fargo": 0.0})
    assert [e for e in found if e.kind is EvidenceKind.HISTORY] == []


def test_what_was_chosen_and_then_disliked_is_no_reason(movies: Catalogue) -> None:
    profile = Profile(
        "u", history=(HistoryEntry("heat", 0.3, 0.0), HistoryEntry("fargo", 0.5, 1.0)), disliked=("heat",)
    )
    found = explain(movies, "scream", SessionState(), profile, {"heat": 0.9, "fargo": 0.1})
    assert [e.item_id for e in found if e.kind is EvidenceKind.HISTORY] == ["fargo"]


def test_what_liked_items_have_in_common_beyond_the_catalogue(movies: Catalogue) -> None:
    profile = Profile("u", liked=("toy", "wallace", "gone from the catalogue"))
    assert [(e.value, e.item_id, e.title) for e in explain(movies, "toy2", SessionState(), profile)] == [
        ("Animation", "toy", "Toy Story")
    ]
    asked = wish(Constraint("genre", "include", "Animation", "must"))
    assert [(e.value, e.title) for e in explain(movies, "toy2", asked, profile)][:1] == [("Animation", None)]
    assert explain(movies, "alien", SessionState(), profile) == ()


def test_popularity_only_when_there_is_nothing_else(movies: Catalogue) -> None:
    counts = {"big": 12, "go": 0}
    assert [(e.kind, e.value) for e in explain(movies, "big", SessionState(), popularity=counts)] == [
        (EvidenceKind.POPULARITY, "12")
    ]
    assert explain(movies, "go", SessionState(), popularity=counts) == ()
    comedy = wish(Constraint("genre", "include", "Comedy", "must"))
    assert all(e.kind is not EvidenceKind.POPULARITY for e in explain(movies, "big", comedy, popularity=counts))


def test_why_is_one_line(movies: Catalogue, wines: Catalogue) -> None:
    evidence = [
        Evidence(EvidenceKind.ATTRIBUTE, 1.0, "genre", "Comedy"),
        Evidence(EvidenceKind.ATTRIBUTE, 1.0, "year", "1995"),
        Evidence(EvidenceKind.REQUEST, 0.9, value="toys"),
        Evidence(EvidenceKind.HISTORY, 0.6, value="liked", item_id="alien", title="Alien"),
        Evidence(EvidenceKind.HISTORY, 0.5, value="liked", item_id="aliens", title="Aliens"),
        Evidence(EvidenceKind.ATTRIBUTE, 0.4, "genre", "Drama", "fargo", "Fargo"),
    ]
    assert why(evidence, movies.domain, movies) == (
        "Comedy, 1995, as you asked · matches “toys” · near Alien and Aliens, which you liked · Drama, like Fargo"
    )
    least = Evidence(EvidenceKind.HISTORY, 0.02, value="known", item_id="go", title="Go")
    assert "Go" not in why([*evidence, least], movies.domain, movies)
    price = [Evidence(EvidenceKind.ATTRIBUTE, 1.0, "price", "18")]
    assert why(price, wines.domain, wines) == "price 18, as you asked"
    popular = [Evidence(EvidenceKind.POPULARITY, 0.1, value="583")]
    assert why(popular, wines.domain, wines) == "popular wine: in the history of 583 people"
    assert why([], movies.domain, movies) == ""
