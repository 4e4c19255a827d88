"""What every baseline must do, and that each finds the structure it is made to find."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from convrec.errors import DataError
from convrec.evaluation.base import Case, FittedSystem, Judgement, System, Task
from convrec.evaluation.baselines.factors import AlsSystem, BprSystem
from convrec.evaluation.baselines.linear import EaseSystem, ItemKnnSystem
from convrec.evaluation.baselines.popularity import PopularitySystem
from convrec.evaluation.baselines.sasrec import SasrecConfig, SasrecSystem
from convrec.evaluation.datasets.base import Dataset
from convrec.evaluation.protocols import conversation, leave_one_out
from convrec.progress import silent
from convrec.types import HistoryEntry, RetrievalQuery

SMALL_SASREC = SasrecConfig(
    factors=32, length=12, batch=16, epochs=60, patience=60, dropout=0.1, learning_rate=3e-3
)
SYSTEMS: dict[str, System] = {
    "popularity": PopularitySystem(),
    "item-knn": ItemKnnSystem(neighbours=5),
    "ease": EaseSystem(5.0),
    "recency-ease": EaseSystem(5.0, decay=0.5),
    "als": AlsSystem(factors=8, regularisation=0.1),
    "bpr": BprSystem(factors=8),
    "sasrec": SasrecSystem(SMALL_SASREC),
}


@pytest.fixture(scope="module")
def task(walks: Dataset) -> Task:
    return leave_one_out(walks, "test")


@pytest.fixture(scope="module", params=SYSTEMS)
def fitted(request: pytest.FixtureRequest, task: Task) -> Iterator[tuple[str, FittedSystem]]:
    system = SYSTEMS[request.param]
    assert system.name == request.param
    assert system.settings
    found = system.fit(task, 0, silent)
    yield request.param, found
    found.close()


def rank(fitted: FittedSystem, case: Case) -> int:
    return list(fitted.recommend(case, 30)).index(case.targets[0]) + 1


def test_lists_are_sound(fitted: tuple[str, FittedSystem], task: Task) -> None:
    for case in task.cases[:5]:
        found = list(fitted[1].recommend(case, 30))
        assert len(found) == len(set(found)) == 30 - len(case.query.exclude)
        assert not set(found) & case.query.exclude
        assert set(found) <= set(task.catalogue)
        assert list(fitted[1].recommend(case, 4)) == found[:4]


def test_a_stranger_gets_what_is_popular_and_ties_go_by_item_id(
    fitted: tuple[str, FittedSystem], task: Task
) -> None:
    counts = dict.fromkeys(task.catalogue.ids, 0)
    for event in task.train:
        counts[event.item_id or ""] += 1
    expected = sorted(task.catalogue.ids, key=lambda item_id: (-counts[item_id], item_id))
    unknown = RetrievalQuery(history=(HistoryEntry("no such item", 1.0, 0.0),))
    for query in (RetrievalQuery(), unknown):
        assert list(fitted[1].recommend(Case("c", "x", query, ("i00",)), 30)) == expected


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_item_that_nobody_has_says_nothing_of_a_person(name: str, task: Task) -> None:
    train = tuple(event for event in task.train if event.item_id != "i13")
    system = SasrecSystem(replace(SMALL_SASREC, epochs=2)) if name == "sasrec" else SYSTEMS[name]
    fitted = system.fit(replace(task, train=train), 0, silent)
    new, old = HistoryEntry("i13", 1.0, 1.0), HistoryEntry("i05", 1.0, 0.0)

    def ranked(*history: HistoryEntry) -> list[str]:
        return list(fitted.recommend(Case("c", "x", RetrievalQuery(history=history), ("i00",)), 30))

    assert ranked(new) == ranked()
    assert ranked(old, new) == ranked(old)


def test_scores_agree_with_lists(fitted: tuple[str, FittedSystem], task: Task) -> None:
    case = task.cases[3]
    found = list(fitted[1].recommend(case, 30))
    scores = fitted[1].score(Judgement("u", case.query, tuple(found), (True,) * len(found)))
    assert list(scores) == sorted(scores, reverse=True)


def test_what_is_learned_beats_popularity(fitted: tuple[str, FittedSystem], task: Task) -> None:
    name, system = fitted
    mean = np.mean([rank(system, case) for case in task.cases])
    chance = np.mean([rank(PopularitySystem().fit(task, 0, silent), case) for case in task.cases])
    if name == "popularity":
        assert mean == chance
    else:
        assert mean < 0.8 * chance


@pytest.mark.parametrize("name", ["als", "bpr", "sasrec"])
def test_a_seed_makes_it_repeatable(name: str, task: Task) -> None:
    system, case = SYSTEMS[name], task.cases[1]
    judgement = Judgement("u", case.query, task.catalogue.ids, (True,) * 30)
    once, again = (list(system.fit(task, 1, silent).score(judgement)) for _ in range(2))
    assert once == again
    assert system.stochastic
    assert once != list(system.fit(task, 2, silent).score(judgement))


def test_sasrec_learns_an_order(task: Task) -> None:
    fitted = SYSTEMS["sasrec"].fit(task, 0, silent)
    assert np.mean([rank(fitted, case) <= 2 for case in task.cases]) > 0.8


def test_what_was_named_in_a_conversation_counts_as_history(talks: Dataset) -> None:
    task = conversation(talks, "test")
    found = EaseSystem(1.0).fit(task, 0, silent).recommend(task.cases[0], 2)
    # Two conversations each have them beside i03, which was named; i01 and i05 have one.
    assert set(found) == {"i02", "i04"}


def test_sasrec_writes_nothing_warns_of_nothing_and_leaves_the_process_as_it_was(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SasrecSystem(SasrecConfig(factors=8, length=5, epochs=1)).fit(task, 0, silent)
    assert not list(tmp_path.iterdir())
    assert not torch.are_deterministic_algorithms_enabled()


def test_sasrec_says_what_it_lacks(task: Task) -> None:
    users: dict[str, int] = {}
    train = []
    for event in task.train:
        users[event.user_id] = users.get(event.user_id, 0) + 1
        if users[event.user_id] <= 2:
            train.append(event)
    with pytest.raises(DataError, match="three"):
        SYSTEMS["sasrec"].fit(replace(task, train=tuple(train)), 0, silent)
