import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convrec.database import open_database
from convrec.errors import DataError, LedgerError, NotFoundError
from convrec.service.keys import EVERYBODY, ApiKey, KeyStore, Scope


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return _store(tmp_path)


def _store(folder: Path) -> KeyStore:
    return KeyStore(open_database(f"sqlite:///{folder / 'ledger.db'}"))


def test_a_key_is_found_as_it_was_made(store: KeyStore) -> None:
    key, secret = store.create([Scope.CHAT, Scope.FEEDBACK], ["ann", "bob"], name="shop", rate=7)
    assert store.find(secret) == key
    assert (key.name, key.rate, key.revoked) == ("shop", 7, None)
    assert key.scopes == {Scope.CHAT, Scope.FEEDBACK}
    assert [key.speaks_for(user_id) for user_id in ("ann", "bob", "eve", EVERYBODY)] == [True, True, False, False]


def test_a_key_may_speak_for_all_whose_ids_begin_alike(store: KeyStore) -> None:
    key, _ = store.create([Scope.CHAT], ["person-*", "ann"])
    spoken = ("person-1", "person-", "ann", "person", "anna", "a person-1", EVERYBODY)
    assert [key.speaks_for(user_id) for user_id in spoken] == [True, True, True, False, False, False, False]
    assert not key.speaks_for_everybody
    alone, _ = store.create([Scope.CHAT], ["person-*"])
    assert alone.person is None


@pytest.mark.parametrize("guess", ["", "convrec-", "x" * 10_000, "\udcff", "' OR 1=1 --"])
def test_what_is_no_key_finds_none(store: KeyStore, guess: str) -> None:
    store.create([Scope.CHAT], [EVERYBODY])
    assert store.find(guess) is None


def test_neither_a_beginning_nor_the_stored_hash_is_the_key(store: KeyStore, tmp_path: Path) -> None:
    key, secret = store.create([Scope.CHAT], [EVERYBODY])
    (digest,) = sqlite3.connect(tmp_path / "ledger.db").execute("SELECT digest FROM api_keys").fetchone()
    for guess in (key.prefix, secret[:-1], secret + " ", secret.swapcase(), digest):
        assert store.find(guess) is None


def test_the_key_is_in_no_file(store: KeyStore, tmp_path: Path) -> None:
    key, secret = store.create([Scope.CHAT], [EVERYBODY])
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert key.prefix.encode() in files
    assert secret.removeprefix(key.prefix).encode() not in files


def test_keys_are_long_and_differ(store: KeyStore) -> None:
    secrets = {store.create([Scope.CHAT], [EVERYBODY])[1] for _ in range(20)}
    assert len(secrets) == 20
    assert all(len(secret) >= len("convrec-") + 43 for secret in secrets)  # 256 bits in base64


def test_a_revoked_key_is_refused_by_every_process_at_once_and_stays_listed(
    store: KeyStore, tmp_path: Path
) -> None:
    assert not store.exist()
    key, secret = store.create([Scope.CHAT], [EVERYBODY])
    other = _store(tmp_path)
    assert other.find(secret) == key
    gone = store.revoke(key.prefix)
    assert gone.revoked is not None
    assert other.find(secret) is None
    assert other.exist()
    assert other.every() == (gone,) == (store.revoke(key.prefix),)


def test_an_unknown_key_cannot_be_revoked(store: KeyStore) -> None:
    with pytest.raises(NotFoundError, match="convrec keys list"):
        store.revoke("convrec-nothing")


@pytest.mark.parametrize(
    ("scopes", "users", "rate", "says"),
    [
        ([], ["ann"], None, "scopes"),
        ([Scope.OPEN], ["ann"], None, "scopes"),
        ([Scope.CHAT], [], None, "user_ids"),
        ([Scope.CHAT], ["ann", " "], None, "user_ids"),
        ([Scope.CHAT, Scope.ADMIN], ["ann"], None, "admin"),
        ([Scope.CHAT], ["ann"], 0, "at least 1"),
    ],
)
def test_keys_that_make_no_sense_are_refused(
    store: KeyStore, scopes: list[Scope], users: list[str], rate: int | None, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        store.create(scopes, users, rate=rate)
    assert not store.exist()


def test_forgetting_a_person_leaves_their_id_nowhere_and_opens_nothing(store: KeyStore, tmp_path: Path) -> None:
    _, shared = store.create([Scope.CHAT], ["ann-canary", "bob"])
    _, own = store.create([Scope.CHAT], ["ann-canary"])
    _, all_ = store.create([Scope.CHAT], [EVERYBODY])
    assert store.forget("ann-canary") == 2
    found = store.find(shared)
    assert found is not None
    assert found.users == {"bob"}
    assert store.find(own) is None
    assert store.find(all_) is not None
    rows = sqlite3.connect(tmp_path / "ledger.db").execute("SELECT * FROM api_keys").fetchall()
    assert len(rows) == 3
    assert "ann-canary" not in repr(rows)


def test_a_database_that_fails_says_so(store: KeyStore, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute("DROP TABLE api_keys")
    with pytest.raises(LedgerError, match="API keys"):
        store.find("convrec-x")


@given(users=st.frozensets(st.text(min_size=1), min_size=1), user_id=st.text())
def test_a_key_speaks_for_whom_it_names_and_no_others(users: frozenset[str], user_id: str) -> None:
    key = ApiKey("convrec-x", "", frozenset({Scope.CHAT}), users, None, 0.0)
    begins = [name[:-1] for name in users if name[-1] == EVERYBODY]
    assert key.speaks_for(user_id) == (user_id in users or any(user_id.startswith(begin) for begin in begins))
    if key.person is not None:
        assert users == {key.person}
        assert not key.speaks_for_everybody
