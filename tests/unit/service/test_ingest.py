import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convrec.data.catalogue import CatalogueStore
from convrec.data.sources import fetch_movielens
from convrec.data.tables import RowError
from convrec.database import open_database
from convrec.errors import DataError
from convrec.ledger.ledger import Ledger
from convrec.service.ingest import IngestReport, ingest
from convrec.types import Domain, Facet, FacetType

DOMAIN = Domain(
    name="things",
    noun="thing",
    plural="things",
    verb="try",
    past="tried",
    shown=("colour",),
    facets=(Facet("colour", FacetType.SET),),
    rating_scale=(1, 5),
)


class Place:
    """A store and a ledger in one database, and a folder to write files in."""

    def __init__(self, folder: Path) -> None:
        database = open_database(f"sqlite:///{folder / 'ledger.db'}")
        self.folder = folder
        self.store = CatalogueStore(database)
        self.ledger = Ledger(database)
        self.told: list[tuple[float, str]] = []

    def file(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content)
        return path

    def ingest(self, catalogue: Path | None, interactions: Path | None) -> IngestReport:
        def tell(fraction: float, what: str) -> None:
            self.told.append((fraction, what))

        return ingest(self.store, self.ledger, DOMAIN, catalogue, interactions, tell)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


CATALOGUE = "item_id,title,colour\n1,Lamp,red\n2,Desk,\n,Nothing,\n"


def test_both_files_are_read_and_bad_rows_counted(place: Place) -> None:
    catalogue = place.file("c.csv", CATALOGUE)
    interactions = place.file("i.csv", "user_id,item_id,rating\nu,1,5\nu,2,9\nu,3,1\nv,2,4\n")
    report = place.ingest(catalogue, interactions)
    assert report == IngestReport(
        items_read=2,
        items_changed=2,
        interactions_read=2,
        interactions_new=2,
        error_count=3,
        errors=(
            RowError(4, "item_id is empty", "c.csv"),
            RowError(3, "rating 9 is not within 1 to 5, the scale of 'things'", "i.csv"),
            RowError(4, "item '3' is not in the catalogue", "i.csv"),
        ),
    )
    assert place.store.domain_name == "things"
    assert place.store.load(DOMAIN)["1"].attributes == {"colour": "red"}
    assert [(event.user_id, event.item_id, event.rating) for event in place.ledger.feedback()] == [
        ("u", "1", 5.0),
        ("v", "2", 4.0),
    ]


def test_again_adds_nothing_and_more_adds_more(place: Place) -> None:
    catalogue = place.file("c.csv", CATALOGUE)
    interactions = place.file("i.csv", "user_id,item_id,rating\nu,1,5\n")
    place.ingest(catalogue, interactions)
    report = place.ingest(catalogue, interactions)
    assert (report.items_changed, report.interactions_read, report.interactions_new) == (0, 1, 0)
    # Items of an earlier ingestion are known; the file may now be another format.
    more = place.file("i.jsonl", '{"user_id":"u","item_id":1,"rating":5}\n{"user_id":"u","item_id":2,"rating":5}')
    report = place.ingest(None, more)
    assert (report.items_read, report.interactions_read, report.interactions_new) == (0, 2, 1)


def test_rows_whose_event_id_is_another_event_s_are_errors(place: Place) -> None:
    catalogue = place.file("c.csv", CATALOGUE)
    place.ingest(catalogue, place.file("a.csv", "user_id,item_id,rating,event_id\nu,1,5,taken\n"))
    lines = [f"u{n},1,3,e{n}" for n in range(2, 5_200)]
    lines[98] = "u,1,4,taken"  # line 100
    lines[198] = "u,1,5,taken"  # line 200: the stored event itself
    lines[298] = "u,2,3,e20"  # line 300: taken within this file
    report = place.ingest(None, place.file("b.csv", "user_id,item_id,rating,event_id\n" + "\n".join(lines)))
    assert [(error.line, error.file) for error in report.errors] == [(100, "b.csv"), (300, "b.csv")]
    assert "'taken'" in report.errors[0].reason
    assert (report.error_count, report.interactions_read) == (2, 5_196)
    assert report.interactions_new == 5_195
    assert len(place.ledger.feedback()) == 5_196


def test_errors_are_counted_beyond_those_kept(place: Place) -> None:
    catalogue = place.file("c.csv", "item_id,title\n1,A\n" + ",x\n" * 1_500)
    report = place.ingest(catalogue, None)
    assert (report.items_read, report.error_count, len(report.errors)) == (1, 1_500, 1_000)


def test_progress_follows_the_batches(place: Place) -> None:
    place.ingest(place.file("c.csv", "item_id,title\n" + "".join(f"{n},T\n" for n in range(12_000))), None)
    assert [what for _, what in place.told] == ["5,000 items", "10,000 items", "12,000 items"]
    fractions = [fraction for fraction, _ in place.told]
    assert fractions == sorted(fractions)
    assert 0.4 < fractions[0] < 0.45
    assert 0.99 < fractions[-1] <= 1.0


def test_it_says_what_is_missing(place: Place) -> None:
    with pytest.raises(DataError, match="nothing to ingest"):
        place.ingest(None, None)
    with pytest.raises(DataError, match="ingest the catalogue first"):
        place.ingest(None, place.file("i.csv", "user_id,item_id,rating\nu,1,5\n"))
    with pytest.raises(DataError, match="cannot read"):
        place.ingest(place.folder / "none.csv", None)
    assert place.store.domain_name is None


PROGRAM = """
import sys
from pathlib import Path
from convrec.data.catalogue import CatalogueStore
from convrec.database import open_database
from convrec.ledger.ledger import Ledger
from convrec.service.ingest import ingest
from convrec.types import Domain

folder = Path(sys.argv[1])
database = open_database(f"sqlite:///{folder / 'ledger.db'}")
domain = Domain("things", "thing", "things", "try", "tried", (), (), (1, 5))
ingest(CatalogueStore(database), Ledger(database), domain, folder / "c.csv", folder / "i.csv",
       lambda _fraction, what: print(what, flush=True))
"""


def test_killed_at_any_time_it_keeps_what_it_told_and_completes_when_run_again(place: Place) -> None:
    catalogue = place.file("c.csv", "item_id,title\n1,A\n")
    ratings = "".join(f"u{n},1,{n % 5 + 1}\n" for n in range(60_000))
    interactions = place.file("i.csv", "user_id,item_id,rating\n" + ratings)
    stored = 0
    for told in (2, 3):
        command = [sys.executable, "-c", PROGRAM, str(place.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(told)]
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        acknowledged = int(lines[-1].split()[0].replace(",", ""))
        stored = len(place.ledger.feedback())
        assert 5_000 <= acknowledged <= stored < 60_000
    report = place.ingest(catalogue, interactions)
    assert report.interactions_new == 60_000 - stored
    assert len(place.ledger.feedback()) == 60_000


@pytest.mark.model
def test_movielens_is_ingested_whole_in_its_order_and_quickly(place: Place, demo_data_dir: Path) -> None:
    movielens = fetch_movielens(demo_data_dir)
    started = time.monotonic()
    report = place.ingest(movielens.catalogue_file, movielens.interactions_file)
    assert time.monotonic() - started < 15
    assert (report.items_changed, report.interactions_new, report.error_count) == (1_682, 100_000, 0)
    assert len(place.ledger.feedback("196")) == 39
