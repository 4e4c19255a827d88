"""What replies may say, over every text of their scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.script import Script
from convrec.dialogue.sentences import TOLD, Sentences
from convrec.dialogue.titles import mentions_outside
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
    Recommendation,
    SessionState,
    Slate,
)

COMEDY = Constraint("genre", "include", "Comedy", "must")
ASKED = Evidence(EvidenceKind.ATTRIBUTE, 1.0, "genre", "Comedy")
NEAR = Evidence(EvidenceKind.HISTORY, 0.6, value="liked", item_id="alien", title="Alien")


def slate(catalogue: Catalogue, item_ids: Sequence[str], *evidence: Evidence) -> Slate:
    return Slate(
        tuple(
            Recommendation(catalogue[item_id], n, 1.0, 0.5, 0.5, 1.0, evidence)
            for n, item_id in enumerate(item_ids, start=1)
        )
    )


def texts(script: Script) -> Iterator[str]:
    return (" ".join(chosen) for chosen in product(*script.slots))


def script(
    catalogue: Catalogue,
    item_ids: Sequence[str],
    *evidence: Evidence,
    kind: IntentKind = IntentKind.RECOMMEND,
    constraints: tuple[Constraint, ...] = (),
    query: str = "",
    mentions: tuple[Mention, ...] = (),
) -> Script:
    intent = Intent(kind, query=query, mentions=mentions, constraints=constraints)
    state = SessionState(query=query, mentions=mentions, constraints=constraints, turns=1)
    return Sentences(catalogue).script(intent, state, slate(catalogue, item_ids, *evidence))


def test_every_text_names_the_slate_and_nothing_else(movies: Catalogue) -> None:
    ids = ["toy", "ghost", "fear", "wood", "sabrina95"]
    for text in texts(script(movies, ids, ASKED, NEAR, constraints=(COMEDY,))):
        assert all(movies[item_id].title in text for item_id in ids)
        assert mentions_outside(text, ids, movies) == []
        assert "Alien" not in text


def test_the_opening_claims_what_was_required(movies: Catalogue) -> None:
    constraints = (
        COMEDY,
        Constraint("genre", "include", "War", "prefer"),
        Constraint("genre", "exclude", "Horror", "must"),
        Constraint("year", ">=", 1990.0, "must"),
        Constraint("year", "<=", 1999.0, "must"),
    )
    opening = script(movies, ["toy", "ghost"], constraints=constraints).slots[0][0]
    assert opening == "Here are two Comedy films from 1990 to 1999, without Horror."
    assert script(movies, ["toy"], constraints=(COMEDY,)).slots[0][0] == "Here is one Comedy film."


def test_the_first_get_sentences_of_their_own_in_different_words(movies: Catalogue) -> None:
    ids = ["toy", "toy2", "wood", "ghost", "gump"]
    slots = script(movies, ids, ASKED).slots
    assert len(slots) == TOLD + 2
    for item_id, slot in zip(ids[:TOLD], slots[1:-1], strict=True):
        title = f"{movies[item_id].title} ({movies[item_id].attributes['year']})"
        assert all(title in sentence and "Comedy" in sentence for sentence in slot)
    patterns = [
        {s.replace(movies[i].title, "X").replace(str(movies[i].attributes["year"]), "Y") for s in slot}
        for i, slot in zip(ids[:TOLD], slots[1:-1], strict=True)
    ]
    assert not patterns[0] & patterns[1]
    assert len(script(movies, ids[:2], ASKED).slots) == 3


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (NEAR, "films you liked"),
        (replace(NEAR, value="named"), "the film you named"),
        (replace(NEAR, value="known"), "films from your history"),
        (Evidence(EvidenceKind.REQUEST, 0.9, value="toys"), "“toys”"),
        (Evidence(EvidenceKind.POPULARITY, 0.1, value="583"), "583 people"),
        (Evidence(EvidenceKind.ATTRIBUTE, 0.4, "genre", "Animation", "wallace", "Wallace"), "Animation"),
        (Evidence(EvidenceKind.ATTRIBUTE, 1.0, "year", "1995"), "years"),
    ],
)
def test_each_kind_of_evidence_has_its_words(movies: Catalogue, evidence: Evidence, said: str) -> None:
    sentences = script(movies, ["toy"], evidence).slots[1]
    assert any(said in sentence for sentence in sentences)


def test_without_evidence_the_items_own_values_are_told(movies: Catalogue) -> None:
    assert all("Comedy" in sentence for sentence in script(movies, ["toy"]).slots[1])


def test_a_long_slate_is_cut_short_in_words(movies: Catalogue) -> None:
    ids = list(movies.ids)[:12]
    assert all(text.count(" and 5 more") == 1 for text in texts(script(movies, ids)))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (IntentKind.FEEDBACK, ("noted", "know", "remember", "Noted")),
        (IntentKind.WHY, ("why", "reasons", "speaks", "comes down")),
        (IntentKind.ASK_ITEM, ("catalogue",)),
        (IntentKind.COMPARE, ("catalogue",)),
        (IntentKind.SMALL_TALK, ("Happy", "pleasure", "Tell", "What")),
        (IntentKind.OUT_OF_SCOPE, ("only", "beyond")),
        (IntentKind.REFINE, ("All right", "Adjusted", "Understood", "in mind", "Done")),
    ],
)
def test_the_opening_takes_up_the_message(movies: Catalogue, kind: IntentKind, said: tuple[str, ...]) -> None:
    for opening in script(movies, ["toy", "ghost"], kind=kind).slots[0]:
        assert any(word in opening for word in said)


def test_the_opening_takes_up_words_and_named_items_without_naming_them(movies: Catalogue) -> None:
    assert all("“boxing”" in opening for opening in script(movies, ["toy"], query="boxing").slots[0])
    fargo = (Mention("fargo", "Fargo", Polarity.LIKED),)
    openings = script(movies, ["toy"], mentions=fargo).slots[0]
    assert any("you named" in opening for opening in openings)
    assert not any("Fargo" in opening for opening in openings)


def test_words_that_are_titles_outside_the_slate_are_not_said(movies: Catalogue) -> None:
    speed = Evidence(EvidenceKind.REQUEST, 0.9, value="speed")
    for text in texts(script(movies, ["toy", "ghost"], speed, query="speed and heat")):
        assert "speed" not in text.lower()
        assert "heat" not in text.lower()


def test_an_empty_slate_says_which_wishes_leave_nothing(movies: Catalogue) -> None:
    constraints = (
        COMEDY,
        Constraint("genre", "exclude", "Horror", "must"),
        Constraint("year", "<", 1900.0, "must"),
    )
    (text,) = texts(script(movies, [], constraints=constraints))
    assert "Comedy, before 1900, without Horror" in text
    (text,) = texts(script(movies, []))
    assert text == "There is no film left to recommend: you know everything that I have."


def test_titles_that_are_ordinary_words_silence_patterns_but_never_the_reply() -> None:
    taken = "Here|My|I|Try|Have|These|You|One|Two|With|For|Also|There|Is|Are|And|Of|Give|Expect|Worth|Film|Films|A"
    titles = [
        *taken.split("|"),
        "Comedy",
        "1995",
        "Mr. X",
        "Mr",
        "No",
        "Match",
        "Nothing",
        "What",
        "Happy",
        "Sorry",
    ]
    items = [Item(f"t{n}", title) for n, title in enumerate(titles)]
    shown = [Item("s1", "Mr", {"genre": ("Comedy",), "year": 1995}), Item("s2", "Toys", {"genre": ("Comedy",)})]
    facets = (Facet("genre", FacetType.SET), Facet("year", FacetType.RANGE))
    domain = Domain("films", "film", "films", "watch", "watched", (), facets, (1.0, 5.0))
    catalogue = Catalogue([*items, *shown], domain)
    for kind in IntentKind:
        for ids in (["s1", "s2"], ["s2"], []):
            for text in texts(script(catalogue, ids, ASKED, NEAR, kind=kind, constraints=(COMEDY,))):
                assert text
                assert mentions_outside(text, ids, catalogue) == []


def test_another_domain_needs_no_code(wines: Catalogue) -> None:
    evidence = Evidence(EvidenceKind.ATTRIBUTE, 1.0, "grape", "Merlot")
    constraints = (Constraint("grape", "include", "Merlot", "must"), Constraint("price", "<", 20.0, "must"))
    slots = script(wines, ["w0", "w3"], evidence, constraints=constraints).slots
    assert slots[0][0] == "Here are two Merlot wines with price under 20."
    assert all("Merlot" in sentence and "Domaine 0 (1990)" in sentence for sentence in slots[1])
    assert not any("film" in slot.lower() for slot in sum(slots, ()))
