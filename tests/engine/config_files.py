"""The files of a whole configuration, as an operator edits them while a daemon runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddaemon.settings import Settings, load
from oddaemon.store import offices
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.night import MAX_IN_FLIGHT, MAX_REQUESTS_PER_SECOND
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX

MAIN = f"""
[api]
base_url = "http://127.0.0.1:1/api/v1"
developer_key = "planted-developer-key"
max_in_flight = {MAX_IN_FLIGHT}
max_requests_per_second = {MAX_REQUESTS_PER_SECOND}

[state]
database = "state.db"

[maintenance]
wal_checkpoint = ""
integrity_check = ""

[offices]
directory = "offices.d"
"""


@dataclass
class ConfigFiles:
    """Offices by id, each with its settings and the file in which it stands."""

    main: Path
    offices: dict[str, dict[str, Any]] = field(default_factory=dict)
    file_by_office: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        return self.main.parent / "offices.d"

    def add(self, office_id: str, **settings: Any) -> None:
        key = CUSTOMER_KEY_PREFIX + office_id
        zone = "America/Los_Angeles"
        self.offices[office_id] = {"id": office_id, "customer_key": key, "timezone": zone, **settings}
        self.file_by_office[office_id] = f"{office_id}.toml"

    def remove(self, office_id: str) -> None:
        del self.offices[office_id], self.file_by_office[office_id]

    def render_files(self) -> dict[str, str]:
        """Each file of the directory."""
        found: dict[str, str] = {}
        for office_id, settings in self.offices.items():
            name = self.file_by_office[office_id]
            found[name] = found.get(name, "") + _render_table(settings)
        return found

    def write_and_load(self) -> Settings:
        """All files, and what they come to."""
        self.write_files()
        return self.load_settings()

    def write_files(self) -> None:
        """All files; those of no office are removed."""
        self.directory.mkdir(exist_ok=True)
        texts = self.render_files()
        for path in self.directory.iterdir():
            if path.name not in texts:
                path.unlink()
        for name, text in texts.items():
            write_private(self.directory / name, text)
        write_private(self.main, MAIN)

    def load_settings(self) -> Settings:
        return load(self.main, {})

    async def read_wanted_ids(self) -> set[str]:
        """What the database is marked with."""
        async with SqliteDatabase.open_for_reading(str(self.main.parent / "state.db")) as database:
            return {row.id for row in await offices.list_all(database) if row.is_configured}


def make_config_files(directory: Path, *office_ids: str) -> ConfigFiles:
    files = ConfigFiles(directory / "oddaemon.toml")
    for office_id in office_ids:
        files.add(office_id)
    return files


def write_private(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def _render_table(settings: Mapping[str, Any]) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if not isinstance(value, dict)]
    labels = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in settings.get("labels", {}).items()]
    return "\n".join(["[[office]]", *lines, *(["[office.labels]", *labels] if labels else []), ""])
