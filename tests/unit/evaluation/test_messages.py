"""Labelled messages and the measures on them."""

from pathlib import Path

import pytest

from convrec.errors import DataError
from convrec.evaluation.messages import differences, read_messages, understood
from convrec.types import Constraint, Intent, IntentKind, Mention, Polarity

DATA = Path(__file__).parents[2] / "data" / "understanding"


def test_measures_are_of_all_messages_together() -> None:
    (label, *_) = read_messages(DATA / "development.jsonl")
    assert understood([label], [label.intent]).constraints == 1
    comedy = Constraint("genre", "include", "Comedy", "must")
    own = Intent(IntentKind.REFINE, mentions=(Mention("1", "Toy Story", Polarity.LIKED),), constraints=(comedy,))
    found = understood([label], [own])
    assert (found.kind, found.constraints, found.mentions) == (0.0, 1.0, 0.0)
    assert list(differences(label.intent, own)) == [
        "kind refine, not recommend",
        "mention ('1', <Polarity.LIKED: 'liked'>) is wrong",
    ]


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text('{"id": "a"}\n')
    with pytest.raises(DataError, match="line 1"):
        read_messages(file)


def test_nothing_that_is_learned_from_is_in_the_test_set() -> None:
    held_out = {one.message.casefold() for one in read_messages(DATA / "messages.jsonl")}
    assert held_out.isdisjoint(one.message.casefold() for one in read_messages(DATA / "development.jsonl"))
    assert held_out.isdisjoint((DATA / "kinds.jsonl").read_text().casefold().splitlines())
