"""The HTML of cards, transcript and panel: whatever the data holds, the markup is only the page's own."""

from collections import Counter
from html.parser import HTMLParser

import pytest

from ui.beliefs import person_html, unknown_html
from ui.cards import card_html, note_html
from ui.session import Mark, Phase, Turn
from ui.transcript import answer_html, earlier_html, said_html
from ui.views import BeliefView, CardView, Feedback, PersonView, SlateView

PLAIN = "Plain title"
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "</article></div><b>bold</b>",
    "&lt;b&gt; &amp; <!-- ",
]


class _Markup(HTMLParser):
    """Tags with their attributes, and the text that a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[f"{tag} {[name for name, _ in attrs]}"] += 1

    def handle_data(self, data: str) -> None:
        self.text += data


def _mark(*, stored: bool = False, problem: str = "") -> Mark:
    return Mark(Feedback("e", "ann", "not_interested", 1e9, item_id="i"), stored, problem)


def _turn(text: str, phase: Phase = Phase.DONE) -> Turn:
    card = CardView(1, "i", text, (text,), 0.5, text)
    turn = Turn(text, phase, SlateView("s", "m", (card,)), prose=text, problem=text)
    turn.marks["i"] = _mark(stored=True)
    return turn


def _everything(text: str) -> list[str]:
    card = CardView(1, text, text, (text, text), 0.5, text)
    person = PersonView((text,), (text,), (BeliefView(text, text, 0.5, 2),), (text,), 3)
    return [
        card_html(card, None),
        card_html(card, _mark(problem=text)),
        note_html(SlateView("s", "m", (), degraded=True, reason=text)),
        said_html(_turn(text)),
        *(answer_html(_turn(text, phase)) for phase in Phase),
        earlier_html([_turn(text), _turn(text, Phase.FAILED)]),
        person_html(text, person),
        unknown_html(text),
    ]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_data_is_never_markup(hostile: str) -> None:
    for html, plain in zip(_everything(hostile), _everything(PLAIN), strict=True):
        read, expected = _Markup(html), _Markup(plain)
        assert read.tags == expected.tags
        assert read.text == expected.text.replace(PLAIN, hostile)


def test_a_card_says_what_is_known() -> None:
    card = CardView(3, "i", "Fargo", ("1996", "Crime"), 0.876, "A reason.")
    html = card_html(card, None)
    assert 'aria-valuenow="88"' in html
    assert _Markup(html).text == "3Fargo1996 · Crime88% matchA reason."


def test_a_press_shows_as_done_only_when_it_is_stored() -> None:
    card = CardView(1, "i", "Fargo", (), 0.5, "")
    assert "Saved" not in card_html(card, None) + card_html(card, _mark()) + card_html(card, _mark(problem="down"))
    assert "Saving" in card_html(card, _mark())
    assert "Not saved: down" in card_html(card, _mark(problem="down"))
    assert "Saved: not for me" in card_html(card, _mark(stored=True))


def test_only_a_degraded_slate_has_a_note() -> None:
    assert note_html(SlateView("s", "m", ())) == ""
    assert "(no engine)" in note_html(SlateView("s", "m", (), degraded=True, reason="no engine"))


def test_a_turn_shows_where_it_is() -> None:
    texts = {phase: _Markup(answer_html(Turn("m", phase, problem="down"))).text for phase in Phase}
    assert texts == {
        Phase.WAITING: "Looking…",
        Phase.WRITING: "Writing…",
        Phase.DONE: "",
        Phase.STOPPED: "Stopped.",
        Phase.FAILED: "down",
    }
    assert earlier_html([]) == ""


def test_the_panel_counts_what_it_leaves_out() -> None:
    person = PersonView(liked=tuple(f"t{n}" for n in range(11)), history_length=11)
    assert "and 3 more" in person_html("ann", person)
    assert "nothing known yet" in person_html("ann", PersonView())
    against = person_html("ann", PersonView(beliefs=(BeliefView("genre", "War", -0.25, 1),), history_length=1))
    assert "cr-against" in against
    assert "-0.25, 1 item" in against
