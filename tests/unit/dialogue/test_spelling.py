"""The ways to say one title."""

import pytest

from convrec.dialogue.spelling import spellings


@pytest.mark.parametrize(
    ("title", "ways"),
    [
        ("Alien", {"alien": 0}),
        ("The Usual Suspects", {"the usual suspects": 0, "usual suspects": 1}),
        ("Usual Suspects, The", {"usual suspects the": 0, "the usual suspects": 0, "usual suspects": 1}),
        ("Seven (Se7en)", {"seven se7en": 0, "seven": 1, "se7en": 1}),
        ("Sabrina (1954)", {"sabrina 1954": 0, "sabrina": 0}),
        ("Alien: Resurrection", {"alien resurrection": 0, "alien": 2}),
        ("Blue Angel, The (Blaue Engel, Der)", {"the blue angel": 1, "der blaue engel": 1, "blue angel": 1}),
        ("!!!", {}),
    ],
)
def test_spellings_and_what_they_leave_out(title: str, ways: dict[str, int]) -> None:
    found = {" ".join(words): left_out for left_out, words in spellings(title)}
    assert ways.items() <= found.items()
    assert bool(found) == bool(ways)
