from convrec.testing.recommender import wine_list
from convrec.training.opinions import expressed, opinion_groups
from convrec.types import Candidate, FeedbackEvent, FeedbackType, RetrievalQuery

CATALOGUE = wine_list()


def rated(*ratings: float, user: str = "u") -> list[FeedbackEvent]:
    return [
        FeedbackEvent(f"{user}-{n}", user, FeedbackType.RATING, float(n), CATALOGUE.ids[n], rating)
        for n, rating in enumerate(ratings)
    ]


class Scores:
    """Scores by the number in the item_id; what it was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[RetrievalQuery] = []

    def retrieve(self, query: RetrievalQuery, k: int) -> list[Candidate]:
        raise NotImplementedError

    def assess(self, query: RetrievalQuery, item_ids: tuple[str, ...]) -> list[Candidate]:
        self.asked.append(query)
        return [Candidate(i, float(i[1:]), expected=int(i[1:]) / 100) for i in item_ids]


def test_the_last_opinions_are_cut_into_groups_each_with_what_was_before_it() -> None:
    last, before = opinion_groups(rated(5, 1, 4, 2, 3, 5, 1), CATALOGUE, items=3, groups=2)
    assert last.labels == (0.5, 1.0, 0.0)
    assert [entry.item_id for entry in last.profile.history] == ["w00", "w01", "w02", "w03"]
    assert before.labels == (0.0, 0.75, 0.25)
    assert [entry.item_id for entry in before.profile.history] == ["w00"]


def test_a_group_of_one_mind_and_one_without_history_say_nothing() -> None:
    assert opinion_groups(rated(5, 4, 4, 4), CATALOGUE, items=3, groups=1) == []
    assert opinion_groups(rated(5), CATALOGUE, items=3, groups=1) == []


def test_an_item_of_the_history_is_not_asked_for_again_and_moments_are_kept_to() -> None:
    again = FeedbackEvent("again", "u", FeedbackType.RATING, 9.0, "w00", 1.0)
    (group,) = opinion_groups([*rated(5, 1, 4), again], CATALOGUE, items=3, groups=1)
    assert [event.item_id for event in group.events] == ["w01", "w02"]
    (late,) = opinion_groups(rated(5, 1, 4, 2), CATALOGUE, items=3, groups=1, since=2.0)
    assert [event.item_id for event in late.events] == ["w02", "w03"]


def test_they_become_examples_with_the_retrievers_scores() -> None:
    eyes = Scores()
    (example,) = expressed(opinion_groups(rated(5, 1, 4, 2), CATALOGUE, items=2, groups=1), eyes)
    assert example.item_ids == ("w02", "w03")
    assert example.retrieval == (2.0, 3.0)
    assert example.expected == (0.02, 0.03)
    assert example.labels == (0.75, 0.25)
    assert example.event_ids == ("u-2", "u-3")
    assert [entry.item_id for entry in eyes.asked[0].history] == ["w00", "w01"]
