import pytest

from ui.acts import Act, button, form


@pytest.mark.parametrize(
    ("data", "act"),
    [
        ({"act": "like", "turn": "0", "place": "12"}, Act("like", 0, 12)),
        ({"act": "rename", "place": "1", "text": "  a name "}, Act("rename", -1, 1, "a name")),
        ({"act": "like", "turn": "-1", "place": "1e3"}, Act("like")),
        ({"act": "like", "turn": "٣", "place": None}, Act("like")),
        ({"act": ["like"], "turn": {}, "place": "1" * 50}, Act("['like']")),
        ({"act": "rename", "text": "x" * 999}, Act("rename", text="x" * 200)),
        (None, Act("")),
        ("like", Act("")),
        ([], Act("")),
    ],
)
def test_whatever_a_browser_sends_becomes_names_and_places(data: object, act: Act) -> None:
    assert Act.read(data) == act


def test_what_says_acts() -> None:
    assert button("undo", "<", turn=1, place=0) == (
        '<button type="button" data-act="undo" data-turn="1" data-place="0">&lt;</button>'
    )
    assert form("rename", "x", place=2) == '<form data-act="rename" data-place="2">x</form>'
