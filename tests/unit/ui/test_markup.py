import pytest

from ui.markup import Html, join, tag

HOSTILE = "<img src=x onerror=alert(1)>\"'&`${1}"


def test_text_and_attributes_are_escaped_and_markup_is_kept() -> None:
    html = tag("p", HOSTILE, tag("b", "x & y"), title=HOSTILE)
    told = "&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;`${1}"
    assert html == f'<p title="{told}">{told}<b>x &amp; y</b></p>'


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"cls": "a b"}, ' class="a b"'),
        ({"aria_label": "x", "data_n": 0}, ' aria-label="x" data-n="0"'),
        ({"disabled": True, "hidden": False, "id": None}, " disabled"),
    ],
)
def test_attributes(attributes: dict, told: str) -> None:
    assert tag("i", **attributes) == f"<i{told}></i>"


def test_what_has_no_end_has_none_and_nothing_is_left_out() -> None:
    assert tag("img", src="data:,") == '<img src="data:,">'
    assert join("<", None, Html("<br>")) == "&lt;<br>"
