"""The HTML of turns, cards, lists and panel: whatever the data holds, the markup is only the page's own."""

from collections import Counter
from html.parser import HTMLParser

import pytest

from ui.chat.conversations import conversations_html
from ui.chat.past import ConversationView, WishView
from ui.chat.start import start_html, wish_text
from ui.chat.turns import earlier_html, latest_html
from ui.head import head_html
from ui.person.panel import forget_html, person_html
from ui.person.views import BeliefView, Named, PersonView
from ui.session import Asked, Session
from ui.turn import Mark, Phase, Turn
from ui.views import CardView, DomainView, EvidenceView, Feedback, SlateView, Tongue
from ui.words import words

PLAIN = "Plain title"
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "</article></div><b>bold</b>",
    "&lt;b&gt; &amp; <!-- ",
    "${alert(1)} {{constructor}} ![x](https://evil.test) [l](javascript:alert(1))",
]
KINDS = ("attribute", "request", "history", "popularity", "unheard of")

_DRAWN = ("circle", "path", "rect")
"""Of a drawn picture, whose forms are chosen by the title."""


class _Markup(HTMLParser):
    """Tags with their attributes, and the text that a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DRAWN:
            self.tags[f"{tag} {[name for name, _ in attrs]}"] += 1

    def handle_data(self, data: str) -> None:
        self.text += data


def _mark(*, stored: bool = False, problem: str = "", kind: str = "not_interested") -> Mark:
    return Mark(Feedback("e", "ann", kind, 1e9, item_id="i"), stored, problem)


def _card(text: str, **more: object) -> CardView:
    evidence = tuple(EvidenceView(kind, text, text, text, 0.4 if kind == "history" else None) for kind in KINDS)
    told = {"match": 0.876, "interval": (0.8, 0.9), "why": text, "evidence": evidence, "picture": text, **more}
    return CardView(3, "i", text, ((text, (text, text)),), **told)  # type: ignore[arg-type]


def _session(text: str, phase: Phase = Phase.DONE, mark: Mark | None = None, *, opened: bool = True) -> Session:
    session = Session(user_id=text, domain=DomainView(text, text, (text,), 9, (text, text)))
    card = _card(text)
    for number in range(2):
        turn = Turn(text, phase, SlateView("s", "t", "m", (card,), True, text, (text,)), prose=text, problem=text)
        if mark is not None:
            turn.marks["i"] = mark
        if opened:
            turn.opened["i"] = None if number else card.evidence
        session.turns.append(turn)
    session.person = PersonView(
        (Named("i", text),), (Named("i", text),), (), (BeliefView(text, text, 0.5, 2),), (text,), 3
    )
    session.conversations, session.kept = (ConversationView("s", text, 2), ConversationView("s2", text, 1)), 9
    session.wishes = (WishView(text, "include", text, "must"), WishView(text, ">=", 3.5, "must"))
    session.notice = (text,)
    return session


def _everything(text: str) -> list[str]:
    found = []
    marks = (None, _mark(), _mark(problem=text), _mark(stored=True), _mark(stored=True, kind=text))
    for phase, mark in [*((phase, None) for phase in Phase), *((Phase.DONE, mark) for mark in marks)]:
        session = _session(text, phase, mark)
        found += [earlier_html(session), latest_html(session)]
    for asked in (Asked(), Asked(renaming="s"), Asked(deleting="s2"), Asked(forgetting=True)):
        session.asked = asked
        found += [conversations_html(session), person_html(session), forget_html(session), head_html(session)]
    session.turns, session.starters, session.picks = [], (_card(text),), {"i": _mark(problem=text)}
    found.append(start_html(session))
    session.person, session.person_problem = None, text
    return [*found, person_html(session)]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_data_is_never_markup(hostile: str) -> None:
    for html, plain in zip(_everything(hostile), _everything(PLAIN), strict=True):
        read, expected = _Markup(html), _Markup(plain)
        assert read.tags == expected.tags


def test_a_card_says_what_is_known_and_only_that() -> None:
    html = latest_html(_session("Fargo", opened=False))
    assert 'aria-valuenow="88"' in html
    assert 'aria-valuetext="88% match. 80–90% with 95 % confidence"' in html
    assert "cr-band" in html
    session = _session("Fargo", opened=False)
    session.turns[-1].slate = SlateView("s", "t", "m", (_card("Fargo", interval=None),))
    assert "Compares within this list" in latest_html(session)
    assert "cr-band" not in latest_html(session)
    session.turns[-1].slate = SlateView("s", "t", "m", (_card("Fargo", match=None, why=""),))
    assert "cr-match" not in latest_html(session)
    assert "cr-why" not in latest_html(session)


def test_a_press_shows_as_done_only_when_it_is_stored() -> None:
    def said(mark: Mark | None) -> str:
        return _Markup(latest_html(_session("Fargo", mark=mark, opened=False))).text

    assert not [mark for mark in (None, _mark(), _mark(problem="down")) if "Saved" in said(mark)]
    assert "Saving" in said(_mark())
    assert "Not saved: down" in said(_mark(problem="down"))
    assert "Saved: not for me" in said(_mark(stored=True))


def test_only_a_degraded_slate_has_a_note() -> None:
    session = _session("no engine")
    assert "retrieval alone ordered them (no engine)." in latest_html(session)
    session.turns[-1].slate = SlateView("s", "t", "m", ())
    assert "Degraded" not in latest_html(session)


def test_a_turn_shows_where_it_is() -> None:
    def said(phase: Phase) -> str:
        session = Session(turns=[Turn("m", phase, problem="down")])
        return _Markup(latest_html(session)).text.removeprefix("You said: m").removesuffix("RetryEdit")

    assert {phase: said(phase) for phase in Phase} == {
        Phase.WAITING: "Looking…",
        Phase.WRITING: "Writing…",
        Phase.DONE: "",
        Phase.STOPPED: "Stopped.",
        Phase.FAILED: "down",
    }
    assert earlier_html(Session()) == latest_html(Session()) == ""


def test_what_carried_an_item_is_told_with_its_measure() -> None:
    html = latest_html(_session("Alien"))
    text = _Markup(html).text
    assert "What carried it" in text
    assert "+0.40" in text
    assert "Looking at what carried it" in text, "measured anew meanwhile"
    assert "Looking at" not in earlier_html(_session("Alien"))
    session = _session("Alien")
    session.turns[-1].opened["i"] = ()
    assert "Nothing in particular" in latest_html(session)


def test_the_panel_counts_what_it_leaves_out_and_tells_leanings() -> None:
    session = Session(user_id="ann", domain=DomainView("film", "films", (), 9))
    session.person = PersonView(liked=tuple(Named(str(n), f"t{n}") for n in range(11)), history_length=11)
    assert "and 3 more" in person_html(session)
    session.person = PersonView()
    assert "nothing known yet" in person_html(session)
    beliefs = (BeliefView("genre", "War", -0.25, 1), BeliefView("genre", "Comedy", 0.2, 3))
    session.person = PersonView(beliefs=beliefs, history_length=4)
    html = person_html(session)
    assert "You lean towards Comedy. You lean away from War." in html
    assert "genre: War, -0.25, from 1 film" in html
    assert "genre: Comedy, +0.20, from 3 films" in html
    assert html.count("<rect") == 2


def test_chinese_labels_and_reasons() -> None:
    tongues = {"zh": Tongue("电影", "电影", {"genre": {"Comedy": "喜剧"}})}
    session = Session(domain=DomainView("film", "films", ("genre",), 9, tongues=tongues), words=words("zh"))
    evidence = (
        EvidenceView("attribute", "genre", "Comedy", "", None),
        EvidenceView("popularity", "", "12", "", None),
    )
    card = CardView(1, "i", "Babe", (("genre", ("Comedy",)),), why="Comedy, as you asked", evidence=evidence)
    session.turns.append(Turn("喜剧", Phase.DONE, SlateView("s", "t", "m", (card,))))
    text = _Markup(latest_html(session)).text
    assert "喜剧，如你所愿 · 有 12 人的历史记录里有它" in text
    assert "as you asked" not in text
    assert wish_text(session, WishView("genre", "exclude", "Comedy", "must")) == "−喜剧"
    assert wish_text(session, WishView("year", ">=", 1990.0, "must")) == "year ≥ 1990"
