from string import Formatter

import pytest

from ui.words import LANGUAGES, words, words_for


def _slots(text: str) -> set[str]:
    return {slot for _, slot, _, _ in Formatter().parse(text) if slot}


@pytest.mark.parametrize("language", [file.stem for file in LANGUAGES.glob("*.toml")])
def test_every_language_says_everything(language: str) -> None:
    english, other = words("en").texts, words(language).texts
    assert other.keys() == english.keys()
    # A language may do without a slot that only its grammar does not need: nouns and their plurals.
    for key, text in english.items():
        missing = _slots(text) ^ _slots(other[key])
        assert missing <= {"noun", "plural", "count"}, key


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("fr, zh;q=0.3, en;q=0.9", "en"),
        ("EN-gb", "en"),
        ("zh;q=0, en", "en"),
        ("xx;q=nonsense, zh", "zh"),
        ("fr", "en"),
    ],
)
def test_the_browser_chooses(asked: str | None, language: str) -> None:
    assert words_for(asked).language == language


def test_slots_are_filled_and_numbers_written() -> None:
    say = words("en")
    assert say("head.hint", count="1,682", plural="films").count("1,682 films") == 1
    assert say.count("person.known", 1) == "1 in the history"
    assert say.count("who.known", 1200, user="ann") == "ann · 1,200 events"
    assert say.named("card.did_like", "") == "Saved: liked"
    assert say.named("card.did_rating", "rating") == "rating"
    with pytest.raises(KeyError):
        say("no.such")
