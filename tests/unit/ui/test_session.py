import copy

import pytest

from ui.session import Phase, Session, Turn
from ui.views import CardView, SlateView

CARDS = tuple(CardView(n + 1, f"i{n}", f"Title {n}", (), 0.5, "") for n in range(2))


@pytest.fixture
def session() -> Session:
    """One answered turn with two cards."""
    session = Session()
    session.begin("ann")
    turn = _ask(session, "hello")
    turn.slate = SlateView("ses-1", "imp-1", CARDS)
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

    def test_retry_takes_the_turn_back(self, session: Session) -> None:
        assert session.take_back() == "hello"
        assert session.turns == []
        assert session.take_back() == ""
        _ask(session, "again")
        assert session.take_back() == "", "a running turn cannot be asked again"

    def test_a_turn_ends_once(self, session: Session) -> None:
        assert session.turn
        session.turn.finish(Phase.FAILED, "late")
        assert (session.turn.phase, session.turn.problem) == (Phase.DONE, "")

    def test_a_new_conversation_forgets_the_old(self, session: Session) -> None:
        session.session_id = "ses-1"
        running = _ask(session, "more")
        session.begin("bob")
        assert running.phase is Phase.STOPPED
        assert (session.user_id, session.session_id, session.turns) == ("bob", None, [])


class TestPressing:
    def test_the_item_comes_from_the_current_slate(self, session: Session) -> None:
        mark = session.mark(1, "like")
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

    @pytest.mark.parametrize("index", [2, 19])
    def test_a_button_without_a_card_does_nothing(self, session: Session, index: int) -> None:
        assert session.mark(index, "like") is None

    def test_between_two_slates_no_button_means_anything(self, session: Session) -> None:
        _ask(session, "more")
        assert session.mark(0, "like") is None
        assert session.stored_mark(0) is None

    def test_pressing_twice_sends_once(self, session: Session) -> None:
        mark = session.mark(0, "like")
        assert mark is not None
        assert session.mark(0, "like") is None
        assert session.mark(0, "seen") is None
        mark.stored = True
        assert session.mark(0, "like") is None

    def test_what_failed_is_sent_again_as_it_was(self, session: Session) -> None:
        first = session.mark(0, "like")
        assert first is not None
        first.problem = "no answer"
        again = session.mark(0, "like")
        assert again is not None
        assert (again.feedback, again.problem) == (first.feedback, "")

    def test_after_a_failure_another_button_is_another_event(self, session: Session) -> None:
        first = session.mark(0, "like")
        assert first is not None
        first.problem = "no answer"
        other = session.mark(0, "seen")
        assert other is not None
        assert other.feedback.type == "seen"
        assert other.feedback.event_id != first.feedback.event_id

    def test_undo_names_the_event_and_frees_the_card(self, session: Session) -> None:
        mark = session.mark(0, "not_interested")
        assert mark is not None
        assert session.stored_mark(0) is None, "nothing to take back before it is stored"
        mark.stored = True
        assert session.stored_mark(0) is mark
        retraction = session.retraction(mark)
        assert retraction.type == "retraction"
        assert retraction.retracts == mark.feedback.event_id != retraction.event_id
        assert retraction.item_id is None
        assert session.turn
        session.turn.unmark(mark)
        assert session.mark(0, "like") is not None

    def test_an_undo_that_failed_keeps_the_mark(self, session: Session) -> None:
        mark = session.mark(0, "like")
        assert mark is not None
        mark.stored, mark.problem = True, "no answer"
        assert session.mark(0, "like") is None
        assert session.stored_mark(0) is mark
