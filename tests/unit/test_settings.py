from pathlib import Path

import pytest

from convrec.errors import SettingsError
from convrec.settings import load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_flags_win_over_the_environment_which_wins_over_the_file(monkeypatch) -> None:
    Path("convrec.toml").write_text('k = 3\nport = 1\nhost = "::1"\n')
    monkeypatch.setenv("CONVREC_K", "4")
    monkeypatch.setenv("CONVREC_PORT", "2")
    settings = load_settings(port=9, host=None)
    assert (settings.k, settings.port, settings.host) == (4, 9, "::1")


@pytest.mark.parametrize("text", ["colour = 1", "k = 0", 'engine = "magic"', "k = "])
def test_a_wrong_file_is_refused_by_name(text) -> None:
    Path("convrec.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"convrec\.toml"):
        load_settings()


def test_an_unknown_variable_is_refused_by_name(monkeypatch) -> None:
    monkeypatch.setenv("CONVREC_COLOUR", "red")
    with pytest.raises(SettingsError, match="CONVREC_COLOUR"):
        load_settings()


def test_lists_come_from_the_environment_as_json(monkeypatch) -> None:
    monkeypatch.setenv("CONVREC_VLLM_URLS", '["http://a:1", "http://b:2"]')
    assert load_settings().vllm_urls == ("http://a:1", "http://b:2")


def test_the_ledger_is_sqlite_in_the_data_folder_unless_a_url_is_set() -> None:
    assert load_settings(data_dir=Path("here")).url.endswith("here/ledger.db")
    assert load_settings(database_url="postgresql+psycopg://x/y").url == "postgresql+psycopg://x/y"
