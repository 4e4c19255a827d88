from convrec.data.catalogue import Catalogue
from convrec.retrieval.varied import varied
from convrec.testing.recommender import WINES, wine_list
from convrec.types import Candidate, Item


def _ranked(catalogue: Catalogue) -> list[Candidate]:
    return [Candidate(item_id, 1.0 - n / 100) for n, item_id in enumerate(catalogue.ids)]


def test_the_first_is_the_best_and_no_grape_comes_twice_before_all_came() -> None:
    catalogue = wine_list()
    chosen = varied(_ranked(catalogue), catalogue, 5)
    assert chosen[0].item_id == catalogue.ids[0]
    assert len({item.attributes["grape"] for item in chosen}) == 5


def test_among_equally_unlike_ones_the_better_comes_first() -> None:
    catalogue = Catalogue([Item(str(n), f"Wine {n}", {"price": n}) for n in range(6)], WINES)
    assert [item.item_id for item in varied(_ranked(catalogue), catalogue, 3)] == ["0", "1", "2"]


def test_there_are_no_more_than_there_are() -> None:
    catalogue = wine_list()
    assert len({item.item_id for item in varied(_ranked(catalogue)[:4], catalogue, 12)}) == 4
    assert varied([], catalogue, 3) == ()
