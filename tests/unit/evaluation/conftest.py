from collections.abc import Callable

import pytest

from convrec.data.catalogue import Catalogue
from convrec.evaluation.datasets.base import ConversationTurn, Dataset
from convrec.types import Domain, FeedbackEvent, FeedbackType, Item

DOMAIN = Domain("films", "film", "films", "watch", "watched", ("kind",), (), (1.0, 5.0))
ITEMS = 30


def rate(user: str, item: int, moment: float, rating: float = 4.0) -> FeedbackEvent:
    return FeedbackEvent(
        f"{user}-{item}-{moment}", user, FeedbackType.RATING, moment, f"i{item:02}", rating=rating
    )


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue(
        [Item(f"i{n:02}", f"film {n}", {"kind": ("odd" if n % 2 else "even",)}) for n in range(ITEMS)], DOMAIN
    )


@pytest.fixture(scope="session")
def walks(catalogue: Catalogue) -> Dataset:
    """Forty users who walk in steps of one from where they start: the next item is that after the last one."""
    events = [
        rate(f"u{user:02}", (user * 7 + step) % ITEMS, 1000.0 * step + user, 1.0 + (user + step) % 5)
        for user in range(40)
        for step in range(12)
    ]
    return Dataset("walks", catalogue, events)


@pytest.fixture(scope="session")
def talks(catalogue: Catalogue) -> Dataset:
    def turn(dialog: int, named: tuple[int, ...], recommended: tuple[int, ...]) -> ConversationTurn:
        said = tuple(f"I liked film {item}" for item in named) or ("something nice",)
        return ConversationTurn(
            f"d{dialog}", said, tuple(f"i{n:02}" for n in named), tuple(f"i{n:02}" for n in recommended)
        )

    learn = [turn(d, (d % ITEMS,), ((d + 1) % ITEMS, (d + 2) % ITEMS)) for d in range(20)]
    learn += [turn(d, (d % ITEMS, (d + 1) % ITEMS), ()) for d in range(20)]
    return Dataset("talks", catalogue, (), learn, [turn(99, (3,), (4, 5)), turn(98, (), (7,))])


@pytest.fixture(scope="session")
def rating() -> Callable[..., FeedbackEvent]:
    return rate
