from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from convrec.retrieval.lexical import fit_lexical, load_lexical
from convrec.types import Item

ITEMS = (
    Item("a", "Alien", {"star": ("Sigourney Weaver", "Tom Skerritt"), "genre": ("Horror",), "year": 1979}),
    Item(
        "b", "Aliens", {"star": ("Sigourney Weaver",), "genre": ("Action",), "plot": "Weaver meets horror again"}
    ),
    Item("c", "Big", {"star": ("Tom Hanks",), "genre": ("Comedy",)}),
    Item("d", "Numbers", {}),
)
TEXTS = (
    "Alien Sigourney Weaver Tom Skerritt Horror 1979",
    "Aliens Sigourney Weaver Action Weaver meets horror again",
    "Big Tom Hanks Comedy",
    "Numbers",
)


@pytest.mark.parametrize(
    "request_text", ["Sigourney Weaver", "a horror film with Tom", "weaver weaver HORROR 1979"]
)
def test_scores_are_the_cosines_of_scikit_learns_tf_idf(request_text: str) -> None:
    lexical = fit_lexical([Item(str(n), text) for n, text in enumerate(TEXTS)])
    asked = lexical.shared(request_text)
    assert asked is not None
    reference = TfidfVectorizer(ngram_range=(1, 2), stop_words="english", sublinear_tf=True).fit(TEXTS)
    expected = (reference.transform(TEXTS) @ reference.transform([request_text]).T).toarray()[:, 0]
    assert asked.scores(np.arange(4)) == pytest.approx(expected, abs=1e-6)


def test_a_name_finds_the_items_that_bear_it_the_nearest_first() -> None:
    lexical = fit_lexical(ITEMS)
    asked = lexical.shared("anything with Sigourney Weaver?")
    assert asked is not None
    assert set(asked.nearest(10).tolist()) == {0, 1}
    scores = asked.scores(np.array([3, 0, 1, 2]))[[1, 2, 3, 0]]
    assert asked.nearest(1).tolist() == [int(np.argmax(scores))]
    assert scores[2] == scores[3] == 0


@pytest.mark.parametrize("request_text", ["", "  ", "the of and", "zebra quagga"])
def test_words_that_no_item_has_say_nothing(request_text: str) -> None:
    assert fit_lexical(ITEMS).shared(request_text) is None


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    lexical = fit_lexical(ITEMS)
    lexical.save(tmp_path)
    again = load_lexical(tmp_path)
    for text in ("horror", "tom hanks comedy"):
        ours, theirs = lexical.shared(text), again.shared(text)
        assert ours is not None
        assert theirs is not None
        assert theirs.scores(np.arange(4)) == pytest.approx(ours.scores(np.arange(4)))
