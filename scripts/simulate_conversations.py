"""Scripted people with a hidden film talk for ten turns; how often is the film on the slate by turn 1, 3, 5, 10?

A person knows attributes of the film and says them bit by bit, refuses what is on the slate and unlike it, and
points to what is near it ("more like the second but newer"). The film's title is never said. The same messages
then go to the same system without dialogue state, where every turn stands alone. Rules understand, retrieval
ranks, no language model is asked. Needs an ingested, indexed catalogue that no server holds.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track

from convrec.console import ConsoleSteps
from convrec.data.catalogue import Catalogue
from convrec.dialogue.state import update
from convrec.retrieval.hybrid import HybridRetriever
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.testing.talk import Talk
from convrec.types import Item, SessionState

TURNS = 10
MARKS = (1, 3, 5, 10)
RANKS = ("first", "second", "third", "fourth", "fifth")


class Person:
    """Talks about a film without naming it.

    Args:
        target: The film; nothing but its genres and its year is used.
        others: Genres that it does not have.
    """

    def __init__(self, target: Item, others: list[str], dice: random.Random) -> None:
        self._dice = dice
        self._target = target
        self._genres = [str(genre) for genre in target.values("genre")]
        self._year = int(target.numbers("year")[0])
        dice.shuffle(self._genres)
        self._facts = list(self._told(others))

    def say(self, slate: list[Item]) -> str:
        """The next message: a fact that was not told yet, else a critique of what is shown."""
        if self._facts and (not slate or self._dice.random() < 0.6):
            return self._facts.pop(0)
        return self._critique(slate) if slate else "anything else?"

    def _told(self, others: list[str]) -> Iterator[str]:
        yield f"I'd like a {self._genres[0].lower()} film"
        decade = self._year // 10 * 10
        yield f"from the {decade}s please"
        if len(self._genres) > 1:
            yield f"it should be {self._genres[1].lower()} too"
        yield f"but no {self._dice.choice(others).lower()}"
        if len(self._genres) > 2:
            yield f"and also {self._genres[2].lower()}"
        yield f"no {self._dice.choice(others).lower()} either"

    def _critique(self, slate: list[Item]) -> str:
        def near(item: Item) -> int:
            return len(set(item.values("genre")) & set(self._target.values("genre")))

        best = max(range(len(slate)), key=lambda n: near(slate[n]))
        years = slate[best].numbers("year")
        if self._dice.random() < 0.5 or not years or years[0] == self._year:
            return self._dice.choice(("show me others", "none of these, something else please"))
        return f"more like the {RANKS[best]} but {'newer' if years[0] < self._year else 'older'}"


def main() -> None:
    """Talk, count, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None, help="write the figures there")
    arguments = parser.parse_args()
    workshop = Workshop(load_settings(data_dir=arguments.data_dir))
    catalogue = workshop.catalogue()
    with workshop.open_index(catalogue, ConsoleSteps(Console(stderr=True))) as index:
        retriever = HybridRetriever(index, catalogue, workshop.embedder, workshop.hybrid)
        talk = Talk(workshop.listener(catalogue), retriever)

        def answer(message: str, state: SessionState) -> SessionState:
            state = talk.turn(message, state, 5).state
            if state.asked is not None:
                return update(state, talk.understanding.understand("yes", state))
            return state

        hits = {
            name: _hits(catalogue, arguments.people, arguments.seed, step)
            for name, step in {
                "with state": answer,
                "without state": lambda message, _state: answer(message, SessionState()),
            }.items()
        }
    figures = {
        name: {f"hit@{mark}": round(sum(turn <= mark for turn in turns) / len(turns), 4) for mark in MARKS}
        for name, turns in hits.items()
    }
    print(json.dumps({"people": arguments.people, **figures}, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps({"people": arguments.people, **figures}, indent=1) + "\n")


def _hits(
    catalogue: Catalogue, people: int, seed: int, answer: Callable[[str, SessionState], SessionState]
) -> list[int]:
    """The turn at which each person's film was shown; one past the last where it never was."""
    dice = random.Random(seed)
    known = [item for item in catalogue.values() if item.values("genre") and item.numbers("year")]
    genres = list(catalogue.facet_values("genre"))
    turns = []
    for target in track(dice.sample(known, people), "talking"):
        others = [genre for genre in genres if genre not in target.values("genre")]
        person, state, hit = Person(target, others, random.Random(target.item_id)), SessionState(), TURNS + 1
        slate: tuple[str, ...] = ()
        for turn in range(1, TURNS + 1):
            state = answer(person.say([catalogue[item_id] for item_id in slate]), state)
            slate = state.slate
            if target.item_id in slate:
                hit = turn
                break
        turns.append(hit)
    return turns


if __name__ == "__main__":
    main()
