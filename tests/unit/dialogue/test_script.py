"""A script as a grammar and as an automaton: both accept the same texts."""

from itertools import product

import pytest
import xgrammar
from xgrammar.testing import _is_grammar_accept_string

from convrec.dialogue.script import Script

SCRIPT = Script(
    (("Here:", "Here: a."), ("A 1.", "A 1. B."), ("B.", 'He said "hi" \\ n\n\t\x01 中 😀 [x] {y} # | ::='))
)


def test_the_grammar_accepts_every_text_and_nothing_else() -> None:
    grammar = xgrammar.Grammar.from_ebnf(SCRIPT.grammar())
    for texts in product(*SCRIPT.slots):
        assert _is_grammar_accept_string(grammar, " ".join(texts))
    for wrong in ("", "Here:", "Here: A 1. B. ", "Here: A 1.  B.", "A 1. B."):
        assert not _is_grammar_accept_string(grammar, wrong)


def test_every_beginning_can_be_completed_to_one_of_the_texts() -> None:
    texts = {" ".join(chosen) for chosen in product(*SCRIPT.slots)}
    for text in texts:
        for cut in range(len(text) + 1):
            rest = SCRIPT.complete(text[:cut])
            assert rest is not None
            assert text[:cut] + rest in texts
        assert SCRIPT.complete(text) == "" or text + str(SCRIPT.complete(text)) in texts


@pytest.mark.parametrize("text", ["x", "Here: x", "Here: A 1. B. x", "here:"])
def test_what_is_not_of_the_script_cannot_be_completed(text: str) -> None:
    assert SCRIPT.complete(text) is None


def test_default_and_longest() -> None:
    assert SCRIPT.default == "Here: A 1. B."
    assert SCRIPT.complete("") == SCRIPT.default
    assert SCRIPT.longest.startswith("Here: a. A 1. B. He said")
    assert not SCRIPT.is_fixed
    assert Script((("a",), ("b",))).is_fixed


def test_texts_are_of_the_script_and_begin_with_the_default() -> None:
    assert SCRIPT.texts[0] == SCRIPT.default
    assert len(SCRIPT.texts) == max(map(len, SCRIPT.slots))
    assert set(SCRIPT.texts) <= {" ".join(chosen) for chosen in product(*SCRIPT.slots)}
