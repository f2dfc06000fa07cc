"""`[state]` and `[fleet]`: a path or a server, from three sources; and what a server changes elsewhere."""

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from oddaemon.settings import FleetSettings, LoadResult, Settings, find_control_socket, render_redacted_files, try_load
from oddaemon.settings.files.secret_sources import find_secrets
from oddaemon.settings.model import keep_restart_tables
from tests.golden import GoldenTexts

URL = "postgresql://od:hunter2@127.0.0.1:5433/oddaemon?application_name=x"
API = '[api]\ndeveloper_key_env = "D"\n'
ENVIRONMENT = {"D": "Qm7xT2kLp9RvWc4Z", "URL": URL}


def load_text(directory: Path, text: str, environment: Mapping[str, str] = ENVIRONMENT) -> LoadResult:
    path = directory / "oddaemon.toml"
    path.write_text(API + text)
    path.chmod(0o600)
    return try_load(path, environment)


def load_settings(directory: Path, text: str) -> Settings:
    loaded = load_text(directory, text)
    assert loaded.settings is not None, loaded.problems
    return loaded.settings


@pytest.mark.parametrize(
    "written", [f'database = "{URL}"', 'database_url_env = "URL"', 'database_url_file = "database.url"']
)
def test_a_server_is_a_secret_of_three_sources(tmp_path: Path, written: str) -> None:
    (tmp_path / "database.url").write_text(f"{URL}\n")
    (tmp_path / "database.url").chmod(0o600)
    settings = load_settings(tmp_path, f"[state]\n{written}\n")
    assert settings.state.is_postgresql
    assert settings.state.database_url.reveal() == URL
    assert settings.state.where == "127.0.0.1:5433/oddaemon"
    assert "hunter2" not in repr(settings)
    assert URL in [secret.reveal() for secret in find_secrets(settings)]
    shown = render_redacted_files(tmp_path / "oddaemon.toml", str)
    assert [text for _, text in shown if "hunter2" in text or "5433" in text] == []


def test_the_path_of_a_file_is_no_secret(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, '[state]\ndatabase = "od.db"\n')
    assert not settings.state.is_postgresql
    assert settings.state.where == str(settings.state.path) == str(tmp_path / "od.db")
    assert [secret.reveal() for secret in find_secrets(settings)] == [ENVIRONMENT["D"]]


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://od@/oddaemon?host=/run/postgresql", "/run/postgresql/oddaemon"),
        ("postgresql://od:a@10.0.0.1:5432,10.0.0.2:5433/od", "10.0.0.1:5432,10.0.0.2:5433/od"),
        ("postgresql://od@db.example.com/od?sslmode=verify-full&port=6543", "db.example.com:6543/od"),
        ("postgresql://od@localhost", "localhost/od"),
    ],
)
def test_a_server_is_called_by_its_hosts_and_the_database(tmp_path: Path, url: str, where: str) -> None:
    assert load_settings(tmp_path, f'[state]\ndatabase = "{url}"\n').state.where == where


@pytest.mark.parametrize("written", [f'database = "{URL}"', 'database_url_env = "URL"'])
def test_files_stand_beside_the_configuration_if_the_database_has_no_place_here(tmp_path: Path, written: str) -> None:
    sftp = '[sftp]\nlisten = "127.0.0.1:0"\npublic_host = "balances.example.com"\n'
    settings = load_settings(tmp_path, f"[state]\n{written}\n{sftp}")
    assert settings.http.control_socket == tmp_path / "oddaemon.sock"
    assert settings.sftp.host_key == tmp_path / "sftp-host-key"
    assert settings.sftp.directory == tmp_path / "uploads"
    # A command finds the socket where the daemon has it, although its own environment lacks the URL.
    assert find_control_socket(tmp_path / "oddaemon.toml") == tmp_path / "oddaemon.sock"


def test_a_url_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, '[state]\ndatabase_url_env = "URL"\n', {"D": ENVIRONMENT["D"]})
    assert [problem.key for problem in loaded.problems] == ["state.database_url_env"]


def test_a_password_in_a_file_that_others_may_read_is_warned_of(tmp_path: Path, golden: GoldenTexts) -> None:
    path = tmp_path / "oddaemon.toml"
    path.write_text(f'{API}[[office]]\nid = "elm"\ncustomer_key_env = "URL"\n[state]\ndatabase = "{URL}"\n')
    path.chmod(0o644)
    loaded = try_load(path, {**ENVIRONMENT, "URL": "Hb3nY8sVd5FqXg1J"})
    golden.check([f"{each.key}: {each.message}" for each in loaded.warnings])


def test_the_host_is_called_as_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "od-1.example.com")
    assert FleetSettings().host == "od-1.example.com"
    monkeypatch.setattr(socket, "gethostname", lambda: f"büro 7{'x' * 99}")
    assert FleetSettings().host == f"b-ro-7{'x' * 57}"


def test_both_tables_take_effect_at_a_start(tmp_path: Path) -> None:
    active = load_settings(tmp_path, '[fleet]\nhost = "a"\n')
    wanted = load_settings(tmp_path, f'[fleet]\nhost = "b"\n[state]\ndatabase = "{URL}"\n')
    kept = keep_restart_tables(active, wanted)
    assert (kept.fleet, kept.state) == (active.fleet, active.state)


SINKS = """
[fleet]
host = "a"
[[sink]]
name = "lake"
kind = "files"
directory = "lake"
{lake}
[[sink]]
name = "ledger"
kind = "webhook"
url = "http://127.0.0.1:1/x"
secret_env = "S"
"""
ON_B = 'on = ["b"]'
MAINTENANCE = """[maintenance]
wal_checkpoint = "1 1 * * *"
incremental_vacuum = ""
backup_directory = "."
backup_keep = 3
"""


@pytest.mark.parametrize(
    "text",
    [
        f'[state]\ndatabase = "{URL}"\n{SINKS.format(lake="")}{MAINTENANCE}',
        f'[state]\ndatabase = "{URL}"\n{SINKS.format(lake=ON_B)}',
        SINKS.format(lake=ON_B) + MAINTENANCE,
        SINKS.format(lake='on = ["a"]'),
    ],
    ids=["server", "named host", "other host on SQLite", "this host on SQLite"],
)
def test_what_a_shared_database_changes_is_warned_of(tmp_path: Path, text: str, golden: GoldenTexts) -> None:
    environment = {**ENVIRONMENT, "S": "whsec_cGxhbnRlZC1zZWNyZXQtb2Ytc29tZS1sZW5ndGg="}
    loaded = load_text(tmp_path, text, environment)
    assert loaded.problems == ()
    golden.check([f"{each.key}: {each.message}; {each.hint}" for each in loaded.warnings if each.key])


def test_a_server_needs_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    warnings = load_text(tmp_path, '[state]\ndatabase_url_env = "URL"\n').warnings
    golden.check([f"{each.key}: {each.message}; {each.hint}" for each in warnings if each.key])


def test_a_sink_runs_on_the_hosts_that_it_names(tmp_path: Path) -> None:
    text = SINKS.format(lake='on = ["a", "b"]')
    loaded = load_text(tmp_path, text, {**ENVIRONMENT, "S": "whsec_cGxhbnRlZC1zZWNyZXQtb2Ytc29tZS1sZW5ndGg="})
    assert loaded.settings is not None
    lake, ledger = loaded.settings.sinks
    assert [lake.runs_on(host) for host in ("a", "b", "c")] == [True, True, False]
    assert ledger.runs_on("c")
