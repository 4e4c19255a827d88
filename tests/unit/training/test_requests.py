from convrec.data.catalogue import Catalogue
from convrec.evaluation.base import Case
from convrec.evaluation.datasets.base import ConversationTurn, Dataset
from convrec.evaluation.protocols import conversation
from convrec.training.requests import (
    catalogue_pairs,
    conversation_pairs,
    learned_pairs,
    mention_pairs,
    request_pairs,
    request_task,
)
from convrec.types import Domain, Facet, FacetType, Item, RetrievalQuery

FACETS = (Facet("genre", FacetType.SET, words={"Comedy": ("funny",)}), Facet("year", FacetType.RANGE))
DOMAIN = Domain("films", "film", "films", "watch", "watched", ("year", "genre"), FACETS, (1.0, 5.0))
CATALOGUE = Catalogue(
    [
        Item("a", "A", {"genre": ("Comedy",), "year": 1990}),
        Item("b", "B", {"genre": ("Comedy", "Drama"), "year": 1990}),
        Item("c", "C", {"genre": ("Drama",), "year": 2000}),
        Item("bare", "D", {}),
    ],
    DOMAIN,
)


def test_a_conversation_gives_a_pair_per_target_that_spares_what_was_named() -> None:
    case = Case("1", "d", RetrievalQuery(text="like A", seeds={"a": 1.0}), ("b", "c"))
    first, second = conversation_pairs([case])
    assert (first.text, first.item_id, second.item_id) == ("like A", "b", "c")
    assert first.related == second.related == {"a", "b", "c"}


TURNS = [
    ConversationTurn("1", ("Hi!", "I want something funny for tonight"), (), ("b",)),
    ConversationTurn("1", ("Hi!", "I want something funny for tonight", "try B", "like A then"), ("b", "a"), ()),
    ConversationTurn("2", ("Hello", "have you seen C or D?"), ("c", "bare"), ("a",)),
]


def test_what_was_said_before_an_item_was_named_asks_for_it() -> None:
    first, second = mention_pairs(TURNS, CATALOGUE)
    assert (first.text, first.item_id) == ("Hi! I want something funny for tonight", "b")
    assert (second.text, second.item_id) == ("Hi! I want something funny for tonight try B", "a")
    assert first.related == {"a", "b"}


def test_targets_and_mentions_are_learned_once_and_not_from_what_is_left_out() -> None:
    task = conversation(Dataset("talks", CATALOGUE, learn=TURNS, test=TURNS), "test")
    talks = Dataset("talks", CATALOGUE, learn=TURNS, test=TURNS)
    pairs = [(pair.text, pair.item_id) for pair in learned_pairs(talks, task)]
    assert pairs.count(("Hi! I want something funny for tonight", "b")) == 1
    assert [item_id for _, item_id in pairs] == ["b", "a", "a"]
    assert {item_id for _, item_id in pairs[:1]} == {"b"}
    assert [pair.item_id for pair in learned_pairs(talks, task, {"1"})] == ["a"]
    assert learned_pairs(talks, task, {"1", "2"}) == []


def test_requests_are_in_peoples_words_and_spare_what_they_are_for_as_well() -> None:
    pairs = catalogue_pairs(CATALOGUE, per_item=40)
    assert {pair.item_id for pair in pairs} == {"a", "b", "c"}
    assert any("funny" in pair.text for pair in pairs)
    assert any("from 1990" in pair.text for pair in pairs)
    for pair in pairs:
        assert pair.item_id in pair.related
        words = pair.text.replace(",", "").split()
        for item_id, item in CATALOGUE.items():
            genres = {*item.values("genre")}
            wanted = {
                g for g, word in (("Comedy", "comedy"), ("Comedy", "funny"), ("Drama", "drama")) if word in words
            }
            if item_id in pair.related:
                assert wanted <= genres
    assert pairs == catalogue_pairs(CATALOGUE, per_item=40)
    assert pairs != catalogue_pairs(CATALOGUE, per_item=40, seed=1)


def test_requests_to_be_judged_on_are_for_items_that_are_not_learned_from() -> None:
    many = Catalogue([Item(f"i{n}", f"T{n}", {"genre": ("Comedy",)}) for n in range(20)], DOMAIN)
    task = request_task(many, [])
    learned, judged = {case.unit for case in task.examples}, {case.unit for case in task.cases}
    assert (len(learned), len(judged)) == (16, 4)
    assert not learned & judged
    pairs = request_pairs(task)
    assert {pair.item_id for pair in pairs} == learned
    assert [pair.text for pair in pairs] == [case.query.text for case in task.examples]
    # They all share the one genre, so none is a counter-example of another.
    assert all(pair.related == set(many) for pair in pairs)
