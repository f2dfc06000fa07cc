"""The tables `[state]` and `[fleet]`: where everything is stored, and how hosts share it."""

import re
import socket
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from oddaemon.core.dsn import parse_dsn
from oddaemon.core.secret import Secret
from oddaemon.settings.tables.base import Seconds, SecondsOrZero, Table, matches
from oddaemon.settings.values.database_url import SQLITE_PREFIX, normalize_database
from oddaemon.settings.values.sink_secrets import check_dsn

_HOST_CHARACTERS_MAX = 63

HostName = Annotated[
    str,
    matches(
        rf"[A-Za-z0-9._-]{{1,{_HOST_CHARACTERS_MAX}}}",
        "must be a short name of a host",
        f"use 1 to {_HOST_CHARACTERS_MAX} of letters, digits, . - _",
    ),
]


class StateSettings(Table):
    """`[state]`: where everything is stored that must survive a restart."""

    secrets: ClassVar = {"database_url": check_dsn}

    database_url: Secret = Secret("oddaemon.db")
    """`database` of the file. `sqlite+aiosqlite:///` and an absolute path, however it was written, or the URL of a
    PostgreSQL server. "": it could not be read from its file or from the environment, which was reported."""
    retain_days: int = Field(400, ge=1, le=36_500)
    """How long past days are kept; the job `prune` of `[maintenance]` deletes older ones."""
    look_seconds: Seconds = 30.0
    """Between two checks of whether the database still exists and is intact."""
    journal_entries: int = Field(500, ge=10, le=100_000)
    """Decisions and requests that are kept of each office for `explain`."""
    journal_write_seconds: SecondsOrZero = 2.0
    """How long entries are buffered before they are written together."""

    @field_validator("database_url")
    @classmethod
    def _normalize_database(cls, database: Secret, info: ValidationInfo) -> Secret:
        text = database.reveal()
        return Secret(normalize_database(text, info)) if text else database

    @property
    def is_postgresql(self) -> bool:
        """Whether the database is on a PostgreSQL server. Only such a URL has a source outside of `oddaemon.toml`."""
        return not self.database_url.reveal().startswith(SQLITE_PREFIX)

    @property
    def where(self) -> str:
        """Where the database is, for people: the path, or the server and the name, never a password."""
        return parse_dsn(self.database_url.reveal()).where if self.is_postgresql else str(self.path)

    @property
    def path(self) -> Path:
        """The database's file, of SQLite."""
        assert not self.is_postgresql, "a database on a server has no file"
        return Path(self.database_url.reveal().removeprefix(SQLITE_PREFIX))


def get_host_name() -> str:
    """This machine's name, without what the name of a host cannot have here."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:_HOST_CHARACTERS_MAX] or "localhost"


class FleetSettings(Table):
    """`[fleet]`: this host among those that share a database on PostgreSQL."""

    host: HostName = Field(default_factory=get_host_name)
    """Its name in the fleet."""
    lease_seconds: float = Field(15.0, ge=6, le=120, allow_inf_nan=False)
    """A host that has not renewed its lease for so long is dead, and others take over its offices."""
    network: str = Field("", max_length=100)
    """Hosts with the same text share the caps of `[api]`, which count for each source address."""
