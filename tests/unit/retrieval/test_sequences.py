import numpy as np

from convrec.retrieval.sequences import Sequences, read_histories, sequences_of
from convrec.types import FeedbackEvent, FeedbackType

ROW = {item_id: n for n, item_id in enumerate(("low", "clicked", "seen", "disliked", "refused", "taken back"))}


def test_only_interest_that_stands_counts_in_the_order_of_time() -> None:
    kinds = [
        FeedbackEvent("1", "u", FeedbackType.RATING, 9.0, "low", rating=1.0),
        FeedbackEvent("2", "u", FeedbackType.CLICK, 1.0, "clicked"),
        FeedbackEvent("3", "u", FeedbackType.DISLIKE, 2.0, "disliked"),
        FeedbackEvent("4", "u", FeedbackType.NOT_INTERESTED, 2.0, "refused"),
        FeedbackEvent("5", "u", FeedbackType.COMMENT, 2.0, "seen", text="hm"),
        FeedbackEvent("6", "u", FeedbackType.LIKE, 2.0, "taken back"),
        FeedbackEvent("7", "u", FeedbackType.RETRACTION, 2.0, retracts="6"),
        FeedbackEvent("8", "u", FeedbackType.SEEN, 2.0, "seen"),
        FeedbackEvent("9", "mallory", FeedbackType.RETRACTION, 2.0, retracts="8"),
        FeedbackEvent("10", "u", FeedbackType.LIKE, 3.0, "left the catalogue"),
        FeedbackEvent("11", "a", FeedbackType.LIKE, 3.0, "seen"),
    ]
    found = sequences_of(read_histories(kinds, (1.0, 5.0)), ROW)
    assert found.users == 2
    assert found.items_E.tolist() == [ROW["seen"], ROW["clicked"], ROW["seen"], ROW["low"]]
    assert found.user_E.tolist() == [0, 1, 1, 1]
    assert found.times_E.tolist() == [3.0, 1.0, 2.0, 9.0]
    assert found.signals_E.tolist() == [1.0, 0.25, 0.5, 0.5]


def test_the_last_choices_go_where_enough_is_left() -> None:
    whole = Sequences(np.array([0, 5, 8]), np.arange(8), np.arange(8) * 1.0, np.ones(8, np.float32))
    before = whole.before_last(2, keep=3)
    assert before.starts_U1.tolist() == [0, 3, 6]
    assert before.items_E.tolist() == [0, 1, 2, 5, 6, 7]
    assert before.times_E.tolist() == [0.0, 1.0, 2.0, 5.0, 6.0, 7.0]


def test_nobody_chose_anything() -> None:
    nobody = sequences_of(read_histories([], (1.0, 5.0)), ROW)
    assert (nobody.users, len(nobody.items_E)) == (0, 0)
    assert nobody.before_last(5, keep=3).users == 0
