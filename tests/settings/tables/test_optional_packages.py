"""What a configuration needs of the machine: a module that is None in `sys.modules` is one that is not installed."""

import sys
from pathlib import Path

import pytest

from oddaemon.settings import try_load
from tests.golden import GoldenTexts

OFFICE = """
[api]
developer_key_env = "D"

[[office]]
id = "smile"
customer_key_env = "A"
"""
DEMANDING = """
[sftp]
listen = "127.0.0.1:0"
public_host = "balances.example.com"

[maintenance]
backup_directory = "unmounted"

[[sink]]
name = "warehouse"
kind = "postgres"
dsn_env = "DSN"

[[sink]]
name = "lake"
kind = "files"
directory = "lake"
format = "parquet"

[[sink]]
name = "own"
kind = "exec"
command = ["/bin/true"]
format = "parquet"
"""
ENVIRONMENT = {
    "D": "Qm7xT2kLp9RvWc4Z",
    "A": "Hb3nY8sVd5FqXg1J",
    "DSN": "postgresql://oddaemon@127.0.0.1/warehouse?sslmode=disable",
}


def load_warnings(directory: Path) -> list[str]:
    path = directory / "oddaemon.toml"
    path.write_text(OFFICE + DEMANDING)
    loaded = try_load(path, ENVIRONMENT)
    assert loaded.problems == ()
    return [f"{warning.key}: {warning.message}; {warning.hint}" for warning in loaded.warnings]


def test_what_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    for module in ("asyncssh", "psycopg", "pyarrow"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "unmounted").mkdir()
    golden.check(load_warnings(tmp_path))


def test_a_directory_for_backups_that_is_not_there_may_come_later(tmp_path: Path, golden: GoldenTexts) -> None:
    golden.check(load_warnings(tmp_path))
    (tmp_path / "unmounted").mkdir()
    assert load_warnings(tmp_path) == []
