"""What every ledger must do, whatever database it stands on. Owns no database: subclasses bring the ledger."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from convrec.errors import DataError, EventConflictError, NotFoundError
from convrec.ledger.ledger import Ledger
from convrec.types import (
    Constraint,
    Contest,
    ErasureEvent,
    Event,
    FeedbackEvent,
    FeedbackType,
    ImpressionEvent,
    Intent,
    IntentKind,
    Mention,
    Polarity,
    ReplyEvent,
    ScoredCandidate,
    SessionEvent,
    TurnEvent,
)

LIKE = FeedbackEvent("like-1", "ann", FeedbackType.LIKE, 10.0, "i1", session_id="s1", impression_id="imp-1")
RATING = FeedbackEvent("rating-1", "ann", FeedbackType.RATING, 5.0, "i2", rating=3.5)
COMMENT = FeedbackEvent("comment-1", "bob", FeedbackType.COMMENT, 7.0, text="Zu laut, aber schön 🎬\x00\n")
RETRACTION = FeedbackEvent("retraction-1", "ann", FeedbackType.RETRACTION, 11.0, retracts="like-1")
TURN = TurnEvent(
    event_id="turn-1",
    user_id="ann",
    session_id="s1",
    timestamp=8.0,
    message="something like “α”, not too long",
    intent=Intent(
        kind=IntentKind.RECOMMEND,
        query="slow",
        k=3,
        mentions=(Mention("i1", "Alpha", Polarity.LIKED), Mention("i2", "Βήτα", Polarity.NEUTRAL)),
        constraints=(Constraint("length", "<=", 120.5, "must"), Constraint("genre", "exclude", "noir", "avoid")),
        reset=True,
        dropped=(Constraint("length", ">", 90.0, "prefer"),),
    ),
)
IMPRESSION = ImpressionEvent(
    event_id="imp-1",
    user_id="ann",
    session_id="s1",
    turn_id="turn-1",
    timestamp=9.0,
    slate=("i1", "i2"),
    candidates=(ScoredCandidate("i1", 0.1 + 0.2, 1e-9, -3.25), ScoredCandidate("i2", 0.0, None, -4.0)),
    prompt_hash="abc",
    engine="transformers",
    adapter=None,
    degraded=True,
    latency_s=0.125,
)
MIXED = replace(
    IMPRESSION, event_id="imp-2", session_id=None, contest=Contest("con-1", ("base", "films@1"), (1, 0))
)
BESIDE = replace(IMPRESSION, event_id="imp-3", session_id="s2", contest=Contest("con-2", ("base",)))
VOTE = FeedbackEvent("vote-1", "ann", FeedbackType.PREFER, 12.5, impression_id="imp-3")
TIE = FeedbackEvent("vote-2", "ann", FeedbackType.TIE, 13.0, impression_id="imp-3")
REPLY = ReplyEvent("reply-1", "ann", "s1", "turn-1", 9.5, "Two for you.", 1.5)
NAME = SessionEvent("name-1", "ann", "s1", 12.0, "Friday “night”")
ERASURE = ErasureEvent("erasure-1", "0123456789abcdef", 12.0, "salt", 3, ("films/1",))
EVENTS: tuple[Event, ...] = (
    *(LIKE, RATING, COMMENT, RETRACTION, TURN, IMPRESSION, REPLY, NAME),
    *(MIXED, BESIDE, VOTE, TIE, ERASURE),
)


class LedgerConformance:
    """Subclass it and give it a fixture `ledger` that returns an empty Ledger."""

    def test_every_kind_of_event_comes_back_as_it_was(self, ledger: Ledger) -> None:
        """Reading gives equal events."""
        assert [ledger.append(event) for event in EVENTS] == [True] * len(EVENTS)
        assert tuple(ledger.get(event.event_id) for event in EVENTS) == EVENTS
        kinds = {"feedback": 6, "turn": 1, "impression": 3, "reply": 1, "session": 1, "erasure": 1}
        assert ledger.counts() == kinds

    def test_an_empty_ledger_is_empty(self, ledger: Ledger) -> None:
        """Nothing is there, and asking for it is no error."""
        assert ledger.append_many([]) == 0
        assert not ledger.feedback() + ledger.turns("s1") + ledger.impressions() + ledger.users()
        assert ledger.last_impression("s1") is None
        assert (ledger.counts(), ledger.position()) == ({}, 0)
        with pytest.raises(NotFoundError, match="nope"):
            ledger.get("nope")

    @pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_id)
    def test_the_same_event_is_stored_once_and_keeps_its_first_timestamp(
        self, ledger: Ledger, event: Event
    ) -> None:
        """A retry, even with a fresh timestamp, changes nothing."""
        assert ledger.append(event) is True
        position = ledger.position()
        assert ledger.append(event) is False
        assert ledger.append(replace(event, timestamp=event.timestamp + 60)) is False
        assert ledger.get(event.event_id) == event
        assert (sum(ledger.counts().values()), ledger.position()) == (1, position)

    @pytest.mark.parametrize(
        "other",
        [
            replace(LIKE, item_id="i9"),
            replace(LIKE, user_id="bob"),
            replace(LIKE, type=FeedbackType.DISLIKE),
            replace(LIKE, session_id=None),
            replace(REPLY, event_id=LIKE.event_id),
        ],
        ids=["item", "user", "type", "session", "kind"],
    )
    def test_another_event_with_the_same_id_is_a_conflict(self, ledger: Ledger, other: Event) -> None:
        """The conflict names the id, and the first event stays."""
        ledger.append(LIKE)
        with pytest.raises(EventConflictError, match="like-1"):
            ledger.append(other)
        assert ledger.get("like-1") == LIKE

    def test_a_batch_counts_what_is_new(self, ledger: Ledger) -> None:
        """Events already there and doubles within the batch are passed over."""
        ledger.append(RATING)
        assert ledger.append_many([LIKE, RATING, COMMENT, LIKE]) == 2
        assert ledger.append_many([LIKE, RATING, COMMENT]) == 0
        assert ledger.counts() == {"feedback": 3}

    def test_a_batch_is_stored_whole_or_not_at_all(self, ledger: Ledger) -> None:
        """A conflict, stored or within the batch, and an unusable event each stop all of it."""
        ledger.append(LIKE)
        for bad in (replace(LIKE, item_id="i9"), replace(RATING, rating=1.0), replace(COMMENT, text=None)):
            with pytest.raises((EventConflictError, DataError)):
                ledger.append_many([RATING, TURN, bad])
            assert ledger.counts() == {"feedback": 1}

    def test_feedback_is_read_by_time_then_in_the_order_of_appending(self, ledger: Ledger) -> None:
        """Ties keep the order of appending; a user's feedback is theirs alone."""
        tie = replace(LIKE, event_id="a-tie", item_id="i3")
        ledger.append_many([LIKE, tie, COMMENT, RATING, TURN])
        assert ledger.feedback() == (RATING, COMMENT, LIKE, tie)
        assert ledger.feedback("ann") == (RATING, LIKE, tie)
        assert ledger.feedback("nobody") == ()
        assert ledger.feedback(since=COMMENT.timestamp) == (COMMENT, LIKE, tie)

    def test_conversations_are_read_by_session_in_the_order_of_appending(self, ledger: Ledger) -> None:
        """Turns and impressions follow appending, not clocks that step back."""
        second_turn = replace(TURN, event_id="turn-2", timestamp=1.0)
        second = replace(IMPRESSION, event_id="imp-2", turn_id="turn-2", timestamp=1.0)
        elsewhere = replace(IMPRESSION, event_id="imp-3", session_id=None, turn_id=None, adapter="a@1")
        others = replace(IMPRESSION, event_id="imp-4", user_id="bob", session_id="s2")
        ledger.append_many([TURN, IMPRESSION, second_turn, second, elsewhere, others])
        assert ledger.turns("s1") == (TURN, second_turn)
        assert ledger.turns("s2") == ()
        assert ledger.impressions() == (IMPRESSION, second, elsewhere, others)
        assert ledger.impressions(session_id="s1") == (IMPRESSION, second)
        assert ledger.impressions(user_id="ann") == (IMPRESSION, second, elsewhere)
        assert ledger.impressions(session_id="s2", user_id="ann") == ()
        assert ledger.impressions(since=IMPRESSION.timestamp) == (IMPRESSION, elsewhere, others)
        assert ledger.last_impression("s1") == second

    def test_users_are_counted_by_feedback_alone(self, ledger: Ledger) -> None:
        """Most active first, ties by id."""
        cara = replace(COMMENT, event_id="comment-2", user_id="cara")
        ledger.append_many([cara, COMMENT, LIKE, RATING, replace(TURN, user_id="dan")])
        assert ledger.users() == (("ann", 2), ("bob", 1), ("cara", 1))
        assert ledger.users(limit=1) == (("ann", 2),)
        ledger.append_many([replace(COMMENT, event_id=f"more-{n}", user_id=f"user {n}") for n in range(100)])
        assert len(ledger.users()) == 100
        assert len(ledger.users(limit=None)) == 103

    def test_a_users_events_come_in_the_order_of_appending(self, ledger: Ledger) -> None:
        """All, those of one session, those of some kinds; never another user's."""
        ledger.append_many(EVENTS)
        own = tuple(event for event in EVENTS if event.user_id == "ann")
        assert ledger.events("ann") == own
        assert ledger.events("ann", "s1") == (LIKE, TURN, IMPRESSION, REPLY, NAME)
        assert ledger.events("ann", kinds=("turn", "session")) == (TURN, NAME)
        assert ledger.events("bob", "s1") == ()

    def test_new_events_are_told_from_known_ones(self, ledger: Ledger) -> None:
        """By event_id, also where one comes twice."""
        ledger.append(LIKE)
        assert ledger.append_new([LIKE, RATING, RATING]) == {RATING.event_id}

    def test_erasing_a_session_leaves_its_feedback(self, ledger: Ledger) -> None:
        """And whatever others said under the same id."""
        others = replace(TURN, event_id="turn-b", user_id="bob")
        ledger.append_many([*EVENTS, others])
        assert ledger.erase_session("ann", "s1") == 4
        assert ledger.events("ann", "s1") == (LIKE,)
        assert ledger.turns("s1") == (others,)
        assert ledger.erase_session("ann", "s1") == 0

    def test_erasing_a_turn_leaves_the_others_and_its_feedback(self, ledger: Ledger) -> None:
        """Message, slate and reply go; of another's session nothing does."""
        ledger.append_many(EVENTS)
        before = ledger.events("ann", "s1")
        assert ledger.erase_turn("bob", "s1", TURN.event_id) == 0
        assert ledger.erase_turn("ann", "s1", TURN.event_id) == 3
        assert not ledger.turns("s1")
        assert [event for event in before if isinstance(event, FeedbackEvent | SessionEvent)] == [
            *ledger.events("ann", "s1")
        ]
        assert ledger.erase_turn("ann", "s1", TURN.event_id) == 0

    def test_erasing_a_user_leaves_everybody_else(self, ledger: Ledger) -> None:
        """Whatever kind of event it is; what stands there instead does not name them."""
        ledger.append_many(EVENTS[:-1])
        others = [event for event in EVENTS[:-1] if event.user_id != "ann"]
        before = ledger.position()
        assert ledger.erasures().at("ann") is None
        removed = len(EVENTS) - 1 - len(others)
        assert ledger.erase("ann", ("films/1", "films/2")) == removed
        assert not ledger.feedback("ann")
        assert not ledger.turns("s1")
        assert not ledger.impressions()
        assert ledger.counts() == {"feedback": len(others), "erasure": 1}
        assert ledger.get(others[0].event_id) == others[0]
        assert ledger.position() == ledger.erased_position() > before
        (erasure,) = ledger.erasures().events
        assert (erasure.events, erasure.adapters) == (removed, ("films/1", "films/2"))
        assert "ann" not in repr(erasure)
        assert "ann" not in str(list(ledger.everything()))
        assert ledger.erasures().at("bob") is None
        at = ledger.erasures().at("ann")
        assert at is not None

    def test_erasing_nobody_leaves_no_trace_and_the_erased_may_come_back(self, ledger: Ledger) -> None:
        """A second erasure is another one, under the same salt."""
        assert ledger.erase("ann") == 0
        assert (ledger.counts(), ledger.erased_position()) == ({}, 0)
        for _ in range(2):
            assert ledger.append(LIKE)
            assert ledger.erase("ann") == 1
            assert ledger.erase("ann") == 0
        first, second = ledger.erasures().events
        assert (first.user_id, first.salt) == (second.user_id, second.salt)
        assert ledger.erasures().at("ann") == second.timestamp

    def test_everything_is_read_in_the_order_of_appending(self, ledger: Ledger) -> None:
        """As it was at one moment, whatever is appended while it is read."""
        ledger.append_many(EVENTS)
        reading = ledger.everything()
        lines = [next(reading)]
        ledger.append(replace(LIKE, event_id="later"))
        lines += reading
        assert [line["event_id"] for line in lines] == [event.event_id for event in EVENTS]
        assert (lines[0]["kind"], lines[0]["timestamp"], lines[0]["type"]) == ("feedback", 10.0, "like")

    def test_the_position_grows_with_what_is_stored(self, ledger: Ledger) -> None:
        """Events stored later stand higher."""
        ledger.append(LIKE)
        before = ledger.position()
        ledger.append_many([RATING, COMMENT])
        assert ledger.position() >= before + 2

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"event_id": ""}, "event_id"),
            ({"user_id": "  "}, "user_id"),
            ({"user_id": "a\0b"}, "user_id"),
            ({"user_id": "\ud800"}, "user_id"),
            ({"item_id": ""}, "item_id"),
            ({"item_id": "x" * 513}, "item_id"),
            ({"session_id": ""}, "session_id"),
            ({"item_id": None}, "item_id"),
            ({"timestamp": float("nan")}, "timestamp"),
            ({"timestamp": float("inf")}, "timestamp"),
            ({"rating": 4.0}, "rating"),
            ({"text": "hm"}, "text"),
            ({"retracts": "x"}, "retracts"),
            ({"type": FeedbackType.RATING}, "rating"),
            ({"type": FeedbackType.RATING, "rating": float("nan")}, "finite"),
            ({"type": FeedbackType.COMMENT}, "text"),
            ({"type": FeedbackType.COMMENT, "text": " \n"}, "text"),
            ({"type": FeedbackType.RETRACTION}, "retracts"),
            ({"type": FeedbackType.RETRACTION, "retracts": ""}, "retracts"),
            ({"type": FeedbackType.PREFER}, "no item"),
            ({"type": FeedbackType.TIE, "item_id": None, "impression_id": None}, "impression_id"),
        ],
        ids=str,
    )
    def test_unusable_feedback_is_refused(self, ledger: Ledger, changes: dict[str, Any], says: str) -> None:
        """The message names the field, and nothing is stored."""
        with pytest.raises(DataError, match=says):
            ledger.append(replace(LIKE, **changes))
        assert ledger.counts() == {}

    @pytest.mark.parametrize(
        "event",
        [
            replace(IMPRESSION, latency_s=float("inf")),
            replace(IMPRESSION, candidates=(ScoredCandidate("i1", 0.0, float("nan"), 0.0),)),
            replace(IMPRESSION, turn_id=""),
            replace(IMPRESSION, contest=Contest("c", ("a",), (0, 0))),
            replace(IMPRESSION, contest=Contest("c", ("a", "b"), (0,))),
            replace(IMPRESSION, contest=Contest("c", ("a", "b"), (0, 2))),
            replace(IMPRESSION, contest=Contest("c", ())),
            replace(REPLY, turn_id=""),
            replace(TURN, session_id=""),
            replace(TURN, intent=Intent(IntentKind.REFINE, constraints=(Constraint("n", ">", 1e999, "must"),))),
        ],
        ids=[
            *(
                "latency",
                "interest",
                "impression turn",
                "teams of one",
                "too few teams",
                "three teams",
                "nobody's",
            ),
            *("reply turn", "session", "constraint"),
        ],
    )
    def test_other_unusable_events_are_refused(self, ledger: Ledger, event: Event) -> None:
        """Ids are ids and numbers are finite everywhere."""
        with pytest.raises(DataError, match=r"finite|turn_id|session_id|contest"):
            ledger.append(event)
        assert ledger.counts() == {}

    def test_many_threads_store_every_event_once(self, ledger: Ledger) -> None:
        """Sixteen writers of overlapping events: each event is new for exactly one of them."""
        events = [replace(LIKE, event_id=f"like-{n}", timestamp=float(n)) for n in range(40)]
        with ThreadPoolExecutor(16) as threads:
            stored = sum(threads.map(ledger.append, events * 4))
        assert stored == len(events)
        assert ledger.feedback() == tuple(events)
