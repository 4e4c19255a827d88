"""How a message is cut into words."""

from convrec.dialogue.language import stem, tokenise, words


def test_words_are_folded() -> None:
    assert words("Amélie's DON’T & Part III") == ("amelies", "dont", "and", "part", "3")
    assert words("under 12.5, sci-fi") == ("under", "12.5", "sci", "fi")


def test_chinese_is_split_by_character() -> None:
    assert words("我想看Alien") == ("我", "想", "看", "alien")


def test_plural_and_singular_share_a_stem() -> None:
    for one, many in (("comedy", "comedies"), ("western", "westerns"), ("movie", "movies"), ("kid", "kids")):
        assert stem(one) == stem(many)
    assert stem("boss") == "boss"
    assert stem("his") == "his"


def test_tokens_know_their_place_in_the_message() -> None:
    text = "I liked it, but no War. Heat!"
    tokens = tokenise(text)
    assert [text[t.start : t.end] for t in tokens] == ["I", "liked", "it", "but", "no", "War", "Heat"]
    assert [t.clause for t in tokens] == [0, 0, 0, 1, 1, 1, 2]
    assert [t.word for t in tokens if t.opens] == ["i", "heat"]
    assert [t.word for t in tokens if t.capital] == ["i", "war", "heat"]


def test_but_does_not_end_a_clause_that_it_excludes_from() -> None:
    assert {t.clause for t in tokenise("anything but horror")} == {0}
