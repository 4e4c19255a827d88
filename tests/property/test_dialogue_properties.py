"""Invariants of the dialogue, on random catalogues with nasty titles and on random messages."""

from hypothesis import given, settings
from hypothesis import strategies as st
from xgrammar import Grammar
from xgrammar.testing import _is_grammar_accept_string

from convrec.data.catalogue import Catalogue
from convrec.dialogue.counting import MAX_K
from convrec.dialogue.sentences import Sentences
from convrec.dialogue.state import replay, retrieval_query, update
from convrec.dialogue.titles import mentions_outside
from convrec.dialogue.understanding import Understanding
from convrec.types import (
    Constraint,
    Domain,
    Evidence,
    EvidenceKind,
    Facet,
    FacetType,
    Intent,
    IntentKind,
    Item,
    Mention,
    Polarity,
    Profile,
    Recommendation,
    SessionState,
    Slate,
)

# Titles made of the very words and signs that replies are made of, and of anything at all.
WORDS = st.sampled_from(
    'Here are is the One two films film Comedy 1995 for you With Mr. A. I and, also: “x” Dr. it? Big \\ " {title} '
    "%s [a] | ::= # <|im_end|> \n 中国 É".split(" ")
)
TITLES = st.one_of(st.lists(WORDS, min_size=1, max_size=4).map(" ".join), st.text(min_size=1, max_size=12)).filter(
    lambda title: bool(title.strip())
)
GENRES = st.lists(st.sampled_from(["Comedy", "Film Noir", 'Say "x"', "films", "It\n"]), max_size=3, unique=True)
FACETS = (
    Facet("genre", FacetType.SET, words={"Comedy": ("funny",)}),
    Facet("year", FacetType.RANGE, more=("newer",), less=("old",)),
)
DOMAIN = Domain("films", "film", "films", "watch", "watched", ("year", "genre"), FACETS, (1.0, 5.0))
CONSTRAINTS = st.one_of(
    st.builds(
        Constraint,
        st.just("genre"),
        st.sampled_from(["include", "exclude"]),
        st.sampled_from(["Comedy", "comedy", "Film Noir", "films"]),
        st.sampled_from(["must", "prefer", "avoid"]),
    ),
    st.builds(
        Constraint,
        st.just("year"),
        st.sampled_from([">=", "<=", ">", "<"]),
        st.sampled_from([1990.0, 1995.0, 1999.0]),
        st.sampled_from(["must", "prefer"]),
    ),
)
MENTIONS = st.builds(
    lambda n, polarity: Mention(f"i{n}", "T", polarity), st.integers(0, 5), st.sampled_from(Polarity)
)
INTENTS = st.builds(
    Intent,
    kind=st.sampled_from(IntentKind),
    query=st.sampled_from(["", "boxing", "Big film", "it"]),
    k=st.none() | st.integers(1, MAX_K),
    mentions=st.lists(MENTIONS, max_size=3).map(tuple),
    constraints=st.lists(CONSTRAINTS, max_size=3).map(tuple),
    reset=st.booleans(),
)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    items = [
        Item(f"i{n}", title, {"genre": tuple(draw(GENRES)), "year": draw(st.integers(1990, 1999))})
        for n, title in enumerate(draw(st.lists(TITLES, min_size=2, max_size=14)))
    ]
    return Catalogue(items, DOMAIN)


@st.composite
def evidences(draw: st.DrawFn, item: Item) -> tuple[Evidence, ...]:
    values = [str(value) for value in item.values("genre")] or ["Comedy"]
    facts = [
        Evidence(EvidenceKind.ATTRIBUTE, 1.0, "genre", draw(st.sampled_from(values))),
        Evidence(EvidenceKind.ATTRIBUTE, 1.0, "year", str(item.attributes["year"])),
        Evidence(EvidenceKind.ATTRIBUTE, 0.4, "genre", values[-1], "i0", "T"),
        Evidence(EvidenceKind.REQUEST, 0.9, value=draw(st.sampled_from(["Big", "it is", "x"]))),
        Evidence(EvidenceKind.HISTORY, 0.6, value=draw(st.sampled_from(["liked", "named", "known"])), title="T"),
        Evidence(EvidenceKind.POPULARITY, 0.1, value="1995"),
    ]
    return tuple(draw(st.lists(st.sampled_from(facts), max_size=3, unique=True)))


@settings(max_examples=150, deadline=None)
@given(st.data(), catalogues(), INTENTS, st.lists(CONSTRAINTS, max_size=3))
def test_whatever_a_reply_says_it_names_the_slate_only(
    data: st.DataObject, catalogue: Catalogue, intent: Intent, constraints: list[Constraint]
) -> None:
    own = data.draw(st.lists(st.sampled_from(catalogue.ids), max_size=8, unique=True))
    slate = Slate(
        tuple(
            Recommendation(catalogue[i], n, 1.0, 0.5, None, 1.0, data.draw(evidences(catalogue[i])))
            for n, i in enumerate(own, start=1)
        )
    )
    script = Sentences(catalogue).script(intent, SessionState(constraints=tuple(constraints)), slate)
    grammar = Grammar.from_ebnf(script.grammar())
    for _ in range(4):
        text = " ".join(data.draw(st.sampled_from(slot)) for slot in script.slots)
        assert text
        assert mentions_outside(text, own, catalogue) == []
        assert _is_grammar_accept_string(grammar, text)
        cut = data.draw(st.integers(0, len(text)))
        assert script.complete(text[:cut]) is not None


@settings(max_examples=150, deadline=None)
@given(st.data(), catalogues())
def test_whatever_a_message_says_its_intent_is_of_the_catalogue(data: st.DataObject, catalogue: Catalogue) -> None:
    titles = st.sampled_from([item.title for item in catalogue.values()])
    cues = st.sampled_from(
        "I like loved not seen funny old 90s before 1995 no films about but , . “ five top".split()
    )
    parts = data.draw(st.lists(st.one_of(cues, titles, st.text(max_size=8)), max_size=12))
    message = " ".join(parts)
    intent = Understanding(catalogue).understand(message, SessionState())
    for mention in intent.mentions:
        assert catalogue[mention.item_id].title == mention.title
    assert len({mention.item_id for mention in intent.mentions}) == len(intent.mentions)
    for constraint in intent.constraints:
        facet = catalogue.facet(constraint.facet)
        if facet.type is FacetType.SET:
            assert constraint.value in catalogue.facet_values(facet.name)
    assert intent.k is None or 1 <= intent.k <= MAX_K
    assert len(intent.query) <= 300


@given(st.lists(INTENTS, max_size=8), INTENTS)
def test_the_state_is_a_fold_that_never_contradicts_itself(intents: list[Intent], last: Intent) -> None:
    state = replay([*intents, last])
    assert state == update(replay(intents), last)
    assert len({m.item_id for m in state.mentions}) == len(state.mentions)
    assert state.turns == 1 if last.reset else state.turns >= 1
    assert state.constraints[len(state.constraints) - len(last.constraints) :] == last.constraints
    earlier = state.constraints[: len(state.constraints) - len(last.constraints)]
    new_values = {(c.facet, str(c.value).casefold()) for c in last.constraints if c.facet == "genre"}
    assert not any((c.facet, str(c.value).casefold()) in new_values for c in earlier)
    query = retrieval_query(state, Profile("u", excluded=frozenset({"x"})))
    assert query.exclude == {"x"} | {m.item_id for m in state.mentions}
    assert query.seeds.keys() <= query.exclude
    assert all(-1.0 <= weight <= 1.0 for weight in query.seeds.values())
