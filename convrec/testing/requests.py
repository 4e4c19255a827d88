"""Requests made of a catalogue's facets, each with what every item shown must be. Reads none of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from convrec.data.catalogue import Catalogue, written
from convrec.dialogue.wording import is_calendar
from convrec.types import FacetType, Item

_OPENINGS = ("", "i want ", "show me ", "Please recommend ", "any ideas for ", "I'm looking for ", "find me ")
_ENDINGS = ("", " please", "?", " for tonight", " for my dad", ", thanks")

Holds = Callable[[Item], bool]


@dataclass(frozen=True, slots=True)
class HardRequest:
    """Messages of one conversation, and what must hold of every item of its last slate."""

    turns: tuple[str, ...]
    holds: Holds


def hard_requests(catalogue: Catalogue, n: int, seed: int = 0) -> Iterator[HardRequest]:
    """n requests with one to three hard wishes, in one message or over two."""
    dice = random.Random(seed)
    sets = [facet.name for facet in catalogue.facets if facet.type is FacetType.SET]
    calendars = [facet.name for facet in catalogue.facets if is_calendar(catalogue, facet)]
    plural = catalogue.domain.plural
    for _ in range(n):
        facet = dice.choice(sets)
        values = dice.sample([v for v in catalogue.facet_values(facet) if v.isascii()], 3)
        wish, wanted = _values(dice, facet, values[:2], plural)
        refusal, refused = _refusal(dice, facet, values[2])
        period, within = _period(dice, calendars)
        told = [part for part, used in ((refusal, dice.random() < 0.5), (period, dice.random() < 0.6)) if used]
        parts = [holds for holds, said in ((refused, refusal in told), (within, period in told)) if said]
        holds = _all([wanted, *parts])
        if told and dice.random() < 0.3:
            first = f"{dice.choice(_OPENINGS)}{wish}"
            yield HardRequest((first, ", ".join(told)), holds)
        else:
            yield HardRequest(
                (f"{dice.choice(_OPENINGS)}{', '.join([wish, *told])}{dice.choice(_ENDINGS)}",), holds
            )


def _values(dice: random.Random, facet: str, values: list[str], plural: str) -> tuple[str, Holds]:
    one, two = values
    kind = dice.random()
    if kind < 0.5:
        return f"{one.lower()} {plural}", lambda item: _has(item, facet, one)
    if kind < 0.75:
        return f"a {one.lower()} or a {two.lower()}", lambda item: _has(item, facet, one) or _has(item, facet, two)
    return (
        f"{plural} that are {one.lower()} and {two.lower()}",
        lambda item: _has(item, facet, one) and _has(item, facet, two),
    )


def _refusal(dice: random.Random, facet: str, value: str) -> tuple[str, Holds]:
    said = dice.choice(("no {}", "without {}", "but not {}", "nothing with {}", "anything but {}"))
    return said.format(value.lower()), lambda item: not _has(item, facet, value)


def _period(dice: random.Random, calendars: list[str]) -> tuple[str, Holds]:
    if not calendars:
        return "", lambda _item: True
    name, year = calendars[0], dice.randint(1935, 1998)
    decade = year // 10 * 10
    said, low, high = dice.choice(
        (
            (f"from the {decade}s", decade, decade + 9),
            (f"after {year}", year + 1, 9999),
            (f"before {year}", 0, year - 1),
            (f"from {year}", year, year),
            (f"between {year} and {year + 8}", year, year + 8),
            (f"{year} or newer", year, 9999),
            (f"nothing older than {year}", year, 9999),
        )
    )
    return said, lambda item: any(low <= number <= high for number in item.numbers(name))


def _has(item: Item, facet: str, value: str) -> bool:
    return value in [written(own) for own in item.values(facet)]


def _all(parts: list[Holds]) -> Holds:
    return lambda item: all(holds(item) for holds in parts)
