import re
import shutil
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.settings import Settings, try_load
from oddaemon.settings.files.secret_sources import get_source_names
from oddaemon.settings.load import _SECTIONS
from oddaemon.settings.tables.office import OFFICE_FIELDS
from oddaemon.settings.tables.sink import SINK_TABLES
from oddaemon.settings.tables.sinks import SINK_FIELDS

CONFIG = Path(__file__).parents[2] / "config"
SIGNING_SECRET = "whsec_cGxhbnRlZC1zZWNyZXQtb2Ytc29tZS1sZW5ndGg="
DSN = "postgresql://oddaemon@warehouse/balances?sslmode=verify-full"
OPTIONAL_SINK_SETTINGS = {
    "backoff_base_seconds",
    "backoff_max_seconds",
    "retry_after_max_seconds",
    "give_up_after_seconds",
    "timeout_seconds",
    "schema_name",
    "rows_max",
    "gzip",
}
OFFICE_FILES = sorted((CONFIG / "offices.d").glob("*.toml"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the examples, with the keys that they name."""
    shutil.copytree(CONFIG, tmp_path / "config")
    for path in (tmp_path / "config").rglob("*.toml"):
        for name in re.findall(r'^\w+_key_file = "(.*)"', path.read_text(), re.MULTILINE):
            key = path.parent / name
            key.parent.mkdir(exist_ok=True)
            key.write_text(f"key-of-{key.stem}\n")
            key.chmod(0o600)
    return tmp_path / "config"


def make_environment(config: Path) -> dict[str, str]:
    text = "".join(path.read_text() for path in config.rglob("*.toml"))
    return {name: f"key-in-{name}" for name in re.findall(r'^\w+_key_env = "(.*)"', text, re.MULTILINE)}


def load_settings(path: Path) -> Settings:
    loaded = try_load(path, make_environment(path.parent))
    assert loaded.problems == ()
    assert loaded.settings is not None
    return loaded.settings


def test_the_example_is_valid_and_nothing_is_to_be_thought_about(config: Path) -> None:
    loaded = try_load(config / "oddaemon.example.toml", make_environment(config))
    assert loaded.problems == loaded.warnings == ()
    assert loaded.settings is not None
    assert len(loaded.settings.offices) == 5


def test_the_example_shows_the_defaults(config: Path, tmp_path: Path) -> None:
    shown = load_settings(config / "oddaemon.example.toml")
    bare = tmp_path / "config" / "bare.toml"
    bare.write_text('[api]\ndeveloper_key_file = "keys/developer.key"\n')
    defaults = load_settings(bare)
    for section in ("api", "state", "http", "daemon", "log", "maintenance", "alerts"):
        assert getattr(shown, section) == getattr(defaults, section)


def test_the_example_shows_the_defaults_of_what_an_office_may_override(config: Path) -> None:
    example = config / "oddaemon.example.toml"
    before = load_settings(example).offices
    text, removed = re.subn(
        r"^\[(cadence|plausibility)\]\n([^\[\n].*\n|\n)*", "", example.read_text(), flags=re.MULTILINE
    )
    assert removed == 2
    example.write_text(text)
    assert load_settings(example).offices == before


def test_the_example_names_every_setting() -> None:
    text = (CONFIG / "oddaemon.example.toml").read_text()
    shown = tomllib.loads(text)
    for section, model in _SECTIONS.items():
        for name in model.list_keys():
            assert name in shown[section] or name in text, f"{section}.{name}"
    assert {field.name for field in fields(Cadence)} == shown["cadence"].keys()
    assert {field.name for field in fields(Plausibility)} == shown["plausibility"].keys()


def test_the_example_offices_name_every_setting() -> None:
    offices: list[dict[str, Any]] = []
    for path in OFFICE_FILES:
        offices.extend(tomllib.loads(path.read_text())["office"])
    named = {name for office in offices for name in office}
    assert named | {"customer_key"} == OFFICE_FIELDS


def test_the_example_of_an_own_network_is_not_throttled(config: Path) -> None:
    offices = load_settings(config / "oddaemon.example.toml").offices
    assert not offices["hill-street"].credentials.remote
    assert offices["hill-street"].spec.page_rows == 1000
    assert offices["bright-smiles"].credentials.remote


def test_the_public_test_database_is_ready_to_run() -> None:
    settings = load_settings(CONFIG / "opendental-test.toml")
    (office,) = settings.offices.values()
    assert settings.api.base_url == office.credentials.base_url == "https://api.opendental.com/api/v1"
    assert settings.api.developer_key.reveal() == "NFF6i0KrXrxDkZHt"
    assert office.credentials.customer_key.reveal() == "VzkmZEaUWOjnQX2z"
    assert str(office.spec.zone) == "America/Los_Angeles"


def test_the_example_sinks_are_valid_and_name_every_setting(config: Path) -> None:
    example = config / "oddaemon.example.toml"
    text = re.sub(r"^#(?! |$)", "", example.read_text(), flags=re.MULTILINE)
    shown = {name for sink in tomllib.loads(text)["sink"] for name in sink}
    secrets = {source for name in ("secret", "dsn", "proxy_url") for source in get_source_names(name)}
    assert shown | secrets == SINK_FIELDS | {"url", "secret", "dsn", "proxy_url"}
    example.write_text(text)
    loaded = try_load(
        example, {**make_environment(config), "LEDGER_SIGNING_SECRET": SIGNING_SECRET, "WAREHOUSE_DSN": DSN}
    )
    assert loaded.problems == ()
    assert loaded.settings is not None
    assert [sink.name for sink in loaded.settings.sinks] == ["lake", "ledger", "warehouse", "own"]


def test_the_example_sinks_show_the_defaults() -> None:
    text = re.sub(r"^#(?! |$)", "", (CONFIG / "oddaemon.example.toml").read_text(), flags=re.MULTILINE)
    for sink in tomllib.loads(text)["sink"]:
        fields = SINK_TABLES[sink["kind"]].model_fields
        for name in (
            "timeout_seconds",
            "schema_name",
            "rows_max",
            "gzip",
            "give_up_after_seconds",
            "backoff_max_seconds",
        ):
            if name in sink:
                assert sink[name] == fields[name].default
