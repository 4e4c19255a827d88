import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from convrec import cli
from convrec.errors import ConvRecError, DataError, NotFoundError, SettingsError
from convrec.service.build import Workshop
from convrec.service.keys import Scope
from convrec.settings import load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli.app, [*arguments])
    if isinstance(result.exception, ConvRecError):
        raise result.exception
    return result


def test_create_prints_the_key_alone_and_once() -> None:
    made = _run("keys", "create", "--users", "ann, bob", "--name", "shop", "--rate", "9")
    secret = made.stdout.strip()
    key = Workshop(load_settings()).keys.find(secret)
    assert key is not None
    assert (key.users, key.scopes, key.name, key.rate) == ({"ann", "bob"}, {Scope.CHAT, Scope.FEEDBACK}, "shop", 9)
    assert f"convrec keys revoke {key.prefix}" in made.stderr
    for listed in (_run("keys", "list").stdout, _run("keys", "list", "--json").stdout):
        assert key.prefix in listed
        assert secret not in listed


def test_list_tells_programs_everything_but_the_key() -> None:
    made = json.loads(_run("keys", "create", "--users", "*", "--scopes", "admin,chat", "--json").stdout)
    secret = made.pop("key")
    assert secret.startswith(made["prefix"])
    assert json.loads(_run("keys", "list", "--json").stdout) == [made]
    assert (made["users"], made["scopes"], made["revoked"]) == (["*"], ["admin", "chat"], None)


def test_revoke_takes_what_list_shows() -> None:
    made = json.loads(_run("keys", "create", "--users", "*", "--json").stdout)
    assert "is revoked" in _run("keys", "revoke", made["prefix"]).stdout
    (listed,) = json.loads(_run("keys", "list", "--json").stdout)
    assert listed["revoked"] >= listed["created"]
    assert Workshop(load_settings()).keys.find(made["key"]) is None
    with pytest.raises(NotFoundError, match="convrec keys list"):
        _run("keys", "revoke", "convrec-unknown")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--users", "ann", "--scopes", "chat,root"), "'root' is no scope"),
        (("--users", "ann", "--scopes", "open"), "scopes"),
        (("--users", ","), "user_ids"),
        (("--users", "ann", "--scopes", "admin"), "admin"),
    ],
)
def test_keys_that_make_no_sense_are_refused_in_words(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(DataError, match=says):
        _run("keys", "create", *arguments)


def test_whom_a_key_speaks_for_must_be_said() -> None:
    assert _run("keys", "create").exit_code == 2
    assert _run("keys", "create", "--users", "ann", "--rate", "0").exit_code == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2"])
def test_serving_others_without_a_key_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="convrec keys create"):
        _run("serve", "--host", host)
    # Every key that there ever was closes the door, so this gets as far as finding no model.
    _run("keys", "create", "--users", "*")
    with pytest.raises(SettingsError, match="CONVREC_MODEL"):
        _run("serve", "--host", host)


def test_the_api_key_is_a_secret_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVREC_API_KEY", "convrec-topsecret")
    settings = load_settings()
    assert settings.bearer == "convrec-topsecret"
    assert "topsecret" not in repr(settings)
    monkeypatch.delenv("CONVREC_API_KEY")
    assert load_settings().bearer is None


def test_doctor_says_who_gets_in() -> None:
    def told() -> dict[str, str | bool | None]:
        return next(check for check in json.loads(_run("doctor", "--json").stdout) if check["name"] == "keys")

    assert told()["ok"] is None
    made = json.loads(_run("keys", "create", "--users", "*", "--json").stdout)
    assert (told()["ok"], told()["detail"]) == (True, "1 good, 0 revoked")
    _run("keys", "revoke", made["prefix"])
    assert told()["ok"] is False
    assert "convrec keys create" in str(told()["fix"])


def test_who_is_erased_is_in_no_key() -> None:
    made = json.loads(_run("keys", "create", "--users", "ann,bob", "--json").stdout)
    _run("erase", "--user", "ann", "--yes")
    key = Workshop(load_settings()).keys.find(made["key"])
    assert key is not None
    assert key.users == {"bob"}
