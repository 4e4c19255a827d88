"""Owns how facet values, constraints and lists are put into words. Chooses none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convrec.data.catalogue import Catalogue, written
from convrec.types import Constraint, Facet, FacetType


def facet_of(catalogue: Catalogue, name: str) -> Facet | None:
    """A facet by name; None where a constraint names one that this catalogue does not have."""
    return next((facet for facet in catalogue.facets if facet.name == name), None)


def is_calendar(catalogue: Catalogue, facet: Facet) -> bool:
    """Whether a range facet counts years: they are said without the facet's name."""
    values = catalogue.facet_values(facet.name)
    return facet.type is FacetType.RANGE and all(len(value) == 4 and value.isdigit() for value in values)


def label(catalogue: Catalogue, name: str, value: str) -> str:
    """A value in words: "Comedy", "1994", "price 18"."""
    facet = facet_of(catalogue, name)
    if facet is None or (facet.type is FacetType.RANGE and not is_calendar(catalogue, facet)):
        return f"{name} {value}"
    return value


def wanted(constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """The set values that every item must have; "Comedy or Western" where one of them is enough."""
    musts = [c for c in constraints if c.op == "include" and c.strength == "must"]
    either: dict[str, list[str]] = {}
    for c in musts:
        if c.either:
            either.setdefault(c.facet, []).append(str(c.value))
    return (*(str(c.value) for c in musts if not c.either), *(" or ".join(values) for values in either.values()))


def refused(constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """The set values that no item may have."""
    return tuple(str(c.value) for c in constraints if c.op == "exclude" and c.strength == "must")


def bounded(catalogue: Catalogue, constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """The required ranges: "from 1990 to 1999", "before 1960", "with price under 20"."""
    ranges: dict[str, dict[str, Constraint]] = {}
    for c in constraints:
        if c.strength == "must" and c.op not in ("include", "exclude"):
            ranges.setdefault(c.facet, {})[c.op] = c
    phrases = []
    for name, bounds in ranges.items():
        facet = facet_of(catalogue, name)
        calendar = facet is not None and is_calendar(catalogue, facet)
        lead = "" if calendar else f"with {name} "
        low, high = bounds.get(">="), bounds.get("<=")
        if low and high and low.value == high.value:
            phrases.append(f"{lead or 'from '}{written(low.value)}")
        elif low and high:
            phrases.append(f"{lead}from {written(low.value)} to {written(high.value)}")
        else:
            phrases += [f"{lead}{_BOUNDS[calendar][c.op]} {written(c.value)}" for c in bounds.values()]
    return tuple(phrases)


def wishes_of(catalogue: Catalogue, constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """All required wishes and then the soft ones, one part each."""
    soft = [c for c in constraints if c.strength != "must"]
    return (
        *wanted(constraints),
        *bounded(catalogue, constraints),
        *(f"without {value}" for value in refused(constraints)),
        *(f"rather {c.value}" for c in soft if c.op == "include"),
        *(f"rather not {c.value}" for c in soft if c.op == "exclude"),
        *(f"rather {phrase}" for phrase in bounded(catalogue, [replace(c, strength="must") for c in soft])),
    )


def listed(parts: Sequence[str]) -> str:
    """ "A", "A and B", "A, B and C"."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


OPERATORS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}
_BOUNDS = {
    True: {">=": "since", ">": "after", "<=": "up to", "<": "before"},
    False: {">=": "from", ">": "over", "<=": "up to", "<": "under"},
}
