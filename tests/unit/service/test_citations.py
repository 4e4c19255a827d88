"""Links in replies: only to items of the slate, only to web addresses, only where the item is named."""

import pytest

from convrec.service.citations import Citation, citations
from convrec.service.requests import SlateReady
from convrec.service.views import SlateView, slate_view
from convrec.testing.recommender import wine_list
from convrec.types import AttributeValue, Intent, IntentKind, Item, Recommendation, SessionState, Slate

_CATALOGUE = wine_list()


def _slate(*items: tuple[str, AttributeValue]) -> SlateView:
    shown = [
        Recommendation(Item(f"i{n}", title, {"url": url}), n, 1.0, 0.5, None, 1.0)
        for n, (title, url) in enumerate(items, start=1)
    ]
    slate = Slate(tuple(shown))
    ready = SlateReady(
        "ann", None, None, "imp-1", Intent(IntentKind.RECOMMEND), SessionState(), slate, "fake", None, 0.1
    )
    return slate_view(ready, _CATALOGUE)


def test_every_place_where_an_item_is_named() -> None:
    slate = _slate(("Toy Story", "https://a.example/1"), ("Toy Story 2", "http://a.example/2"))
    text = "Toy Story 2, then Toy Story, then Toy Story 2."
    found = citations(text, slate)
    assert [text[c.start_index : c.end_index] for c in found] == ["Toy Story 2", "Toy Story", "Toy Story 2"]
    assert [c.url for c in found] == ["http://a.example/2", "https://a.example/1", "http://a.example/2"]
    assert found[1] == Citation(start_index=18, end_index=27, title="Toy Story", url="https://a.example/1")


def test_a_longer_title_without_an_address_is_not_its_part() -> None:
    slate = _slate(("Toy Story", "https://a.example/1"), ("Toy Story 2", ""))
    assert citations("Toy Story 2.", slate) == ()


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://a.example",
        "//a.example",
        "https://",
        "https://a.example/ b",
        "https://a.example/\n",
        "https://[a",
        "https://a.example/" + "x" * 2000,
        7,
        ("https://a.example",),
        "",
    ],
)
def test_what_is_no_web_address_is_no_link(url: AttributeValue) -> None:
    assert citations("Big.", _slate(("Big", url))) == ()


def test_titles_are_no_patterns() -> None:
    slate = _slate(("(a+)+$", "https://a.example/1"), (".*", "https://a.example/2"))
    assert [c.title for c in citations("x (a+)+$ y", slate)] == ["(a+)+$"]
