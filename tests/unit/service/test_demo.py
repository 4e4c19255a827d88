import io
from pathlib import Path

import pytest
from rich.console import Console

from convrec.console import ConsoleSteps
from convrec.data.sources import MovieLens
from convrec.service import demo
from convrec.service.build import Workshop
from convrec.service.demo import prepare_demo
from convrec.settings import Settings
from convrec.testing.adapters import publish_adapter


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    catalogue, interactions = tmp_path / "catalogue.csv", tmp_path / "interactions.csv"
    catalogue.write_text("item_id,title\n1,Alien\n2,Heat\n")
    interactions.write_text("user_id,item_id,rating,timestamp\nu,1,4,1\nu,2,5,2\n")
    fetched = MovieLens(catalogue, interactions, "terms", first_time=False)
    monkeypatch.setattr(demo, "fetch_movielens", lambda *_: fetched)
    return Workshop(
        Settings(data_dir=tmp_path, adapters_dir=tmp_path / "adapters", model="somewhere", embedder="elsewhere")
    )


def steps() -> ConsoleSteps:
    return ConsoleSteps(Console(file=io.StringIO()))


def test_the_demo_is_ingested_once(workshop: Workshop) -> None:
    prepare_demo(workshop, steps())
    position = workshop.ledger.position()
    assert (len(workshop.catalogue()), position) == (2, 2)
    prepare_demo(workshop, steps())
    assert workshop.ledger.position() == position
    assert not (workshop.settings.data_dir / "demo.ingesting").exists()


def test_a_first_ingestion_that_was_killed_is_completed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = demo.ingest

    def killed(store, ledger, domain, catalogue, interactions, progress):  # type: ignore[no-untyped-def]
        ingest(store, ledger, domain, catalogue, None, progress)
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "ingest", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare_demo(workshop, steps())
    monkeypatch.setattr(demo, "ingest", ingest)
    prepare_demo(workshop, steps())
    assert workshop.ledger.position() == 2


def test_an_operators_own_catalogue_is_left_alone(workshop: Workshop, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("item_id,title\nx,Mine\n")
    events = tmp_path / "own-events.csv"
    events.write_text("user_id,item_id,rating\nu,x,3\n")
    domain = demo.load_domain(workshop.settings.prompts_dir, "generic")
    demo.ingest(workshop.store, workshop.ledger, domain, own, events)
    prepare_demo(workshop, steps())
    assert workshop.catalogue().ids == ("x",)


def test_the_shipped_adapter_ranks_until_somebody_says_otherwise(workshop: Workshop) -> None:
    fits = {"base_model": "somewhere", "base_hash": "", "prompt": workshop.prompt, "domain": "movies"}
    publish_adapter(workshop.registry, "movielens-100k", **fits)
    publish_adapter(workshop.registry, "movielens-100k", accepted=False, **fits)
    prepare_demo(workshop, steps())
    active = workshop.registry.active()
    assert active is not None
    assert active.label == "movielens-100k/1"
    workshop.registry.rollback()
    prepare_demo(workshop, steps())
    assert workshop.registry.active() is None


def test_a_shipped_adapter_of_another_model_stays_out_and_says_so(workshop: Workshop) -> None:
    publish_adapter(workshop.registry, "movielens-100k", prompt=workshop.prompt, domain="movies")
    told = io.StringIO()
    prepare_demo(workshop, ConsoleSteps(Console(file=told, width=300)))
    assert workshop.registry.active() is None
    assert "was trained for fake" in told.getvalue()
