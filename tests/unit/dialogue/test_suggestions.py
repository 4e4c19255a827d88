from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.state import update
from convrec.dialogue.suggestions import Suggester
from convrec.dialogue.tongues import Tongues
from convrec.dialogue.understanding import Understanding
from convrec.types import Recommendation, SessionState, Slate

PROMPTS = Path(__file__).parents[3] / "prompts"
HORRORS = ("alien", "scream", "it", "fear")


def slate(catalogue: Catalogue, *ids: str) -> Slate:
    return Slate(tuple(Recommendation(catalogue[i], n, 1.0, 0.5, 0.5, 1.0) for n, i in enumerate(ids, start=1)))


@pytest.fixture(scope="module")
def suggester(movies: Catalogue) -> Suggester:
    return Suggester(movies, Tongues(PROMPTS))


def test_they_are_of_the_slate(suggester: Suggester, movies: Catalogue) -> None:
    shown = slate(movies, *HORRORS)
    assert suggester.suggest("a scary film", SessionState(), shown) == (
        "newer",
        "less Horror",
        "more Action",
        "more like 2",
        "show me others",
    )


def test_new_films_suggest_older_ones(suggester: Suggester, movies: Catalogue) -> None:
    shown = slate(movies, "go", "toy2")
    assert suggester.suggest("films", SessionState(), shown)[0] == "older"


def test_without_a_slate_there_are_none(suggester: Suggester) -> None:
    assert suggester.suggest("a scary film", SessionState(), Slate(())) == ()


def test_what_was_spoken_of_is_not_suggested(suggester: Suggester, movies: Catalogue) -> None:
    state = update(SessionState(), Understanding(movies).understand("no horror please", SessionState()))
    said = suggester.suggest("no horror please", state, slate(movies, *HORRORS))
    assert not [message for message in said if "Horror" in message]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("我喜欢看恐怖电影", ("新一点", "不要恐怖", "动作", "类似Scream的")),
        ("quiero una película de terror", ("más reciente", "sin terror", "acción", "parecida a Scream")),
    ],
)
def test_they_are_in_the_language_of_the_message(
    suggester: Suggester, movies: Catalogue, message: str, said: tuple[str, ...]
) -> None:
    assert suggester.suggest(message, SessionState(), slate(movies, *HORRORS)) == said


@pytest.mark.parametrize("message", ["a film", "我喜欢看电影", "quiero una película"])
@pytest.mark.parametrize("ids", [HORRORS, ("gump", "ghost", "pulp"), ("casablanca", "deeds")])
def test_each_is_understood(suggester: Suggester, movies: Catalogue, message: str, ids: tuple[str, ...]) -> None:
    understanding, shown = Understanding(movies), slate(movies, *ids)
    state = SessionState(turns=1, slate=ids)
    for said in suggester.suggest(message, state, shown):
        intent = understanding.understand(said, state)
        moved = intent.constraints or intent.critiques or intent.mentions or intent.others
        assert moved, f"{said!r} changes nothing"


def test_any_domain(wines: Catalogue) -> None:
    said = Suggester(wines).suggest("a wine", SessionState(), slate(wines, *wines.ids[:3]))
    assert "more like 2" in said
    assert {"dearer", "cheaper"} & set(said)


def test_a_question_has_its_answers(suggester: Suggester, movies: Catalogue) -> None:
    understanding, message = Understanding(movies), "a horror film before 1920"
    state = update(SessionState(), understanding.understand(message, SessionState()))
    assert state.asked is not None
    yes, over = suggester.suggest(message, state, Slate(()))
    taken = update(state, understanding.understand(yes, state))
    assert taken.asked is None
    assert taken.constraints != state.constraints
    assert not update(state, understanding.understand(over, state)).constraints
