"""The embedded model with the shipped adapter hears what rules have no words for, in time, beside the ranker."""

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue, read_items
from convrec.dialogue.understanding import Understanding
from convrec.engine.transformers import TransformersEngine
from convrec.prompting import load_domain
from convrec.service.build import READS, Workshop
from convrec.settings import Settings
from convrec.types import IntentKind, Item, Polarity, SessionState

pytestmark = pytest.mark.model

# None is word for word a template or a labelled message; rules alone are wrong about each.
HEARD = {
    "anyone know how to get candle wax off a table": (IntentKind.OUT_OF_SCOPE, {}),
    "heat had us glued to the screen from start to end": (IntentKind.FEEDBACK, {"Heat": Polarity.LIKED}),
    "Fargo put my whole family in a foul mood, what a drag": (IntentKind.FEEDBACK, {"Fargo": Polarity.DISLIKED}),
}
LONG = (
    "I adored Alien, Heat, Fargo, Speed, Casino and Babe, loathed Evita and Twister, so a thriller, no war, please"
)


@pytest.fixture(scope="module")
def workshop(demo_data_dir: Path, tmp_path_factory) -> Workshop:
    folder = tmp_path_factory.mktemp("adapters") / "adapters"
    shutil.copytree(Settings().adapters_dir, folder)
    return Workshop(Settings(data_dir=demo_data_dir, adapters_dir=folder, engine="transformers"))


@pytest.fixture(scope="module")
def films(demo_data_dir: Path) -> Catalogue:
    items = read_items(demo_data_dir / "movielens-100k" / "catalogue.csv")
    return Catalogue((i for i in items if isinstance(i, Item)), load_domain(Settings().prompts_dir, "movies"))


def test_it_hears_in_time_and_beside_the_rankers_adapter(workshop: Workshop, films: Catalogue) -> None:
    rules = Understanding(films)
    heard: dict[str, tuple[IntentKind, dict[str, Polarity]]] = {}

    async def hear() -> float:
        engine = TransformersEngine(workshop.model)
        await engine.start()
        try:
            ranker = next(v for v in workshop.registry.versions() if v.manifest.name != READS)
            await engine.load_adapter(ranker.ref)
            listener = workshop.listener(films, engine)
            for message in HEARD:
                intent = await listener.understand(message, SessionState())
                heard[message] = (intent.kind, {m.title: m.polarity for m in intent.mentions})
            started = time.perf_counter()
            await listener.understand(LONG, SessionState())
            took = time.perf_counter() - started
            labels = workshop.interest(engine, films)
            await labels.probe()  # the ranker's prompt is scored as before
            return took
        finally:
            await engine.close()

    took = asyncio.run(hear())
    for message, expected in HEARD.items():
        intent = rules.understand(message, SessionState())
        assert (intent.kind, {m.title: m.polarity for m in intent.mentions}) != expected
    assert heard == HEARD
    assert took < 6  # 1.5 s is for an idle machine
