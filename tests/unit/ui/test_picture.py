import pytest

from ui.chat.picture import is_own, picture_html

DOT = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "address", [DOT, "data:image/svg+xml,%3Csvg/%3E", "/posters/1.jpg", "/a b".replace(" ", "%20")]
)
def test_a_picture_of_the_page_or_of_its_own_host_is_shown(address: str) -> None:
    assert picture_html("Alien", "Horror", address).startswith("<img src=")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test/a.png",
        "//evil.test/a.png",
        "/\\evil.test/a.png",
        "/a\n//b",
        "javascript:alert(1)",
        "data:text/html,<b>",
        "a.png",
        "",
    ],
)
def test_no_other_host_is_asked(address: str) -> None:
    assert not is_own(address)
    assert picture_html("Alien", "Horror", address).startswith("<svg")


@pytest.mark.parametrize(
    ("title", "said"),
    [("The Silence of the Lambs (1991)", "SL"), ("Heat", "H"), ("1984", "19"), ("七武士", "七"), ("", "")],
)
def test_one_is_drawn_from_the_title(title: str, said: str) -> None:
    drawn = picture_html(title, "Horror")
    assert f">{said}</text>" in drawn
    assert drawn == picture_html(title, "Horror")
    assert 'aria-hidden="true"' in drawn


def test_alike_kinds_have_alike_colours() -> None:
    def hue(drawn: str) -> str:
        return drawn.partition("hsl(")[2].partition(" ")[0]

    assert hue(picture_html("Alien", "Horror")) == hue(picture_html("It", "Horror"))
    assert hue(picture_html("Alien", "Horror")) != hue(picture_html("Alien", "Comedy"))
