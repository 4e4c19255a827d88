"""Which language a message is in, and replies in it: the same facts by the same rules."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue
from convrec.dialogue.placement import Bar, BarKind, Placement
from convrec.dialogue.sentences import Sentences
from convrec.dialogue.titles import mentions_outside
from convrec.dialogue.tongues import Tongues
from convrec.dialogue.understanding import Understanding
from convrec.errors import PromptError
from convrec.types import (
    Constraint,
    Evidence,
    EvidenceKind,
    Intent,
    IntentKind,
    Recommendation,
    SessionState,
    Slate,
)

PROMPTS = Path(__file__).parents[3] / "prompts"
COMEDY = Constraint("genre", "include", "Comedy", "must")


@pytest.fixture(scope="module")
def tongues() -> Tongues:
    return Tongues(PROMPTS)


@pytest.fixture(scope="module")
def understanding(movies: Catalogue) -> Understanding:
    return Understanding(movies)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("我喜欢看科幻电影", "zh"),
        ("想看 Alien 那样的", "zh"),
        ("quiero una película de ciencia ficción", "es"),
        ("algo como Pulp Fiction pero más divertido", "es"),
        ("¿qué tal?", "es"),
        ("comedias", "es"),
        ("something like Alien but funnier", "en"),
        ("show me a drama or a romance", "en"),
        ("no horror", "en"),
        ("a film with Los Angeles cops", "en"),
        ("ありがとう映画", "en"),
        ("Heat", "en"),
        ("", "en"),
        ("1990 !!", "en"),
    ],
)
def test_the_language_of_a_message(tongues: Tongues, message: str, code: str) -> None:
    assert tongues.detect(message) == code


@pytest.mark.parametrize(
    ("message", "op", "value"),
    [
        ("我喜欢看喜剧", "include", "Comedy"),
        ("我不喜欢战争片", "exclude", "War"),
        ("不要恐怖片", "exclude", "Horror"),
        ("一部不错的恐怖片", "include", "Horror"),
        ("una comedia", "include", "Comedy"),
        ("no quiero películas de terror", "exclude", "Horror"),
        ("algo sin guerra", "exclude", "War"),
    ],
)
def test_the_domain_file_has_the_words_for_facets(
    understanding: Understanding, message: str, op: str, value: str
) -> None:
    (constraint,) = understanding.understand(message, SessionState()).constraints
    assert (constraint.op, constraint.value, constraint.strength) == (op, value, "must")


def slate(movies: Catalogue, *ids: str) -> Slate:
    asked = (Evidence(EvidenceKind.ATTRIBUTE, 1.0, "genre", "Comedy"),)
    near = (Evidence(EvidenceKind.HISTORY, 0.6, value="liked", item_id="alien", title="Alien", effect=1.0),)
    told = (asked, near, (), (), ())
    return Slate(
        tuple(Recommendation(movies[i], n, 1.0, 0.5, 0.5, 1.0, told[n - 1]) for n, i in enumerate(ids, start=1))
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("es", ["películas", "comedia", "También"]),
        ("zh", ["电影", "喜剧", "还有"]),
    ],
)
def test_a_reply_in_the_language_names_the_slate_and_its_facts_only(
    movies: Catalogue, tongues: Tongues, code: str, said: list[str]
) -> None:
    shown = slate(movies, "big", "scream", "fargo", "heat")
    script = Sentences(movies, tongues).script(
        Intent(IntentKind.RECOMMEND), SessionState(constraints=(COMEDY,)), shown, language=code
    )
    for word in [*said, "Big", "Scream", "Fargo", "Heat"]:
        assert word in script.default
    for slot in script.slots:
        for text in slot:
            assert mentions_outside(text, ["big", "scream", "fargo", "heat"], movies) == []


@pytest.mark.parametrize("code", ["es", "zh"])
@pytest.mark.parametrize("kind", list(IntentKind))
@pytest.mark.parametrize("ids", [(), ("big",), ("big", "scream", "fargo", "heat", "go")])
def test_every_kind_of_turn_has_a_reply(
    movies: Catalogue, tongues: Tongues, code: str, kind: IntentKind, ids: tuple[str, ...]
) -> None:
    state = SessionState(constraints=(COMEDY, Constraint("year", "<", 1960.0, "must")))
    script = Sentences(movies, tongues).script(Intent(kind), state, slate(movies, *ids), language=code)
    assert script.default.strip()
    assert "{" not in script.default


@pytest.mark.parametrize(
    ("about", "es", "zh"),
    [
        ({"rank": 2}, "número 2", "第2位"),
        ({"rank": 14}, "puntúa 1.50", "得分1.50"),
        ({"rank": None, "bars": (Bar(BarKind.KNOWN, "liked"),)}, "ya lo conoces", "你已经知道它"),
        ({"rank": None, "bars": (Bar(BarKind.CONSTRAINT, "genre", COMEDY),)}, "(comedia)", "（喜剧）"),
    ],
)
def test_why_not_is_answered_in_the_language(
    movies: Catalogue, tongues: Tongues, about: dict, es: str, zh: str
) -> None:
    placement = replace(Placement(movies["alien"], (), (), 1.5, 4, None, 300, 2.2), **about)
    for code, told in (("es", es), ("zh", zh)):
        script = Sentences(movies, tongues).script(
            Intent(IntentKind.WHY), SessionState(), slate(movies, "big", "heat"), placement, code
        )
        assert told in script.slots[0][0]


def test_a_domain_without_words_of_its_own_gets_the_files(wines: Catalogue, tongues: Tongues) -> None:
    shown = Slate(tuple(Recommendation(wines[i], n, 1.0, 0.5, 0.5, 1.0) for n, i in enumerate(wines.ids[:2], 1)))
    script = Sentences(wines, tongues).script(Intent(IntentKind.RECOMMEND), SessionState(), shown, language="es")
    assert "2 propuestas" in script.default


def test_a_language_is_a_file_that_anybody_adds(tmp_path: Path) -> None:
    folder = tmp_path / "languages"
    shutil.copytree(PROMPTS / "languages", folder)
    text = (folder / "es.toml").read_text().replace('words = "', 'words = "ich möchte einen ')
    (folder / "de.toml").write_text(text)
    assert Tongues(tmp_path).detect("ich möchte einen Film") == "de"
    assert Tongues(tmp_path / "nowhere").detect("我喜欢") == "en"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("asked = [", "asks = [", r"phrases\.(asked is missing|asks is no phrase)"),
        ("{asked}", "{wish}", r"phrases\.asked: \{wish\} cannot be filled; there is: asked, title"),
        ('comma = ", "', "", "comma"),
        ("[phrases]", "[phrases", "not TOML"),
    ],
)
def test_a_malformed_file_says_what_is_wrong(tmp_path: Path, old: str, new: str, problem: str) -> None:
    folder = tmp_path / "languages"
    shutil.copytree(PROMPTS / "languages", folder)
    text = (folder / "es.toml").read_text()
    assert old in text
    (folder / "es.toml").write_text(text.replace(old, new))
    with pytest.raises(PromptError, match=problem):
        Tongues(tmp_path)
