import copy
from dataclasses import replace

import pytest

from ui.chat.past import PastConversation, PastTurn, WishView
from ui.person.views import Named, PersonView
from ui.session import Session
from ui.turn import Phase, Turn
from ui.views import CardView, DomainView, Feedback, SlateView, Tongue
from ui.words import words

CARDS = tuple(CardView(n + 1, f"i{n}", f"Title {n}") for n in range(2))
SLATE = SlateView("ses-1", "turn-1", "imp-1", CARDS, suggestions=("newer", "more like 2"))
TONGUES = {"zh": Tongue("电影", "电影", {"genre": {"Comedy": "喜剧"}})}
DOMAIN = DomainView("film", "films", ("genre",), 9, ("genre", "Comedy"), TONGUES)


@pytest.fixture
def session() -> Session:
    """One answered turn with two cards."""
    session = Session(domain=DOMAIN)
    session.begin("ann")
    turn = _ask(session, "hello")
    turn.slate = SLATE
    turn.prose = "Here."
    turn.finish(Phase.DONE)
    return session


def _ask(session: Session, message: str) -> Turn:
    turn = session.ask(message)
    assert turn is not None
    return turn


def test_every_browser_tab_starts_with_a_copy() -> None:
    one = copy.deepcopy(Session())
    one.begin("ann")
    assert Session().turns == []
    assert not copy.deepcopy(Session()).user_id


class TestTalking:
    def test_one_turn_at_a_time_and_none_for_a_blank_message(self, session: Session) -> None:
        assert session.ask("  \n") is None
        turn = _ask(session, " more ")
        assert turn.message == "more"
        assert session.running
        assert session.ask("and more") is None
        session.stop()
        assert turn.phase is Phase.STOPPED
        assert session.ask("and more") is not None

    def test_what_the_api_is_sent_ends_with_the_new_message(self, session: Session) -> None:
        _ask(session, "more")
        assert session.messages() == [("user", "hello"), ("assistant", "Here."), ("user", "more")]

    def test_the_latest_turn_is_taken_back_unless_it_runs(self, session: Session) -> None:
        taken = session.take_back()
        assert taken is not None
        assert taken.message == "hello"
        assert session.turns == []
        assert session.take_back() is None
        _ask(session, "again")
        assert session.take_back() is None, "a running turn cannot be asked again"

    def test_a_turn_ends_once(self, session: Session) -> None:
        assert session.turn
        session.turn.finish(Phase.FAILED, "late")
        assert (session.turn.phase, session.turn.problem) == (Phase.DONE, "")

    def test_a_new_conversation_forgets_the_old_and_another_person_what_was_known(self, session: Session) -> None:
        session.session_id, session.person = "ses-1", PersonView()
        session.wishes = (WishView("genre", "include", "Comedy", "must"),)
        running = _ask(session, "more")
        session.begin("ann")
        assert running.phase is Phase.STOPPED
        assert (session.session_id, session.turns, session.wishes) == (None, [], ())
        assert session.person is not None
        session.begin("bob")
        assert (session.user_id, session.person) == ("bob", None)

    def test_suggestions_are_the_domains_then_the_slates_and_none_meanwhile(self, session: Session) -> None:
        assert session.suggestions == ("newer", "more like 2")
        _ask(session, "more")
        assert session.suggestions == ()
        session.begin("ann")
        assert session.suggestions == ("Recommend some films", "Comedy films, please", "Show me 10 films")
        session.words = words("zh")
        assert session.suggestions == ("想要电影", "喜剧电影")
        session.domain = replace(DOMAIN, example=None)
        assert session.suggestions == ("想要电影",)

    def test_an_earlier_conversation_goes_on_where_it_was(self, session: Session) -> None:
        given = Feedback("e", "ann", "like", 1.0, "i1", session_id="ses-0", impression_id="imp-1")
        wish = WishView("genre", "include", "Comedy", "must")
        past = PastConversation("ses-0", (PastTurn("turn-1", "before", SLATE, "So.", (given,)),), (wish,))
        session.resume(past)
        assert (session.session_id, session.wishes) == ("ses-0", (wish,))
        mark = session.stored_mark(0, 1)
        assert mark is not None
        assert session.retraction(mark).retracts == "e"
        assert session.messages() == [("user", "before"), ("assistant", "So.")]


class TestPressing:
    def test_the_item_comes_from_the_slate_of_the_turn(self, session: Session) -> None:
        mark = session.mark(0, 1, "like")
        assert mark is not None
        sent = mark.feedback.body()
        assert sent.pop("event_id").startswith("ui-")
        assert sent.pop("timestamp") > 1.6e9
        assert sent == {
            "user_id": "ann",
            "type": "like",
            "item_id": "i1",
            "session_id": "ses-1",
            "impression_id": "imp-1",
        }

    @pytest.mark.parametrize(("turn", "place"), [(0, 2), (0, -1), (1, 0), (-1, 0)])
    def test_a_place_without_a_card_means_nothing(self, session: Session, turn: int, place: int) -> None:
        assert session.mark(turn, place, "like") is None
        assert session.stored_mark(turn, place) is None
        assert session.shown(turn, place) is None

    @pytest.mark.parametrize("kind", ["purchase", "retraction", "", "rating"])
    def test_only_what_cards_have_buttons_for_can_be_said(self, session: Session, kind: str) -> None:
        assert session.mark(0, 0, kind) is None

    def test_an_earlier_slate_can_be_judged_while_another_comes(self, session: Session) -> None:
        _ask(session, "more")
        assert session.mark(0, 0, "like") is not None
        assert session.mark(1, 0, "like") is None

    def test_pressing_twice_sends_once(self, session: Session) -> None:
        mark = session.mark(0, 0, "like")
        assert mark is not None
        assert session.mark(0, 0, "like") is None
        assert session.mark(0, 0, "seen") is None
        mark.stored = True
        assert session.mark(0, 0, "like") is None

    def test_what_failed_is_sent_again_as_it_was(self, session: Session) -> None:
        first = session.mark(0, 0, "like")
        assert first is not None
        first.problem = "no answer"
        again = session.mark(0, 0, "like")
        assert again is not None
        assert (again.feedback, again.problem) == (first.feedback, "")

    def test_after_a_failure_another_button_is_another_event(self, session: Session) -> None:
        first = session.mark(0, 0, "like")
        assert first is not None
        first.problem = "no answer"
        other = session.mark(0, 0, "seen")
        assert other is not None
        assert other.feedback.type == "seen"
        assert other.feedback.event_id != first.feedback.event_id

    def test_undo_names_the_event_and_frees_the_card(self, session: Session) -> None:
        mark = session.mark(0, 0, "not_interested")
        assert mark is not None
        assert session.stored_mark(0, 0) is None, "nothing to take back before it is stored"
        mark.stored = True
        assert session.stored_mark(0, 0) is mark
        retraction = session.retraction(mark)
        assert retraction.type == "retraction"
        assert retraction.retracts == mark.feedback.event_id != retraction.event_id
        assert retraction.item_id is None
        assert session.turn
        session.turn.unmark(mark)
        assert session.mark(0, 0, "like") is not None

    def test_an_undo_that_failed_keeps_the_mark(self, session: Session) -> None:
        mark = session.mark(0, 0, "like")
        assert mark is not None
        mark.stored, mark.problem = True, "no answer"
        assert session.mark(0, 0, "like") is None
        assert session.stored_mark(0, 0) is mark

    def test_only_what_is_offered_can_be_picked_and_names_no_slate(self, session: Session) -> None:
        assert session.pick(0) is None
        session.starters = CARDS
        assert session.pick(2) is None
        mark = session.pick(1)
        assert mark is not None
        assert (mark.feedback.item_id, mark.feedback.impression_id) == ("i1", None)
        assert session.pick(1) is None

    def test_opinions_are_those_of_the_person_that_is_shown(self, session: Session) -> None:
        assert session.opinion(0, 0) is None
        session.person = PersonView(liked=(Named("a", "A"),), saved=(Named("b", "B"), Named("c", "C")))
        assert session.opinion(0, 0) == Named("a", "A")
        assert session.opinion(2, 1) == Named("c", "C")
        assert session.opinion(1, 0) is session.opinion(3, 0) is session.opinion(0, -1) is None
