import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from convrec.errors import DataError, EvaluationError
from convrec.evaluation.base import Case, Judgement, Task
from convrec.evaluation.datasets.base import Dataset
from convrec.evaluation.plot import plot_report
from convrec.evaluation.protocols import leave_one_out, like_dislike, time_sliced
from convrec.evaluation.report import Report, make_report, report_table, write_report
from convrec.evaluation.rows import RowsFile, read_rows_file
from convrec.evaluation.run import RunConfig, SystemRun, evaluate, fingerprint
from convrec.progress import silent
from convrec.types import FeedbackType


@dataclass
class Successor:
    """Recommends what follows the last item, with `noise` of the cases turned round; counts what it is asked."""

    name: str = "successor"
    settings: str = "plain"
    stochastic: bool = False
    noise: float = 0.0
    die_after: int = 10**9
    fits: int = 0
    asked: list[str] = field(default_factory=list)
    wrong: str = ""
    scores: Sequence[float] | None = None

    def fit(self, task: Task, seed: int, progress: object) -> "Successor":
        self.fits += 1
        self._items, self._random = task.catalogue.ids, np.random.default_rng(seed)
        return self

    def recommend(self, case: Case, k: int) -> Sequence[str]:
        if len(self.asked) >= self.die_after:
            raise KeyboardInterrupt
        self.asked.append(case.case_id)
        last = self._items.index(case.query.history[-1].item_id)
        order = [self._items[(last + 1 + n) % len(self._items)] for n in range(len(self._items))]
        order = [item_id for item_id in order if item_id not in case.query.exclude]
        if self._random.random() < self.noise:
            order.reverse()
        if self.wrong == "excluded":
            order[0] = next(iter(case.query.exclude))
        if self.wrong == "twice":
            order[1] = order[0]
        return order[:k]

    def score(self, judgement: Judgement) -> Sequence[float]:
        return self.scores or [float(self._items.index(item_id)) for item_id in judgement.item_ids]

    def close(self) -> None:
        pass


@pytest.fixture
def task(walks: Dataset) -> Task:
    return leave_one_out(walks, "test")


def report_of(tasks: Sequence[Task], runs: Sequence[SystemRun]) -> Report:
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    return make_report("walks", tasks, runs, 3, "convrec evaluate ...", (1, 10), vectors)


class TestRun:
    def test_ranks_are_those_of_the_lists(self, task: Task, tmp_path: Path) -> None:
        (run,) = evaluate([task], [Successor()], RunConfig(tmp_path, depth=7), silent)
        assert [row["ranks"] for row in run.ranks] == [[1]] * 40
        header, rows = read_rows_file(tmp_path / "ranks" / "successor-0.jsonl")
        assert (header["system"], header["depth"]) == ("successor", 7)
        assert rows == list(run.ranks)
        assert rows[0]["top"][0] == rows[0]["targets"][0]
        assert len(rows[0]["top"]) == 7
        assert run.fit_s >= 0
        assert run.case_ms >= 0

    def test_a_rank_beyond_the_depth_is_null(self, task: Task, tmp_path: Path) -> None:
        (run,) = evaluate([task], [Successor(noise=1.0)], RunConfig(tmp_path, depth=3), silent)
        assert {row["ranks"][0] for row in run.ranks} == {None}
        assert report_of([task], [run]).systems[0].metrics["recall@10"].mean == 0.0

    def test_a_finished_run_is_not_run_again(self, task: Task, tmp_path: Path) -> None:
        first = evaluate([task], [Successor()], RunConfig(tmp_path), silent)
        again = Successor()
        second = evaluate([task], [again], RunConfig(tmp_path), silent)
        assert again.fits == 0
        assert list(first[0].ranks) == list(second[0].ranks)
        assert (second[0].fit_s, second[0].case_ms) == (first[0].fit_s, first[0].case_ms)

    def test_times_are_those_of_every_case(self, task: Task, tmp_path: Path) -> None:
        (run,) = evaluate([task], [Successor()], RunConfig(tmp_path), silent)
        _, (row,) = read_rows_file(tmp_path / "ranks" / "successor-0.times")
        assert len(row["case_ms"]) == len(task.cases)
        assert run.case_ms == np.median(row["case_ms"])
        assert run.fit_s == row["fit_s"]

    def test_a_killed_run_goes_on_where_it_was(self, task: Task, tmp_path: Path) -> None:
        whole = evaluate([task], [Successor()], RunConfig(tmp_path / "whole"), silent)
        with pytest.raises(KeyboardInterrupt):
            evaluate([task], [Successor(die_after=15)], RunConfig(tmp_path / "killed"), silent)
        file = tmp_path / "killed" / "ranks" / "successor-0.jsonl"
        with file.open("a") as stream:
            stream.write('{"case": "torn')
        rest = Successor()
        resumed = evaluate([task], [rest], RunConfig(tmp_path / "killed"), silent)
        assert len(rest.asked) == 25
        assert list(resumed[0].ranks) == list(whole[0].ranks)

    def test_another_run_in_the_same_folder_is_refused(self, task: Task, walks: Dataset, tmp_path: Path) -> None:
        evaluate([task], [Successor()], RunConfig(tmp_path), silent)
        with pytest.raises(DataError, match=r"another run \(its settings differ\)"):
            evaluate([task], [Successor(settings="other")], RunConfig(tmp_path), silent)
        with pytest.raises(DataError, match="its tasks differ"):
            evaluate([leave_one_out(walks, "valid")], [Successor()], RunConfig(tmp_path), silent)

    def test_a_fingerprint_sees_whatever_a_system_is_given_or_asked(self, walks: Dataset) -> None:
        task = leave_one_out(walks, "test")
        case, event = task.cases[0], task.train[0]
        query, entry = case.query, case.query.history[0]
        fewer = replace(query, exclude=query.exclude - {entry.item_id})
        other_events = [
            replace(event, type=FeedbackType.LIKE),
            replace(event, rating=1.5),
            replace(event, timestamp=1.5),
        ]
        other_cases = [
            replace(case, unit="another"),
            replace(case, targets=("i00",)),
            replace(case, events=case.events[1:]),
            replace(case, query=fewer),
            replace(case, query=replace(query, text="another")),
            replace(case, query=replace(query, seeds={"i00": 1.0})),
            replace(case, query=replace(query, now=1.5)),
            replace(case, query=replace(query, history=query.history[1:])),
            replace(case, query=replace(query, history=(replace(entry, signal=-1.0), *query.history[1:]))),
        ]
        tasks = [task, replace(task, name="another"), replace(task, examples=(case,))]
        tasks += [replace(task, train=(other, *task.train[1:])) for other in other_events]
        tasks += [replace(task, cases=(other, *task.cases[1:])) for other in other_cases]
        judged = like_dislike(walks)
        first = judged.judgements[0]
        masked = replace(first, query=replace(first.query, exclude=frozenset()))
        tasks += [judged, replace(judged, judgements=(masked, *judged.judgements[1:]))]
        assert len({fingerprint(each) for each in tasks}) == len(tasks)
        assert fingerprint(leave_one_out(walks, "test")) == fingerprint(task)

    @pytest.mark.parametrize("scores", [[1.0], [float("nan")] * 3, [float("inf")] * 3])
    def test_scores_that_are_not_sound_stop_the_run(
        self, walks: Dataset, tmp_path: Path, scores: list[float]
    ) -> None:
        task = like_dislike(walks)
        assert len(task.judgements[0].item_ids) == 3
        with pytest.raises(EvaluationError, match="successor gave"):
            evaluate([task], [Successor(scores=scores)], RunConfig(tmp_path), silent)
        assert read_rows_file(tmp_path / "scores" / "successor-0.jsonl")[1] == []

    @pytest.mark.parametrize("wrong", ["excluded", "twice"])
    def test_a_list_that_is_not_sound_stops_the_run(self, task: Task, tmp_path: Path, wrong: str) -> None:
        with pytest.raises(EvaluationError, match="successor ranked"):
            evaluate([task], [Successor(wrong=wrong)], RunConfig(tmp_path), silent)

    def test_random_systems_run_once_per_seed(self, task: Task, tmp_path: Path) -> None:
        random = Successor("random", stochastic=True, noise=0.5)
        runs = evaluate([task], [Successor(), random], RunConfig(tmp_path, seeds=3), silent)
        assert [(run.name, run.seed) for run in runs] == [
            ("successor", 0),
            ("random", 0),
            ("random", 1),
            ("random", 2),
        ]

    def test_every_slice_is_fitted_once(self, walks: Dataset, tmp_path: Path) -> None:
        tasks = time_sliced(walks, slices=4)
        system = Successor()
        (run,) = evaluate(tasks, [system], RunConfig(tmp_path), silent)
        assert system.fits == 3
        assert len(run.ranks) == sum(len(task.cases) for task in tasks)


class TestReport:
    def test_figures_are_means_over_seeds_with_intervals(self, task: Task, tmp_path: Path) -> None:
        random = Successor("random", stochastic=True, noise=0.5)
        runs = evaluate([task], [random, Successor()], RunConfig(tmp_path, seeds=3), silent)
        report = report_of([task], runs)
        assert [system.name for system in report.systems] == ["successor", "random"]
        best, other = report.systems
        assert best.metrics["ndcg@10"].mean == 1.0
        hits = [[row["ranks"][0] == 1 for row in run.ranks] for run in runs[:3]]
        assert other.metrics["recall@1"].mean == pytest.approx(np.mean(hits))
        assert other.metrics["recall@1"].low < other.metrics["recall@1"].mean < other.metrics["recall@1"].high
        assert (other.seeds, best.seeds) == (3, 1)
        assert 0 < other.metrics["catalogue_coverage@10"].mean <= 1
        pair = next(p for p in report.pairs if p.metric == "ndcg@10")
        assert (pair.a, pair.b) == ("successor", "random")
        assert pair.difference.low > 0

    def test_the_file_holds_it_all(self, task: Task, tmp_path: Path) -> None:
        runs = evaluate([task], [Successor(), Successor("other", noise=0.3)], RunConfig(tmp_path), silent)
        write_report(report_of([task], runs), tmp_path / "report.json")
        told = json.loads((tmp_path / "report.json").read_text())
        assert {"dataset": "walks", "protocol": "leave-one-out/test", "seeds": 3}.items() <= told.items()
        assert (told["cases"], told["targets"], told["units"]) == (40, 40, 40)
        system = told["systems"][0]
        assert set(system["metrics"]["ndcg@10"]) == {"mean", "low", "high"}
        assert {pair["metric"] for pair in told["pairs"]} == {"ndcg@10", "recall@10", "mrr@10"}

    def test_opinions_are_judged_by_auc(self, walks: Dataset, tmp_path: Path) -> None:
        task = like_dislike(walks)
        runs = evaluate([task], [Successor()], RunConfig(tmp_path), silent)
        report = report_of([task], runs)
        assert 0 <= report.systems[0].metrics["auc"].mean <= 1
        assert report.units == len(task.judgements)
        assert "AUC" in [column.header for column in report_table(report).columns]

    def test_the_table_fits_a_terminal_and_the_plot_is_a_picture(self, task: Task, tmp_path: Path) -> None:
        from rich.console import Console

        runs = evaluate([task], [Successor(), Successor("recency-ease", noise=0.3)], RunConfig(tmp_path), silent)
        report = report_of([task], runs)
        console = Console(width=80, record=True, file=io.StringIO())
        console.print(report_table(report))
        text = console.export_text()
        assert "recency-ease" in text
        assert "…" not in text
        plot_report(replace(report, dataset="a data set"), tmp_path / "plot.png")
        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_of_results_that_is_damaged_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = RowsFile(file, {"a": 1})
    rows.append({"x": 1})
    rows.close()
    file.write_text(file.read_text() + "nonsense\n")
    with pytest.raises(DataError, match="line 3 is damaged"):
        RowsFile(file, {"a": 1})
    file.write_text("")
    with pytest.raises(DataError, match="no header"):
        read_rows_file(file)
    assert list(RowsFile(file, {"a": 1}).rows()) == []
