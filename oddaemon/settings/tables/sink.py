"""The settings of one sink: the fields of a `[[sink]]` table of each kind."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from oddaemon.core.delivery import Content, RetryPolicy
from oddaemon.core.model import OfficeSpec
from oddaemon.core.secret import Secret
from oddaemon.settings.tables.base import AbsolutePath, Seconds, matches
from oddaemon.settings.tables.sections import BackoffSettings
from oddaemon.settings.tables.state import HostName
from oddaemon.settings.values.invalid import invalid
from oddaemon.settings.values.sink_secrets import check_dsn, check_signing_secret
from oddaemon.settings.values.url import require_https_behind_proxy, validate_proxy_url, validate_push_url

_ENVIRONMENT_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_RETRY_POLICY = RetryPolicy()

RowFormat = Literal["ndjson", "csv", "parquet"]
"""Of a file of any size: JSON would be one document."""


class SinkTable(BackoffSettings):
    """The fields of sinks of every kind. A reload restarts a sink whose settings are not equal."""

    name: Annotated[
        str,
        matches(
            r"[a-z0-9][a-z0-9_-]{0,63}",
            "must be a short name for commands and metrics",
            "use 1 to 64 of a-z 0-9 _ - and begin with a letter or digit",
        ),
    ]
    kind: Literal["files", "webhook", "postgres", "exec"]
    offices: list[str] = Field(default_factory=list, max_length=100_000)
    """Empty: every office."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Only offices that have all of these labels."""
    on: list[HostName] = Field(default_factory=list, max_length=1000)
    """The hosts on which the sink may run, as their `[fleet]` names them. Empty: any."""
    backoff_base_seconds: Seconds = _RETRY_POLICY.backoff_base_seconds
    backoff_max_seconds: Seconds = _RETRY_POLICY.backoff_max_seconds
    retry_after_max_seconds: Seconds = _RETRY_POLICY.retry_after_max_seconds
    give_up_after_seconds: Seconds = _RETRY_POLICY.give_up_after_seconds

    @property
    def retry_policy(self) -> RetryPolicy:
        """When a failed delivery is attempted again."""
        return RetryPolicy(**{each.name: getattr(self, each.name) for each in fields(RetryPolicy)})

    def runs_on(self, host: str) -> bool:
        """Whether the sink may run on this host."""
        return not self.on or host in self.on

    def get_content(self) -> Content:
        """What the sink receives; always the whole snapshot if its kind leaves no choice."""
        return Content.SNAPSHOT

    def get_in_flight_max(self) -> int:
        """How many deliveries it takes at once. A disk, a transaction and a command of the operator's: one."""
        return 1

    def matches_office(self, office: OfficeSpec) -> bool:
        """Whether the sink receives the office's balances."""
        return self.matches(office.id, dict(office.labels))

    def matches(self, office_id: str, labels: Mapping[str, str]) -> bool:
        """The same, for an office with this id and these labels."""
        return (not self.offices or office_id in self.offices) and all(
            labels.get(name) == value for name, value in self.labels.items()
        )


class ContentSinkTable(SinkTable):
    """The fields of sinks that can receive changes only."""

    content: Literal["snapshot", "changes"] = "snapshot"

    def get_content(self) -> Content:
        """What the sink receives."""
        return Content(self.content)


class FilesSettings(ContentSinkTable):
    """`kind = "files"`: a tree of files with their manifests."""

    kind: Literal["files"]
    directory: AbsolutePath
    format: RowFormat = "ndjson"
    timeout_seconds: Seconds = 300.0


class WebhookSettings(ContentSinkTable):
    """`kind = "webhook"`: signed requests."""

    secrets: ClassVar = {"secret": check_signing_secret, "proxy_url": validate_proxy_url}

    kind: Literal["webhook"]
    secret: Secret
    url: Secret
    """It may contain a token, so it is never shown."""
    proxy_url: Secret | None = None
    """Of the proxy to the receiver; None: direct."""
    rows_max: int = Field(5_000, ge=1, le=1_000_000)
    gzip: bool = True
    timeout_seconds: Seconds = 30.0
    max_in_flight: int = Field(4, ge=1, le=64)
    """Offices with a delivery in flight at once; the deliveries of one office are sent one by one."""

    @field_validator("url")
    @classmethod
    def _validate_url(cls, url: Secret) -> Secret:
        validate_push_url(url.reveal())
        return url

    @field_validator("proxy_url")
    @classmethod
    def _validate_proxy(cls, proxy: Secret | None, info: ValidationInfo) -> Secret | None:
        if proxy is not None and "url" in info.data:
            require_https_behind_proxy(info.data["url"].reveal(), "url")
        return proxy

    def get_in_flight_max(self) -> int:
        """As configured."""
        return self.max_in_flight


class PostgresSettings(SinkTable):
    """`kind = "postgres"`: tables that oddaemon creates and maintains."""

    secrets: ClassVar = {"dsn": check_dsn}

    kind: Literal["postgres"]
    dsn: Secret
    schema_name: Annotated[
        str,
        matches(
            r"(?!pg_)[a-z_][a-z0-9_]{0,62}",
            "must be a plain name",
            "use a-z 0-9 and _; begin with a letter, but not with pg_",
        ),
    ] = "oddaemon"
    timeout_seconds: Seconds = 120.0


class ExecSettings(ContentSinkTable):
    """`kind = "exec"`: a command of the operator's."""

    kind: Literal["exec"]
    command: list[str] = Field(min_length=1, max_length=1000)
    format: RowFormat = "ndjson"
    pass_environment: list[str] = Field(default_factory=list, max_length=1000)
    """Variables of the daemon's environment that the command gets, too."""
    timeout_seconds: Seconds = 300.0

    @field_validator("command")
    @classmethod
    def _validate_command(cls, command: list[str]) -> list[str]:
        if not Path(command[0]).is_absolute():
            raise invalid(
                "must begin with the absolute path of a program", "it is run without a shell and without a search path"
            )
        if any("\0" in part for part in command):
            raise invalid("contains a zero byte")
        return command

    @field_validator("pass_environment")
    @classmethod
    def _validate_pass_environment(cls, names: list[str]) -> list[str]:
        if not all(_ENVIRONMENT_VARIABLE.fullmatch(name) for name in names):
            raise invalid("must be names of environment variables", "such as HOME, without values")
        return names


SinkSettings = FilesSettings | WebhookSettings | PostgresSettings | ExecSettings
SINK_TABLES: Mapping[str, type[SinkSettings]] = {
    "files": FilesSettings,
    "webhook": WebhookSettings,
    "postgres": PostgresSettings,
    "exec": ExecSettings,
}
"""The table of each kind."""
