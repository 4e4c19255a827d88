import json
from dataclasses import replace
from pathlib import Path

import polars
import pytest
from typer.testing import CliRunner

from convrec import cli
from convrec.errors import ConvRecError
from convrec.service.build import Workshop
from convrec.settings import load_settings
from convrec.testing.adapters import publish_adapter
from convrec.testing.engine import FakeEngine
from convrec.testing.retriever import HashEmbedder
from convrec.training.registry import Registry
from convrec.types import FeedbackEvent, FeedbackType, ImpressionEvent

ITEMS = "item_id,title,colour\nlamp,Lamp,red|blue\nchair,Chair,red\n,Nameless,red\nlamp,Again,red\n"
EVENTS = "user_id,item_id,rating\nann,lamp,5\nann,chair,9\nbob,sofa,3\nbob,chair,2\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "events.csv").write_text(EVENTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, [*arguments])
    if isinstance(result.exception, ConvRecError):
        raise result.exception
    return result.exit_code, result.stdout


def ingest() -> dict:
    code, out = run("ingest", "--catalogue", "items.csv", "--interactions", "events.csv", "--json")
    assert code == 0
    return json.loads(out)


def test_ingest_keeps_good_rows_reports_bad_ones_by_line_and_a_rerun_changes_nothing(folder: Path) -> None:
    report = ingest()
    assert (report["items_changed"], report["interactions_new"], report["error_count"]) == (2, 2, 4)
    assert [(e["file"], e["line"]) for e in report["errors"]] == [
        ("items.csv", 4),
        ("items.csv", 5),
        ("events.csv", 3),
        ("events.csv", 4),
    ]
    again = ingest()
    assert (again["items_changed"], again["interactions_new"], again["error_count"]) == (0, 0, 4)


def test_ingesting_nothing_usable_asks_for_attention(folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,title\n,Nameless\n")
    code, _ = run("ingest", "--catalogue", "items.csv")
    assert code == 3


def test_a_missing_file_is_one_clear_line(folder: Path) -> None:
    with pytest.raises(ConvRecError, match=r"nowhere\.csv"):
        run("ingest", "--catalogue", "nowhere.csv")


def test_feedback_with_the_same_id_is_stored_once(folder: Path) -> None:
    ingest()
    event = ("feedback", "--user", "ann", "--item", "chair", "--type", "dislike", "--event-id", "e1", "--json")
    assert json.loads(run(*event)[1]) == {"event_id": "e1", "stored": True}
    assert json.loads(run(*event)[1]) == {"event_id": "e1", "stored": False}


def test_feedback_on_an_unknown_item_says_so(folder: Path) -> None:
    ingest()
    with pytest.raises(ConvRecError, match="sofa"):
        run("feedback", "--user", "ann", "--item", "sofa", "--type", "like")


def test_messages_are_understood_on_the_ingested_catalogue(folder: Path) -> None:
    ingest()
    code, out = run("understand", "I loved the Lamp", "three nice things", "--json")
    assert code == 0
    feedback, wish = map(json.loads, out.splitlines())
    assert (feedback["kind"], feedback["mentions"]) == (
        "feedback",
        [{"item_id": "lamp", "title": "Lamp", "polarity": "liked"}],
    )
    assert set(wish) == {"kind", "query", "k", "mentions", "constraints", "references"}


def test_a_conversation_is_understood_turn_by_turn(folder: Path) -> None:
    ingest()
    _, out = run("understand", "something nice", "forget all my filters", "--conversation", "--json")
    assert [json.loads(line)["kind"] for line in out.splitlines()] == ["recommend", "refine"]


def test_doctor_finds_what_is_missing_and_says_what_to_do(folder: Path) -> None:
    code, out = run("doctor", "--json")
    assert code == 3
    checks = {check["name"]: check for check in json.loads(out)}
    assert checks["catalogue"]["ok"] is False
    assert "convrec ingest" in checks["catalogue"]["fix"]
    assert checks["ledger"]["ok"] is True
    ingest()
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json")[1])}
    assert checks["catalogue"]["ok"] is True
    assert "convrec index" in checks["index"]["fix"]


def test_recommending_before_there_is_a_model_says_what_to_do(folder: Path) -> None:
    ingest()
    with pytest.raises(ConvRecError, match="convrec demo"):
        run("recommend", "--user", "ann")


@pytest.fixture
def engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """What commands start, once the folder's files are ingested."""
    engine = FakeEngine()

    async def start(*args: object, **kwargs: object) -> FakeEngine:
        return engine

    monkeypatch.setattr("convrec.service.engines.start_engine", start)
    monkeypatch.setattr(Workshop, "embedder", HashEmbedder())
    monkeypatch.setenv("CONVREC_MODEL", "fake")
    monkeypatch.setenv("CONVREC_ADAPTERS_DIR", str(folder / "adapters"))
    ingest()
    return engine


def test_rank_all_writes_everybodys_best_items(folder: Path, engine: FakeEngine) -> None:
    code, out = run("rank-all", "--out", "slates.jsonl", "--k", "1", "--candidates", "5")
    assert (code, out) == (0, "2 users, 2 rows in slates.jsonl\n")
    rows = [json.loads(line) for line in (folder / "slates.jsonl").read_text().splitlines()]
    assert [(row["user_id"], row["item_id"], row["degraded"]) for row in rows] == [
        ("ann", "chair", False),
        ("bob", "lamp", False),
    ]
    assert all(0 < row["interest"] < 1 for row in rows)


def test_rank_all_without_a_language_model_takes_users_from_a_file(
    folder: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONVREC_MODEL")
    (folder / "users.txt").write_text("zoe\nann\n")
    arguments = ("--no-llm", "--users", "users.txt", "--out", "slates.parquet", "--json")
    code, out = run("rank-all", *arguments)
    assert (code, json.loads(out)) == (0, {"users": 2, "rows": 3, "degraded": 0})
    table = polars.read_parquet(folder / "slates.parquet")
    assert table["user_id"].to_list() == ["zoe", "zoe", "ann"]
    assert table["interest"].null_count() == 3


def test_rank_all_says_when_the_language_model_failed(folder: Path, engine: FakeEngine) -> None:
    engine.fail = True
    result = CliRunner().invoke(cli.app, ["rank-all", "--out", "slates.jsonl"])
    assert result.exit_code == 3
    assert "2 users, 2 rows" in result.stdout
    assert "failed for 2 users" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "slates.csv"], "FILE.jsonl or FILE.parquet"),
        (["--out", "slates.jsonl", "--users", "nowhere.txt"], "nowhere.txt"),
        (["--out", "slates.jsonl", "--candidates", "1"], "candidates"),
    ],
)
def test_rank_all_refuses_what_it_cannot_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys, arguments: list[str], said: str
) -> None:
    monkeypatch.setattr("sys.argv", ["convrec", "rank-all", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error


def test_wrong_usage_is_exit_code_2(folder: Path) -> None:
    assert run("recommend")[0] == 2
    assert run("recommend", "--user", "ann", "--k", "0")[0] == 2


def test_an_error_is_one_line_and_exit_code_1(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["convrec", "index"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.strip().startswith("error: there is no catalogue yet")


def test_adapters_are_listed_promoted_rolled_back_and_pruned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVREC_ADAPTERS_DIR", str(folder / "adapters"))
    registry = Registry(folder / "adapters")
    assert run("adapters", "list", "--json") == (0, "[]\n")
    publish_adapter(registry, metrics={"ndcg@10": {"opinions: adapter": {"mean": 0.5}}})
    publish_adapter(registry)
    publish_adapter(registry, accepted=False, reasons=("it may fall",))
    assert "wines/2 is active" in run("adapters", "promote", "wines/2")[1]
    listed = json.loads(run("adapters", "list", "--json")[1])
    assert [(row["name"], row["version"], row["active"], row["verdict"]) for row in listed] == [
        ("wines", 1, False, "accepted"),
        ("wines", 2, True, "accepted"),
        ("wines", 3, False, "rejected"),
    ]
    assert {"base_model", "metrics"} <= listed[0].keys()
    assert "0.5000" in run("adapters", "list")[1]
    assert json.loads(run("adapters", "show", "wines/3")[1])["reasons"] == ["it may fall"]
    with pytest.raises(ConvRecError, match="it may fall"):
        run("adapters", "promote", "wines/3")
    assert "the base model is active" in run("adapters", "rollback")[1]
    assert "removed: wines/1, wines/2" in run("adapters", "prune", "--keep", "1")[1]


def test_a_backup_is_restored_only_into_an_empty_ledger_unless_told(folder: Path) -> None:
    ingest()
    assert "2 events, 2 items" in run("backup", "monday.db")[1]
    with pytest.raises(ConvRecError, match="there already"):
        run("backup", "monday.db")
    with pytest.raises(ConvRecError, match="--replace"):
        run("restore", "monday.db")
    assert "2 events, 2 items restored" in run("restore", "monday.db", "--replace")[1]
    assert json.loads(run("restore", "monday.db", "--data-dir", "other", "--json")[1]) == {"events": 2, "items": 2}
    assert ingest()["interactions_new"] == 0


def test_the_ledger_goes_out_as_lines_and_comes_in_but_for_bad_ones(folder: Path) -> None:
    ingest()
    assert json.loads(run("export", "--out", "ledger.jsonl", "--json")[1]) == {"events": 2}
    assert "2 read, 0 new; bad lines: 0" in run("import", "ledger.jsonl")[1]
    with (folder / "ledger.jsonl").open("a") as stream:
        stream.write("half a l")
    code, out = run("import", "ledger.jsonl", "--data-dir", "other", "--json")
    report = json.loads(out)
    assert (code, report["new"], report["error_count"], report["errors"][0]["line"]) == (3, 2, 1, 3)


def test_erasing_names_the_adapters_and_what_to_do_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVREC_ADAPTERS_DIR", "adapters")
    ingest()
    publish_adapter(Registry(Path("adapters")), data={"events": 2})
    said = run("erase", "--user", "bob", "--yes")[1]
    assert "1 events removed" in said
    assert "wines/1" in said
    assert "convrec retrain" in said
    code, out = run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert code == 3
    assert (checks["erased"]["ok"], checks["erased"]["fix"]) == (False, "convrec retrain")
    assert "wines/1" in checks["erased"]["detail"]
    assert checks["feedback"]["ok"] is True


def test_doctor_counts_what_does_not_train(folder: Path) -> None:
    ingest()
    workshop = Workshop(load_settings())
    now = [FeedbackEvent(f"e{n}", "eve", FeedbackType.CLICK, 1e9 + n / 10, "lamp") for n in range(99)]
    workshop.ledger.append_many([*now, replace(now[0], event_id="x", user_id="ann", impression_id="nowhere")])
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json")[1])}
    assert checks["feedback"]["ok"] is None
    assert "1 not shown, 99 user burst" in checks["feedback"]["detail"]


def test_erasing_asks_first_and_leaves_others(folder: Path) -> None:
    ingest()
    assert CliRunner().invoke(cli.app, ["erase", "--user", "ann"], input="n\n").exit_code == 1
    assert "1 events removed" in run("erase", "--user", "ann", "--yes")[1]
    assert "0 events removed" in run("erase", "--user", "ann", "--yes")[1]
    again = ingest()
    assert again["interactions_new"] == 0, "an old file does not bring them back"
    assert "erased" in json.dumps(again["errors"])


def test_stats_compare_versions(folder: Path) -> None:
    ingest()
    ledger = Workshop(load_settings()).ledger
    for n, (user, adapter) in enumerate([("ann", None), ("bob", None), ("ann", "things@1"), ("bob", "things@1")]):
        shown = ImpressionEvent(
            f"imp-{n}", user, None, None, 1e9 + n, ("lamp",), (), "rank.v1:a", "fake", adapter, False, 0.5
        )
        like = FeedbackEvent(f"like-{n}", user, FeedbackType.LIKE, 1e9 + 9, "lamp", impression_id=shown.event_id)
        ledger.append_many([shown, like] if adapter else [shown])
    code, out = run("stats", "--json")
    stats = json.loads(out)
    assert code == 0
    assert [(of["version"], of["ctr"]["value"]) for of in stats["versions"]] == [("base", 0.0), ("things@1", 1.0)]
    assert stats["comparisons"][0]["ctr"]["value"] == 1.0
    _, text = run("stats", "--since", "2001-09-09")
    assert "more than base" in text
    assert "+100.0" in text
    assert "no slates" in run("stats", "--since", "1")[1]
