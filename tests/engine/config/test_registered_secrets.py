"""The log shows no secret of the configuration, and shows where the database is."""

from pathlib import Path
from urllib.parse import quote

from oddaemon.engine.config.active_config import register_secrets
from oddaemon.settings import ApiSettings, Secret, Settings, StateSettings
from oddaemon.telemetry.telemetry import Telemetry
from tests.store.samples import NOW

URL = "postgresql://od:hunter2@127.0.0.1/oddaemon"


def redact(database: str, text: str) -> str:
    telemetry = Telemetry(write=lambda _: None, now=lambda: NOW, version="test")
    state = StateSettings(database_url=Secret(database))
    register_secrets(telemetry, Settings(Path("oddaemon.toml"), ApiSettings(developer_key=Secret("k" * 16)), state))
    return telemetry.redact(text)


def test_the_url_of_a_server_is_redacted() -> None:
    assert "hunter2" not in redact(URL, f"x {quote(URL, safe='')} {URL} y")
    assert redact(URL, "127.0.0.1/oddaemon is open") == "127.0.0.1/oddaemon is open"


def test_the_path_of_a_file_is_shown() -> None:
    assert redact("/var/lib/od.db", "sqlite+aiosqlite:////var/lib/od.db") == "sqlite+aiosqlite:////var/lib/od.db"
