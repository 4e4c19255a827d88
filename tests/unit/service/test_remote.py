from collections.abc import Iterator
from pathlib import Path

import pytest

from convrec.database import open_database
from convrec.errors import ConvRecError
from convrec.service.api import create_app
from convrec.service.gate import Access
from convrec.service.keys import KeyStore, Scope
from convrec.service.remote import Remote
from convrec.service.slot import RecommenderSlot, ServerInfo
from convrec.service.views import SlateView
from convrec.testing.engine import FakeEngine
from convrec.testing.recommender import small_recommender
from convrec.testing.server import serving

PROMPTS = Path(__file__).parents[3] / "prompts"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyStore]:
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('keys') / 'keys.db'}")
    yield KeyStore(database)
    database.dispose()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, keys: KeyStore) -> Iterator[str]:
    with small_recommender(tmp_path_factory.mktemp("remote"), PROMPTS, FakeEngine()) as small:
        access = Access(keys, small.ledger.session_owner)
        app = create_app(RecommenderSlot(small), info=ServerInfo("fake-lm", "0", 0.0), access=access)
        with serving(app) as url:
            yield url


def test_a_command_presents_its_key(url: str, keys: KeyStore) -> None:
    _, secret = keys.create([Scope.CHAT], ["ann"])
    remote = Remote(url, secret)
    assert len(remote.recommend("ann", 3, "a Syrah").recommendations) == 3
    slate, *prose = remote.chat("ann", "ses-remote", "a Syrah")
    assert isinstance(slate, SlateView)
    assert prose


def test_a_command_without_a_good_key_says_where_it_goes(url: str, keys: KeyStore) -> None:
    _, secret = keys.create([Scope.CHAT], ["ann"])
    for remote in (Remote(url), Remote(url, "convrec-wrong"), Remote(url, secret)):
        with pytest.raises(ConvRecError, match="CONVREC_API_KEY"):
            remote.recommend("bob", 3, "")
        with pytest.raises(ConvRecError, match="CONVREC_API_KEY"):
            next(remote.chat("bob", "ses-b", "hi"))
