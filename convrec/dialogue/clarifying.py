"""Owns the one question that is asked where the constraints leave no item, and what is given up instead.

Ranges give way before values, and to the nearest decade where a facet counts years. Never two questions in a row:
where the answer to one leaves nothing again, the constraints give way at once, in a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convrec.data.catalogue import Catalogue, written
from convrec.dialogue.state import update
from convrec.dialogue.wording import bounded, facet_of, is_calendar, listed, refused, wanted
from convrec.types import Clarification, Constraint, Intent, SessionState


def clarify(state: SessionState, intent: Intent, catalogue: Catalogue) -> Clarification | None:
    """What to say where an intent leaves nothing of the catalogue; None where it leaves something.

    Args:
        state: Before the intent.
    """
    constraints = update(state, intent).constraints
    if _leaves_some(constraints, catalogue):
        return None
    for kept, instead, given_up in _ways_out(constraints, catalogue):
        if _leaves_some(kept, catalogue):
            missing = _missing(constraints, catalogue)
            if state.asked is None:
                return Clarification(f"There is {missing}; {instead} instead?", kept, asks=True)
            return Clarification(f"There is {missing}, so I left out {given_up}.", kept, asks=False)
    return None


def _leaves_some(constraints: Sequence[Constraint], catalogue: Catalogue) -> bool:
    musts = [c for c in constraints if c.strength == "must"]
    return not musts or any(catalogue.meets(item_id, musts) for item_id in catalogue.ids)


def _ways_out(
    constraints: Sequence[Constraint], catalogue: Catalogue
) -> Iterator[tuple[tuple[Constraint, ...], str, str]]:
    """Constraints that ask for less, each with what it offers and what it gives up, in words."""
    musts = [c for c in constraints if c.strength == "must"]
    ranges = dict.fromkeys(c.facet for c in musts if c.op not in ("include", "exclude"))
    for facet in ranges:
        kept = tuple(c for c in constraints if c.facet != facet or c.strength != "must")
        given_up = listed(bounded(catalogue, [c for c in musts if c.facet == facet])) or facet
        if decade := _nearest_decade(facet, [c for c in musts if c.facet == facet], kept, catalogue):
            first, last = decade
            between = (Constraint(facet, ">=", first, "must"), Constraint(facet, "<=", last, "must"))
            yield (*kept, *between), f"the {written(first)}s", f"“{given_up}” for the {written(first)}s"
        yield kept, f"any {facet}", f"“{given_up}”"
    for one in reversed(musts):
        if one.facet not in ranges:
            kept = tuple(
                c for c in constraints if c != one and not (one.either and c.either and c.facet == one.facet)
            )
            named = f"“{one.value}”" if one.op == "include" else f"“without {one.value}”"
            yield kept, f"without {one.value}" if one.op == "include" else f"with {one.value}", named
    held: list[Constraint] = []
    for one in musts:
        if _leaves_some([*held, one], catalogue):
            held.append(one)
    lost = [c for c in musts if c not in held]
    named = listed([*wanted(lost), *bounded(catalogue, lost), *(f"without {value}" for value in refused(lost))])
    yield tuple(c for c in constraints if c not in lost), f"all but “{named}”", f"“{named}”"


def _nearest_decade(
    name: str, bounds: Sequence[Constraint], kept: Sequence[Constraint], catalogue: Catalogue
) -> tuple[float, float] | None:
    """The decade nearest to the bounds in which something is left; None where a facet counts no years."""
    facet = facet_of(catalogue, name)
    if facet is None or not is_calendar(catalogue, facet):
        return None
    target = sum(float(c.value) for c in bounds) / len(bounds)
    musts = [c for c in kept if c.strength == "must"]
    years = [n for i in catalogue.ids if catalogue.meets(i, musts) for n in catalogue[i].numbers(name)[:1]]
    if not years:
        return None
    first = min(years, key=lambda year: (abs(year - target), year)) // 10 * 10
    return first, first + 9


def _missing(constraints: Sequence[Constraint], catalogue: Catalogue) -> str:
    """ "no Horror film before 1940, without War, here"."""
    parts = ("no", *wanted(constraints), catalogue.domain.noun, *bounded(catalogue, constraints))
    without = refused(constraints)
    return " ".join(parts) + (f", without {listed(without)}," if without else "") + " here"
